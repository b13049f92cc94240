"""Align depth: dense depth in the units of the sparse points."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from camvid.artifacts import (
    DepthMaps,
    Frames,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Rigidity,
)
from camvid.models.depth.geometric import GeometricDepthOptions
from camvid.models.depth.options import DepthAnythingOptions, DepthProOptions
from camvid.models.protocols import DepthEstimator
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.overlay.masks import overlay_of, without_overlay
from camvid.overlay.paint import painted_over, without_overlay_depth
from camvid.rigidity.posterior import moving_objects
from camvid.settings import table
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignDepthConfig(BackendConfig):
    """Which source of depth, and how."""

    role: ClassVar[str] = "depth estimator"

    known: ClassVar[Mapping[str, Any]] = {
        "geometric": GeometricDepthOptions(),
        "depth_anything": DepthAnythingOptions(),
        "depth_pro": DepthProOptions(),
    }

    resources: Resources = table(Resources())

    def build(self) -> "AlignDepth":
        return AlignDepth(self)


class AlignDepth:
    """Frames, ObjectMasks, Reconstruction, PointTracks, Rigidity -> DepthMaps.

    There are none where the camera has no trajectory.
    """

    name: ClassVar[str] = "align_depth"
    version: ClassVar[int] = 11
    reads: ClassVar[tuple[type, ...]] = (
        Frames,
        ObjectMasks,
        Reconstruction,
        PointTracks,
        Rigidity,
    )
    writes: ClassVar[type] = DepthMaps

    def __init__(self, config: AlignDepthConfig) -> None:
        self.config = config
        self._estimator: DepthEstimator = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._estimator)

    def __call__(
        self,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        tracks: PointTracks,
        rigidity: Rigidity,
    ) -> DepthMaps:
        images, objects = painted_over(frames, overlay_of(masks)), without_overlay(masks)
        moving = moving_objects(objects, tracks, rigidity)
        depth = self._estimator.estimate(images, objects, reconstruction, moving)
        return without_overlay_depth(depth, masks)
