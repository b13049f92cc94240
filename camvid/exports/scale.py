"""The unit of length of an export: rules by which a clip's lengths are divided.

SfM knows no metres; each clip comes in a unit of its own, which no network can guess.
"""

from collections.abc import Callable, Mapping

import numpy as np

from camvid.artifacts import F64
from camvid.dataset.clip import DatasetClip
from camvid.geometry import camera_centers, transform_points

_NEAR_PERCENTILE = 5.0
_NEAR_DEPTH = 1.25

ScaleRule = Callable[[DatasetClip, F64, int], float]
"""(clip, cam_from_world [F, 3, 4], first frame) -> what is 1 afterwards; NaN: it is not known."""


def _none(clip: DatasetClip, cameras: F64, first: int) -> float:
    return 1.0


def _scene(clip: DatasetClip, cameras: F64, first: int) -> float:
    return clip.scene_scale


def _near_points(clip: DatasetClip, cameras: F64, first: int) -> float:
    depth = transform_points(cameras, clip.points_world.astype(np.float64))[..., 2]
    seen = depth[depth > 0]
    return float(np.percentile(seen, _NEAR_PERCENTILE)) / _NEAR_DEPTH if len(seen) else np.nan


def _first_depth(clip: DatasetClip, cameras: F64, first: int) -> float:
    depth = clip.depth()[first]
    return float(np.median(depth[depth > 0])) if (depth > 0).any() else np.nan


def _path(clip: DatasetClip, cameras: F64, first: int) -> float:
    centers = camera_centers(cameras)
    return float(np.linalg.norm(centers - centers[0], axis=1).max())


SCALE_RULES: Mapping[str, ScaleRule] = {
    "scene": _scene,  # the median depth of the sparse points is 1, as GenXD is trained here
    "realestate10k": _near_points,  # near points lie at 1.25, as in arXiv 1805.09817
    "first-depth-median": _first_depth,  # the median depth of the first frame is 1
    "unit-translation": _path,  # the camera goes 1 away from its first place, at most
    "none": _none,  # as reconstructed
}


def length_unit(rule: str, clip: DatasetClip, cameras: F64, first: int) -> float:
    """By what the clip's lengths are divided; 1 where the camera does not travel, NaN: not known.

    Args:
        rule: a name in SCALE_RULES.
        clip: the clip.
        cameras: cam_from_world [F, 3, 4] of the frames that are exported.
        first: the first of these in the clip.
    """
    if not _path(clip, cameras, first) > 0:
        return 1.0
    unit = SCALE_RULES[rule](clip, cameras, first)
    return unit if unit > 0 else np.nan
