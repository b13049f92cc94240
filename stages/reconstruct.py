"""Reconstruct: camera poses and sparse points from what does not move (masked SfM)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from camvid.artifacts import Clip, Frames, MovableMasks, PointTracks, Reconstruction
from camvid.models.poses.track_sfm import TrackSfmOptions
from camvid.models.protocols import PoseSolver
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.overlay.masks import overlay_of
from camvid.overlay.paint import painted_over
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructConfig(BackendConfig):
    """Which pose solver, and how."""

    role: ClassVar[str] = "pose solver"

    known: ClassVar[Mapping[str, Any]] = {"track_sfm": TrackSfmOptions()}

    resources: Resources = Resources()

    def build(self) -> "Reconstruct":
        return Reconstruct(self)


class Reconstruct:
    """Clip, Frames, MovableMasks, PointTracks -> Reconstruction.

    A camera without a trajectory (fixed, rotation-only, not to be trusted) is an outcome, not a
    rejection: the clip may still be good as video, or more where the policy says so.
    """

    name: ClassVar[str] = "reconstruct"
    version: ClassVar[int] = 11
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames, MovableMasks, PointTracks)
    writes: ClassVar[type] = Reconstruction

    def __init__(self, config: ReconstructConfig) -> None:
        self.config = config
        self._solver: PoseSolver = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._solver)

    def __call__(
        self, clip: Clip, frames: Frames, masks: MovableMasks, tracks: PointTracks
    ) -> Reconstruction:
        scene = painted_over(frames, overlay_of(masks))
        return self._solver.solve(clip, scene, masks, tracks)
