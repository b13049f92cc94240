"""From "something is here" to objects: points are followed over the clip and clustered.

Two points belong to one object if, while both are seen, they lie in the same connected region and
their distance stays about the same. So neighbours that a mask merges for a while, but that come
apart or pass each other, get two ids, and an object keeps one id through a merger.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, I32, U8, Bool
from camvid.morphology import components
from camvid.parallel import map_threads
from camvid.segmentation.flow import F16, ClipFlow, warp
from camvid.segmentation.labels import THRESHOLD

# Pixels are those of the working size.
_POINTS_PER_FRAME = 400  # sets how densely points are followed
_MIN_STEP_PX = 3  # between points: flow is smooth over more, so nearer ones move alike
_MAX_STEP_PX = 10  # about the side of the smallest objects that are kept
_MAX_LOOP_ERROR_PX = 1.0  # forth and back must return this close
_MAX_FLOW_GRADIENT = 0.25  # px per px; more is the border of two motions
_PATCH_STEPS = 5  # side of a patch, in distances between points
_POINTS_PER_PATCH = 2  # of a region, that are clustered; the rest joins its neighbours
_MAX_CLUSTERED_POINTS = 600  # bounds memory, which goes by its square, and time, by its cube
_RELATIVE_MOTION = 0.4  # of their mean distance, at which two points come apart
_UNSEEN_WEIGHT = 0.1  # of a pair never seen together, against 16 of one often seen
_MIN_AFFINITY = 0.35  # mean over all pairs, to be one object


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracklets:
    """Points followed inside the masks: where each is, and in which region of its frame."""

    xy: F32  # [T, N, 2] working pixels, NaN while not followed
    region: I32  # [T, N] connected component of that frame, 0 while not followed
    step_px: int  # one point was seeded per cell of this side


def label_instances(
    masks: list[U8], motion: list[U8], flow: ClipFlow, change_by_moving: float
) -> list[I32]:
    """Per frame, [h, w] labels from 1, one label per object over the clip, 0 off the masks.

    `change_by_moving` is the share of the time seen moving, at which points differ.
    """
    regions = map_threads(lambda m: components(m > 0), masks)
    points = track_points(regions, flow)
    if points.xy.shape[1] == 0:
        return [np.zeros_like(r) for r in regions]
    moving = np.zeros(points.xy.shape[1], np.float32)
    for t in range(len(masks)):
        alive = np.flatnonzero(points.region[t] > 0)
        moving[alive] += _at(motion[t], points.xy[t, alive]) >= THRESHOLD
    moving /= (points.region > 0).sum(0)
    label_of_point = cluster_points(points, moving, change_by_moving)

    def spread(t: int) -> I32:
        alive = np.flatnonzero(points.region[t] > 0)
        return _nearest_label(regions[t], points.xy[t, alive], label_of_point[alive])

    return map_threads(spread, range(len(masks)))


def track_points(regions: list[I32], flow: ClipFlow) -> Tracklets:
    """Seeds points where a mask has none and follows them along the flow until they leave it."""
    step = _seed_step(regions)
    clear = map_threads(lambda t: np.where(_smooth(flow, t), regions[t], 0), range(len(regions)))
    xy = np.zeros((0, 2), np.float32)
    track = np.zeros(0, np.int64)
    num_tracks = 0
    history: list[tuple[np.ndarray, F32, I32]] = []
    for t, region in enumerate(regions):
        if t > 0 and len(xy):
            xy, alive = _advance(xy, flow.forward[t - 1], flow.backward[t])
            alive &= _at(clear[t], xy) > 0
            xy, track = xy[alive], track[alive]
        fresh = _seeds(clear[t], xy, step)
        xy = np.concatenate([xy, fresh])
        track = np.concatenate([track, num_tracks + np.arange(len(fresh))])
        num_tracks += len(fresh)
        history.append((track, xy, _at(region, xy)))
    points = Tracklets(
        xy=np.full((len(regions), num_tracks, 2), np.nan, np.float32),
        region=np.zeros((len(regions), num_tracks), np.int32),
        step_px=step,
    )
    for t, (at, where, region_of) in enumerate(history):
        points.xy[t, at] = where
        points.region[t, at] = region_of
    return points


def _smooth(flow: ClipFlow, t: int) -> Bool:
    """[h, w] where neighbours move alike: points on the border of two motions change sides."""
    field = flow.forward[t] if flow.forward[t] is not None else flow.backward[t]
    if field is None:
        return np.ones((flow.height_px, flow.width_px), bool)
    values = field.astype(np.float32)
    dx, dy = cv2.Sobel(values, cv2.CV_32F, 1, 0), cv2.Sobel(values, cv2.CV_32F, 0, 1)
    return (dx**2 + dy**2).sum(-1) <= (8 * _MAX_FLOW_GRADIENT) ** 2


def _seed_step(regions: list[I32]) -> int:
    areas = [int((r > 0).sum()) for r in regions]
    step = round(np.sqrt(max(areas, default=0) / _POINTS_PER_FRAME))
    return int(np.clip(step, _MIN_STEP_PX, _MAX_STEP_PX))


def _at(image: NDArray[np.integer], xy: F32) -> I32:
    """Values at the nearest pixels; 0 outside."""
    column, row = np.rint(xy[:, 0]).astype(int), np.rint(xy[:, 1]).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < image.shape[1]) & (row < image.shape[0])
    values = np.zeros(len(xy), np.int32)
    values[inside] = image[row[inside], column[inside]]
    return values


def _advance(xy: F32, forward: F16 | None, backward: F16 | None) -> tuple[F32, Bool]:
    """Moves points one frame on; not alive where the way back ends elsewhere."""
    assert forward is not None
    assert backward is not None
    moved = xy + _sample(forward, xy)
    loop = np.linalg.norm(moved + _sample(backward, moved) - xy, axis=-1)
    return moved, loop <= _MAX_LOOP_ERROR_PX


def _sample(flow: F16, xy: F32) -> F32:
    """Flow [N, 2] at points [N, 2]."""
    nowhere = np.zeros((1, len(xy), 2), np.float32)
    return np.asarray(warp(flow.astype(np.float32), xy[None], nowhere)[0], np.float32)


def _seeds(region: I32, taken: F32, step: int) -> F32:
    """One new point per cell of the grid that holds mask but no point yet."""
    rows, columns = np.mgrid[step // 2 : region.shape[0] : step, step // 2 : region.shape[1] : step]
    free = region[rows, columns] > 0
    cells = (taken // step).astype(int)
    cells = np.clip(cells, 0, np.array(free.shape[::-1]) - 1)
    free[cells[:, 1], cells[:, 0]] = False
    return np.stack([columns[free], rows[free]], axis=-1).astype(np.float32)


def cluster_points(points: Tracklets, moving: F32, change_by_moving: float) -> I32:
    """[N] object labels from 1."""
    chosen = _choose(points, moving)
    label = np.zeros(points.region.shape[1], np.int32)
    label[chosen] = _average_linkage(*_affinity(points, moving, chosen, change_by_moving))
    rest = np.flatnonzero(label == 0)
    label[rest] = _neighbours_label(points, moving, chosen, label, rest, change_by_moving)
    _, compact = np.unique(label, return_inverse=True)
    return (compact + 1).astype(np.int32)


def _choose(points: Tracklets, moving: F32) -> np.ndarray:
    """The longest tracks, but only as many as each patch of each region needs.

    Of a patch as many of what moves as of what does not: the longest tracks alone would all lie on
    the still one of two things that touch, or on the one of several that never is covered.
    """
    seen = points.region > 0
    side = _PATCH_STEPS * points.step_px
    cell = np.where(seen[..., None], np.nan_to_num(points.xy) // side, 0).astype(np.int64)
    columns, rows = (int(n) + 1 for n in cell.reshape(-1, 2).max(axis=0))
    patch = (points.region.astype(np.int64) * rows + cell[..., 1]) * columns + cell[..., 0]
    _, place = np.unique(2 * patch + (moving >= 0.5), return_inverse=True)
    place = place.reshape(patch.shape)
    count = np.zeros((len(patch), int(place.max()) + 1), np.int32)
    chosen: list[int] = []
    for i in np.argsort(-seen.sum(axis=0), kind="stable"):
        frames = np.flatnonzero(seen[:, i])
        at = (frames, place[frames, i])
        if (count[at] < _POINTS_PER_PATCH).mean() > 0.25:
            count[at] += 1
            chosen.append(int(i))
        if len(chosen) >= _MAX_CLUSTERED_POINTS:
            break
    return np.sort(np.array(chosen))


def _affinity(
    points: Tracklets, moving: F32, chosen: np.ndarray, change_by_moving: float
) -> tuple[F32, F32]:
    """[K, K] affinity in [0, 1] of pairs and its weight: frames in which both are seen."""
    num = len(chosen)
    both, together, total = (np.zeros((num, num), np.float32) for _ in range(3))
    low = np.full((num, num, 2), np.inf, np.float32)
    high = np.full((num, num, 2), -np.inf, np.float32)
    for xy, region in zip(points.xy[:, chosen], points.region[:, chosen], strict=True):
        alive = np.flatnonzero(region)
        pair = np.ix_(alive, alive)
        apart = xy[alive, None] - xy[None, alive]
        both[pair] += 1
        together[pair] += region[alive, None] == region[None, alive]
        total[pair] += np.linalg.norm(apart, axis=-1)
        low[pair] = np.minimum(low[pair], apart)
        high[pair] = np.maximum(high[pair], apart)
    seen = np.maximum(both, 1)
    mean = total / seen
    change = np.linalg.norm(np.where(both[..., None] > 0, high - low, 0), axis=-1) / (mean + 8)
    share = moving[chosen]
    differs = (share[:, None] - share[None]) / change_by_moving
    alike = together / seen * np.exp(-0.5 * ((change / _RELATIVE_MOTION) ** 2 + differs**2))
    return alike.astype(np.float32), np.minimum(both, 16)


def _average_linkage(affinity: F32, weight: F32) -> I32:
    """[K] labels from 1: merges the two most alike clusters until none are alike enough.

    Pairs that are never seen together speak softly against a merger: a few points that slipped
    from one object to another must not tie what came before to what came after.
    """
    num = len(affinity)
    sums = (affinity * weight).astype(np.float64)
    weights = weight.astype(np.float64) + _UNSEEN_WEIGHT
    owner = np.arange(num)
    mean = sums / weights
    np.fill_diagonal(mean, -1)
    while num > 1:
        a, b = sorted(divmod(int(np.argmax(mean)), num))
        if mean[a, b] < _MIN_AFFINITY:
            break
        owner[owner == b] = a
        for matrix in (sums, weights):
            matrix[a] += matrix[b]
            matrix[:, a] = matrix[a]
        mean[b], mean[:, b] = -1, -1
        gone = mean[a] < 0
        mean[a] = np.where(gone, -1, sums[a] / weights[a])
        mean[:, a] = mean[a]
    return (np.unique(owner, return_inverse=True)[1] + 1).astype(np.int32)


def _neighbours_label(
    points: Tracklets,
    moving: F32,
    chosen: np.ndarray,
    label: I32,
    rest: np.ndarray,
    change_by_moving: float,
) -> I32:
    """[R] labels that the nearest clustered point has most often while a point is followed.

    Points of which one is seen moving and the other is not count as further apart than they are.
    """
    votes = np.zeros((len(rest), int(label.max()) + 2), np.int32)
    votes[:, -1] = 1  # a new label, for all who never see a clustered point
    for xy, region in zip(points.xy, points.region, strict=True):
        mine, known = np.flatnonzero(region[rest]), chosen[region[chosen] > 0]
        if len(mine) == 0 or len(known) == 0:
            continue
        apart = xy[rest[mine], None] - xy[None, known]
        differs = (moving[rest[mine], None] - moving[None, known]) / change_by_moving
        distance = (apart[..., 0] ** 2 + apart[..., 1] ** 2) * np.exp(0.5 * differs**2)
        distance[region[rest[mine], None] != region[None, known]] = np.inf
        nearest = distance.argmin(axis=1)
        seen = np.isfinite(distance[np.arange(len(mine)), nearest])
        votes[mine[seen], label[known[nearest[seen]]]] += 1
    return votes.argmax(axis=1).astype(np.int32)


def _nearest_label(region: I32, xy: F32, label_of_point: I32) -> I32:
    """Every masked pixel gets the label of the nearest point in its own region."""
    labels = np.zeros_like(region)
    where = np.rint(xy).astype(int)
    region_of_point = region[where[:, 1], where[:, 0]]
    for number in np.unique(region_of_point[region_of_point > 0]):
        mine = region_of_point == number
        inside = region == number
        names = np.unique(label_of_point[mine])
        if len(names) == 1:
            labels[inside] = names[0]
            continue
        away = np.full(region.shape, 255, np.uint8)
        away[where[mine, 1], where[mine, 0]] = 0
        cell = cell_of_nearest_zero(away)
        name_of_cell = np.zeros(int(cell.max()) + 1, np.int32)
        name_of_cell[cell[where[mine, 1], where[mine, 0]]] = label_of_point[mine]
        labels[inside] = name_of_cell[cell[inside]]
    return labels


def cell_of_nearest_zero(image: U8) -> I32:
    """[h, w] number of the zero pixel that lies nearest."""
    _, cell = cv2.distanceTransformWithLabels(image, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    return np.asarray(cell, np.int32)
