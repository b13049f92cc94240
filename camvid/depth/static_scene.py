"""The static scene of a clip: measured in keyframes, told from movers, solved, seen by all."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F64, NAN, U8, U16, Bool
from camvid.depth.alignment import SparseDepth
from camvid.depth.energy import static_surface
from camvid.depth.floor import find_floor, floor_ratio, grown
from camvid.depth.fusion import Measured, fuse
from camvid.depth.planes import Plane, find_planes
from camvid.depth.two_view import measure
from camvid.depth.views import Views
from camvid.parallel import map_threads

# Frames. Every second one costs twice the flow; of five generated scenes two gain a tenth by it
# (seeds 206 and 217), the others next to nothing.
_KEYFRAME_EVERY = 4
_FUSED_KEYFRAMES = 11  # that have a say in one keyframe's data
_SEEN_KEYFRAMES = 2  # whose surfaces make that of a frame between them
_SPARSE_SIGMA = 0.01  # relative error of sparse points: that of a well-measured pixel
_MOVER_MARGIN_PX = 4  # so near a mover some depth is dragged along with it
# Of an object's pixels, measured by agreeing pairs: still things mostly .68 to 1, movers mostly 0
# to .58 (generated seeds 200 to 258). Small still things go down to 0; a mover that goes along the
# epipolar lines, or is masked with what stands still, up to .99, and is then taken for static.
_MIN_STATIC_SHARE = 0.6
_FLOOR_RATIO = (0.85, 1.5)  # of a static thing's foot; parts of it may hang over the floor
_FILL_PX = 15  # cracks between what neighbouring keyframes see are filled from so far around


class StaticScene(NamedTuple):
    """The scene as if the movers were not there."""

    surfaces: list[Measured]  # [T] of [h, w]; nothing in frames without a camera
    movers: list[int]  # ids of the objects that are no part of it


def solve_static_scene(
    views: Views,
    rgb: Sequence[U8],
    object_id: Sequence[U16],
    labels: Sequence[int],
    sparse: Sequence[SparseDepth],
    partners: Sequence[Sequence[int]],
) -> StaticScene:
    """From frames [h, w, 3] and objects [h, w] of the working size.

    Args:
        labels: ids of all objects, each of which may move.
        sparse: the points that each frame observes, in pixels of the working size.
        partners: the frames with which each frame is paired.
    """
    paired = [t for t, others in enumerate(partners) if others]
    keyframes = sorted({*paired[::_KEYFRAME_EVERY], *paired[-1:]})
    seen = map_threads(lambda t: measure(views, t, partners[t]), keyframes)
    measured = {t: pairs.agreed(len(partners[t])) for t, pairs in zip(keyframes, seen, strict=True)}
    around = {
        t: own.where(~grown(object_id[t] > 0, _MOVER_MARGIN_PX)) for t, own in measured.items()
    }
    planes = find_planes(views, measured)
    floor = find_floor(planes, views, around)
    agreeing = {t: pairs.agreeing >= 2 for t, pairs in zip(keyframes, seen, strict=True)}
    movers = [m for m in labels if _moves(m, views, measured, agreeing, floor, object_id)]
    for t, own in measured.items():
        static = own.where(~grown(np.isin(object_id[t], movers), _MOVER_MARGIN_PX))
        measured[t] = _with_sparse_points(static, sparse[t])

    def solve(t: int) -> Measured:
        data = fuse(views, measured, t, _FUSED_KEYFRAMES)
        candidates = [plane.seen(views, t) for plane in planes]
        still = (object_id[t] > 0) & ~np.isin(object_id[t], movers)
        return static_surface(data, candidates, rgb[t], still)

    solved = dict(zip(keyframes, map_threads(solve, keyframes), strict=True))
    surfaces = map_threads(lambda t: _between(views, solved, t), range(len(rgb)))
    return StaticScene(surfaces, movers)


def _between(views: Views, solved: Mapping[int, Measured], frame_index: int) -> Measured:
    """A frame's surface: a keyframe's own, or what the nearest keyframes show of it."""
    if frame_index in solved:
        return solved[frame_index]
    seen = fuse(views, solved, frame_index, _SEEN_KEYFRAMES)
    return _filled(seen) if (seen.inv_depth > 0).any() else seen


def _filled(seen: Measured) -> Measured:
    """Cracks and strips that no keyframe sees are filled from around them."""
    inv_depth, known = seen.inv_depth, seen.inv_depth > 0
    size_px = _FILL_PX
    while not known.all():
        size = (size_px, size_px)
        share = cv2.blur(known.astype(np.float32), size)
        mean = cv2.blur(inv_depth, size) / np.maximum(share, np.float32(1e-6))
        inv_depth = np.where(known, inv_depth, np.where(share > 1e-6, mean, np.float32(0)))
        known, size_px = inv_depth > 0, 2 * size_px + 1
    return Measured(np.asarray(inv_depth, np.float32), np.minimum(seen.sigma, np.float32(1)))


def _with_sparse_points(measured: Measured, sparse: SparseDepth) -> Measured:
    x, y = np.floor(sparse.xy_px).astype(np.intp).T
    inside = (x >= 0) & (y >= 0) & (x < measured.inv_depth.shape[1]) & (y < len(measured.inv_depth))
    inv_depth, sigma = measured.inv_depth.copy(), measured.sigma.copy()
    inv_depth[y[inside], x[inside]] = 1 / sparse.depth[inside]
    sigma[y[inside], x[inside]] = _SPARSE_SIGMA
    return Measured(inv_depth, sigma)


def _moves(
    label: int,
    views: Views,
    measured: Mapping[int, Measured],
    agreeing: Mapping[int, Bool],
    floor: Plane | None,
    object_id: Sequence[U16],
) -> bool:
    """Whether an object cannot be static.

    Every masked object may move; one whose pixels obey the epipolar geometry, pair after pair, and
    that stands on the floor it covers, does not, and keeps its measured depth. What moves along the
    epipolar lines is triangulated as if it were static, often to a place under the very floor it
    covers, or in the air before it.
    """
    masks = {t: object_id[t] == label for t in measured}
    covered = sum(np.count_nonzero(mask) for mask in masks.values())
    agreed = sum(np.count_nonzero(mask & agreeing[t]) for t, mask in masks.items())
    disagrees = bool(agreed < _MIN_STATIC_SHARE * covered)
    if disagrees or floor is None:
        return disagrees
    ratios = [
        floor_ratio(own.inv_depth, floor.seen(views, t).inv_depth, object_id[t] == 0, masks[t])
        for t, own in measured.items()
    ]
    ratio = _known_median(np.array(ratios))
    return ratio < _FLOOR_RATIO[0] or ratio > _FLOOR_RATIO[1]


def _known_median(values: F64) -> float:
    """NaN unless a quarter of the values are known."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) >= max(1, len(values) / 4) else NAN
