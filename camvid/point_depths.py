"""How deep a scene is, by its sparse points."""

import numpy as np

from camvid.artifacts import F64, Reconstruction
from camvid.geometry import transform_points

_NEAR_FAR = (0.05, 0.95)  # quantiles


def median_depth(reconstruction: Reconstruction) -> float:
    """Median depth of the sparse points over the posed frames; NaN without points."""
    depth = _depths(reconstruction)
    return float(np.median(depth)) if len(depth) else np.nan


def depth_range(reconstruction: Reconstruction) -> float:
    """Depth of the far points over that of the near ones, 95th to 5th percentile; NaN without."""
    depth = _depths(reconstruction)
    if not len(depth):
        return np.nan
    near, far = np.quantile(depth, _NEAR_FAR)
    return float(far / near)


def _depths(reconstruction: Reconstruction) -> F64:
    """Of all points before each posed camera, in one list."""
    cameras = reconstruction.cam_from_world[reconstruction.registered]
    points = reconstruction.points_world.astype(np.float64)
    depth = transform_points(cameras, points)[..., 2]
    return np.asarray(depth[depth > 0])
