"""Describe: names the camera's motion, and captions the clip from its labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from camvid.artifacts import (
    Clip,
    Frames,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.camerawork.moves import Description
from camvid.camerawork.segments import camera_work
from camvid.models.captioners.labels import LabelCaptionerOptions
from camvid.models.protocols import Captioner, ClipLabels
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.overlay.masks import without_overlay
from camvid.stage import Resources
from camvid.tracking.tracks import with_owners
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfig(BackendConfig):
    """Which captioner, and how."""

    role: ClassVar[str] = "captioner"

    known: ClassVar[Mapping[str, Any]] = {"labels": LabelCaptionerOptions()}

    resources: Resources = Resources()

    def build(self) -> "Describe":
        return Describe(self)


class Describe:
    """Clip, Frames, ObjectMasks, Reconstruction, PointTracks, MotionReport -> Description."""

    name: ClassVar[str] = "describe"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (
        Clip,
        Frames,
        ObjectMasks,
        Reconstruction,
        PointTracks,
        MotionReport,
    )
    writes: ClassVar[type] = Description

    def __init__(self, config: DescribeConfig) -> None:
        self.config = config
        self._captioner: Captioner = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._captioner)

    def __call__(
        self,
        clip: Clip,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        tracks: PointTracks,
        motion: MotionReport,
    ) -> Description:
        work, scene = camera_work(clip, reconstruction), without_overlay(masks)
        labels = ClipLabels(clip, scene, reconstruction, with_owners(tracks, scene), motion, work)
        return Description(
            camera_moves=work.classes,
            segments=work.segments,
            caption=self._captioner.caption(frames, labels),
        )
