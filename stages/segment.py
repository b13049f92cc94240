"""Segment: everything that may move, as instances (greedy: a false mask costs SfM little)."""

from dataclasses import dataclass
from typing import ClassVar

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
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig(BackendConfig):
    """Which segmenter, and how."""

    role: ClassVar[str] = "segmenter"

    backend: str = "saliency_motion"
    saliency_motion: SaliencyMotionOptions = SaliencyMotionOptions()
    segment_anything: SegmentAnythingOptions = SegmentAnythingOptions()
    sam2: Sam2Options = Sam2Options()
    mask2former: Mask2FormerOptions = Mask2FormerOptions()
    rf_detr_seg: RfDetrSegOptions = RfDetrSegOptions()
    resources: Resources = Resources()

    def build(self) -> "Segment":
        return Segment(self)


class Segment:
    """Clip, Frames -> MovableMasks."""

    name: ClassVar[str] = "segment"
    version: ClassVar[int] = 4
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames)
    writes: ClassVar[type] = MovableMasks

    def __init__(self, config: SegmentConfig) -> None:
        self.config = config
        self._segmenter: Segmenter = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._segmenter)

    def __call__(self, clip: Clip, frames: Frames) -> MovableMasks:
        masks = self._segmenter.segment(clip, frames)
        return MovableMasks(object_id=masks.object_id, objects=masks.objects)
