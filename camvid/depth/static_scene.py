"""The scene of a clip as if the movers were not there: solved in keyframes, seen by all frames."""

from collections.abc import Collection, Mapping, Sequence

import cv2
import numpy as np

from camvid.artifacts import U8, U16, Bool
from camvid.depth.alignment import SparseDepth
from camvid.depth.energy import static_surface
from camvid.depth.fusion import Measured, fuse
from camvid.depth.planes import find_planes
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
_FILL_PX = 15  # cracks between what neighbouring keyframes see are filled from so far around


def solve_static_scene(
    views: Views,
    rgb: Sequence[U8],
    object_id: Sequence[U16],
    moving: Collection[int],
    sparse: Sequence[SparseDepth],
    partners: Sequence[Sequence[int]],
) -> list[Measured]:
    """The surface [h, w] of each frame, unknown in those without a camera.

    Args:
        rgb, object_id: frames [h, w, 3] and objects [h, w] of the working size.
        moving: ids of the objects that are no part of the scene.
        sparse: the points that each frame observes, in pixels of the working size.
        partners: the frames with which each frame is paired.
    """
    paired = [t for t, others in enumerate(partners) if others]
    keyframes = sorted({*paired[::_KEYFRAME_EVERY], *paired[-1:]})
    in_pairs = map_threads(lambda t: measure(views, t, partners[t]), keyframes)
    measured = dict(zip(keyframes, in_pairs, strict=True))
    planes = find_planes(views, measured)
    movers = [np.isin(ids, list(moving)) for ids in object_id]
    for t, own in measured.items():
        static = own.where(~_grown(movers[t], _MOVER_MARGIN_PX))
        measured[t] = _with_sparse_points(static, sparse[t])

    def solve(t: int) -> Measured:
        data = fuse(views, measured, t, _FUSED_KEYFRAMES)
        candidates = [plane.seen(views, t) for plane in planes]
        still = (object_id[t] > 0) & ~movers[t]
        return static_surface(data, candidates, rgb[t], still)

    solved = dict(zip(keyframes, map_threads(solve, keyframes), strict=True))
    return map_threads(lambda t: _between(views, solved, t), range(len(rgb)))


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


def _grown(mask: Bool, reach_px: int) -> Bool:
    """`mask` [h, w] and what is so near to it, along rows and columns."""
    size = 2 * reach_px + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
