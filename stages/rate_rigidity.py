"""Rate rigidity: which tracks one static point explains, once the cameras are known."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import (
    Clip,
    Frames,
    MovableMasks,
    PointTracks,
    Reconstruction,
    Rigidity,
)
from camvid.overlay.masks import without_overlay
from camvid.rigidity.cameras import cameras_of
from camvid.rigidity.estimate import estimate_rigidity
from camvid.stage import Resources
from camvid.tracking.tracks import owners
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRigidityConfig:
    """Nothing but where it runs."""

    resources: Resources = Resources()

    def build(self) -> "RateRigidity":
        return RateRigidity(self)


class RateRigidity:
    """Clip, Frames, MovableMasks, PointTracks, Reconstruction -> Rigidity."""

    name: ClassVar[str] = "rate_rigidity"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[type, ...]] = (
        Clip,
        Frames,
        MovableMasks,
        PointTracks,
        Reconstruction,
    )
    writes: ClassVar[type] = Rigidity
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: RateRigidityConfig) -> None:
        self.config = config

    def __call__(
        self,
        clip: Clip,
        frames: Frames,
        masks: MovableMasks,
        tracks: PointTracks,
        reconstruction: Reconstruction,
    ) -> Rigidity:
        size_px = clip.width_px, clip.height_px
        owner = owners(tracks, without_overlay(masks).object_id)
        cameras = cameras_of(reconstruction, tracks, owner, size_px)
        return estimate_rigidity(tracks, owner, cameras, size_px, clip.fps, frames.rgb)
