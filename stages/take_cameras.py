"""Take cameras: in the place of `reconstruct`, for clips that came with cameras.

The cameras are held against static tracks by the tests that our own must pass; points are
triangulated with them, so that all later stages run as they are.
"""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import Clip, Frames, MovableMasks, PointTracks, Reconstruction
from camvid.imports.cameras import GivenCameras
from camvid.models.poses.given import judge_cameras
from camvid.overlay.masks import overlay_of
from camvid.overlay.paint import painted_over
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCamerasConfig:
    """There is nothing to choose: the tests' limits are those of `reconstruct`."""

    resources: Resources = Resources()

    def build(self) -> "TakeCameras":
        return TakeCameras(self)


class TakeCameras:
    """Clip, Frames, MovableMasks, PointTracks, GivenCameras -> Reconstruction."""

    name: ClassVar[str] = "reconstruct"  # it stands in its place
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames, MovableMasks, PointTracks, GivenCameras)
    writes: ClassVar[type] = Reconstruction
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: TakeCamerasConfig) -> None:
        self.config = config

    def __call__(
        self,
        clip: Clip,
        frames: Frames,
        masks: MovableMasks,
        tracks: PointTracks,
        cameras: GivenCameras,
    ) -> Reconstruction:
        scene = painted_over(frames, overlay_of(masks))
        return judge_cameras(scene, masks, tracks, cameras).reconstruction
