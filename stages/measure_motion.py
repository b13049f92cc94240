"""Measure motion: how far keypoints move beyond what a static world would show."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from camvid.artifacts import (
    NAN,
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Rigidity,
)
from camvid.motion import measure_motion
from camvid.overlay.masks import overlay_of, without_overlay
from camvid.stage import Resources
from camvid.tracking.tracks import with_owners
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureMotionConfig:
    """Nothing but where it runs."""

    resources: Resources = Resources()

    def build(self) -> "MeasureMotion":
        return MeasureMotion(self)


class MeasureMotion:
    """Clip, ObjectMasks, Reconstruction, DepthMaps, PointTracks, Rigidity -> MotionReport."""

    name: ClassVar[str] = "measure_motion"
    version: ClassVar[int] = 9
    reads: ClassVar[tuple[type, ...]] = (
        Clip,
        ObjectMasks,
        Reconstruction,
        DepthMaps,
        PointTracks,
        Rigidity,
    )
    writes: ClassVar[type] = MotionReport
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: MeasureMotionConfig) -> None:
        self.config = config

    def __call__(
        self,
        clip: Clip,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        depth: DepthMaps,
        tracks: PointTracks,
        rigidity: Rigidity,
    ) -> MotionReport:
        overlay, scene = overlay_of(masks), without_overlay(masks)
        report = measure_motion(
            clip,
            scene,
            reconstruction,
            depth,
            with_owners(tracks, masks),  # those on the overlay are no background
            rigidity,
        )
        seen = depth.residual[np.isfinite(depth.residual)]
        residual = float(np.median(seen)) if len(seen) else NAN
        hidden = float(overlay.mean())
        return replace(report, depth_residual=residual, overlay_fraction=hidden)
