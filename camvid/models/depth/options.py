"""Options of the monocular depth backends."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.depth.alignment import AlignmentMethod
from camvid.models.options import CheckpointOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthAnythingOptions(CheckpointOptions):
    """Depth Anything V2; Small is Apache-2.0, Base and Large are not for commercial use."""

    checkpoint: str = "depth-anything-v2-small"
    alignment: AlignmentMethod = "robust_inverse_depth"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthProOptions(CheckpointOptions):
    """Depth Pro: metric and sharp at outlines, and much slower."""

    gpu_share: ClassVar[float] = 0.4

    checkpoint: str = "depth-pro"
    batch_size: int = 1
    alignment: AlignmentMethod = "robust_scale"
