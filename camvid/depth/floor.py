"""The floor of a scene, and how far off it an object was measured."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from camvid.artifacts import F32, NAN, Bool
from camvid.depth.fusion import Measured
from camvid.depth.planes import Plane
from camvid.depth.views import Views

_MIN_UPRIGHT = 0.7  # cosine between the floor's normal and the images' upright axis
_LOWEST_ROWS = 0.2  # of the images, of which a floor
_MIN_SHARE = 0.75  # explains so much (true ones on generated scenes: above 0.83)
_TOLERANCE = 0.1  # of inverse depth, of what it explains
_FOOT_SHARE = 0.15  # of an object's height: its lowest part, which touches the ground
_BESIDE_PX = (3, 12)  # from an object: there it must be the floor that is seen
MIN_PIXELS = 8  # that tell anything


def find_floor(
    planes: Sequence[Plane], views: Views, measured: Mapping[int, Measured]
) -> Plane | None:
    """The most level plane that explains what was measured low in the images, if any does."""
    posed = np.isfinite(views.cam_from_world).all(axis=(1, 2))
    if not posed.any():
        return None
    down = views.cam_from_world[posed, 1, :3].mean(axis=0)
    down = down / np.linalg.norm(down)

    def upright(plane: Plane) -> float:
        return abs(float(plane.normal @ down))

    level = [p for p in planes if upright(p) >= _MIN_UPRIGHT]
    supported = [p for p in level if _low_share(p, views, measured) >= _MIN_SHARE]
    return max(supported, key=upright, default=None)


def _low_share(plane: Plane, views: Views, measured: Mapping[int, Measured]) -> float:
    """Of all that was measured in the lowest rows of the images, the share on the plane."""
    num = on_plane = 0
    for t, (inv_depth, _) in measured.items():
        low = slice(round((1 - _LOWEST_ROWS) * len(inv_depth)), None)
        level, there = plane.seen(views, t).inv_depth[low], inv_depth[low]
        num += np.count_nonzero(there)
        on_plane += np.count_nonzero((there > 0) & _near(there, level))
    return float(on_plane / max(num, 1))


def _near(inv_depth: F32, level: F32) -> Bool:
    return (level > 0) & (np.abs(inv_depth - level) <= _TOLERANCE * level)


def floor_ratio(inv_depth: F32, level: F32, static: Bool, mask: Bool) -> float:
    """Measured inverse depth of the lowest part of `mask` over the floor's there, all [h, w].

    NaN where either is not known, or where it is not the floor that is `static` beside it.
    """
    if not mask.any():
        return NAN
    rows = np.flatnonzero(mask.any(axis=1))
    lowest = np.zeros_like(mask)
    lowest[int(np.ceil(rows[-1] - _FOOT_SHARE * (rows[-1] - rows[0]))) :] = True
    near, far = (grown(mask, reach_px) for reach_px in _BESIDE_PX)
    beside = far & ~near & static & lowest & (inv_depth > 0) & (level > 0)
    foot = mask & lowest & (inv_depth > 0) & (level > 0)
    if min(np.count_nonzero(beside), np.count_nonzero(foot)) < MIN_PIXELS:
        return NAN
    if np.mean(_near(inv_depth[beside], level[beside])) <= 0.5:
        return NAN
    return float(np.median(inv_depth[foot]) / np.median(level[foot]))


def grown(mask: Bool, reach_px: int) -> Bool:
    """`mask` [h, w] and what is so near to it, along rows and columns."""
    size = 2 * reach_px + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
