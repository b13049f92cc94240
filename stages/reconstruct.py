"""Reconstruct: camera poses and sparse points from what does not move (masked SfM)."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import Clip, Frames, ObjectMasks, Reconstruction
from camvid.models.protocols import PoseSolver
from camvid.models.registry import build_backend
from camvid.models.track_sfm import TrackSfmOptions
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructConfig:
    """Which pose solver, and how."""

    backend: str = "track_sfm"
    track_sfm: TrackSfmOptions = TrackSfmOptions()
    resources: Resources = Resources()

    def build(self) -> "Reconstruct":
        return Reconstruct(self)


class Reconstruct:
    """Clip, Frames, ObjectMasks -> Reconstruction.

    A camera without a trajectory (fixed, rotating, not to be trusted) is an outcome, not a
    rejection: the clip may still be good as video.
    """

    name: ClassVar[str] = "reconstruct"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames, ObjectMasks)
    writes: ClassVar[type] = Reconstruction
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: ReconstructConfig) -> None:
        self.config = config
        self._solver: PoseSolver = build_backend("pose solver", config.backend, config.track_sfm)

    def __call__(self, clip: Clip, frames: Frames, masks: ObjectMasks) -> Reconstruction:
        return self._solver.solve(clip, frames, masks)
