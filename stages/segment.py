"""Segment: everything that may move, as instances (greedy: a false mask costs SfM little)."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import Clip, Frames, ObjectMasks
from camvid.models.protocols import Segmenter
from camvid.models.registry import build_backend
from camvid.models.saliency_motion import SaliencyMotionOptions
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """Which segmenter, and how."""

    backend: str = "saliency_motion"
    saliency_motion: SaliencyMotionOptions = SaliencyMotionOptions()
    resources: Resources = Resources()

    def build(self) -> "Segment":
        return Segment(self)


class Segment:
    """Clip, Frames -> ObjectMasks."""

    name: ClassVar[str] = "segment"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames)
    writes: ClassVar[type] = ObjectMasks

    def __init__(self, config: SegmentConfig) -> None:
        self.config = config
        self._segmenter: Segmenter = build_backend(
            "segmenter", config.backend, config.saliency_motion
        )
        self.weights: tuple[Weight, ...] = self._segmenter.weights

    def __call__(self, clip: Clip, frames: Frames) -> ObjectMasks:
        return self._segmenter.segment(clip, frames)
