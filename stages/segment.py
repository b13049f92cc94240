"""Segment: everything that may move, as instances (greedy: a false mask costs SfM little).

What is fixed to the image comes first: it is no part of the scene, and the segmenter does not see
it. An image that holds another video is two scenes, of which no camera can be known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from camvid.artifacts import Clip, Frames, MovableMasks
from camvid.models.protocols import Segmenter
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.models.segmenters.options import (
    Mask2FormerOptions,
    RfDetrSegOptions,
    Sam2Options,
    SegmentAnythingOptions,
)
from camvid.models.segmenters.saliency_motion import SaliencyMotionOptions
from camvid.outcome import Rejected
from camvid.overlay.find import find_overlay
from camvid.overlay.masks import with_overlay
from camvid.overlay.paint import painted_over
from camvid.reasons import Why, missed_limits
from camvid.settings import setting, table
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig(BackendConfig):
    """Which segmenter, and how."""

    role: ClassVar[str] = "segmenter"

    known: ClassVar[Mapping[str, Any]] = {
        "saliency_motion": SaliencyMotionOptions(),
        "segment_anything": SegmentAnythingOptions(),
        "sam2": Sam2Options(),
        "mask2former": Mask2FormerOptions(),
        "rf_detr_seg": RfDetrSegOptions(),
    }

    max_inset_fraction: float = setting(
        0.005, "share of the image", "Clips in which another video takes more are refused."
    )
    resources: Resources = table(Resources())

    def build(self) -> "Segment":
        return Segment(self)


class Segment:
    """Clip, Frames -> MovableMasks, with the overlay as an object of its own kind."""

    name: ClassVar[str] = "segment"
    version: ClassVar[int] = 8
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames)
    writes: ClassVar[type] = MovableMasks

    def __init__(self, config: SegmentConfig) -> None:
        self.config = config
        self._segmenter: Segmenter = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._segmenter)

    def __call__(self, clip: Clip, frames: Frames) -> MovableMasks | Rejected:
        overlay = find_overlay(frames.rgb, clip.fps)
        inset = float(overlay.inset.mean())
        if missed := missed_limits({Why.MAX_INSET_FRACTION: inset}, self.config):
            return Rejected(missed[0], {"inset_fraction": inset})
        masks = self._segmenter.segment(clip, painted_over(frames, overlay.fixed))
        masks = with_overlay(masks, overlay.fixed)
        return MovableMasks(object_id=masks.object_id, objects=masks.objects)
