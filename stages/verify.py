"""Verify: with the cameras known, finds movers and overlays that were missed, and splits masks."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import Clip, Frames, MovableMasks, ObjectMasks, PointTracks, Rigidity
from camvid.overlay.at_rest import as_overlay, objects_at_rest
from camvid.overlay.masks import overlay_of
from camvid.overlay.paint import painted_over
from camvid.segmentation.verification import verify_masks
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyConfig:
    """Nothing but where it runs."""

    resources: Resources = Resources()

    def build(self) -> "Verify":
        return Verify(self)


class Verify:
    """Clip, Frames, MovableMasks, PointTracks, Rigidity -> ObjectMasks."""

    name: ClassVar[str] = "verify"
    version: ClassVar[int] = 8
    reads: ClassVar[tuple[type, ...]] = (
        Clip,
        Frames,
        MovableMasks,
        PointTracks,
        Rigidity,
    )
    writes: ClassVar[type] = ObjectMasks
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: VerifyConfig) -> None:
        self.config = config

    def __call__(
        self,
        clip: Clip,
        frames: Frames,
        masks: MovableMasks,
        tracks: PointTracks,
        rigidity: Rigidity,
    ) -> ObjectMasks:
        at_rest = objects_at_rest(masks, tracks, rigidity, clip.fps)
        found = as_overlay(masks, at_rest)
        scene = painted_over(frames, overlay_of(found))
        return verify_masks(clip, scene, found, tracks, rigidity)
