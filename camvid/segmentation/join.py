"""One object, one id: joins labels that live side by side, or take over from each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from camvid.artifacts import F32, F64, I32, U8, Bool
from camvid.parallel import map_threads
from camvid.segmentation.flow import F16, ClipFlow, pixel_grid, warp_labels
from camvid.segmentation.labels import THRESHOLD, USUAL_SIZE_S, count_pixels, num_labels

I64 = NDArray[np.int64]
Array = TypeVar("Array", bound=NDArray[np.generic])
_PIECE = 16  # frames
_MAX_SHARED_TIME = 0.25  # of the shorter life, in which one label may take over from another
_MAX_LABELS = 128  # the largest; the rest are specks and go
_MIN_ASSOCIATION = 0.3  # share of pixels handed on, times likeness of colour
_REIDENTIFICATION_WEIGHT = 0.6  # of coming back where expected, against association
_MAX_GAP_S = 1.2  # for which an object may be out of sight in whole or in part
_VELOCITY_S = 0.25  # over which the way into and out of hiding is measured
_MIN_SIDE_BY_SIDE = 0.8  # of the longer life, in which parts of one object touch
_NEVER_APART = 0.95  # the same, for limbs, which shift further
_MIN_LIMB_COLOUR = 0.6  # likeness of a limb's colours to the rest's
_MAX_LIMB_SHIFT = 0.85  # of both sides' sum
_MIN_BORDER = 0.5  # of the smaller part's side (the root of its area), to touch
_MAX_SHIFT = 0.4  # of both sides' sum, by which one part may move against the other


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _LabelHistory:
    """When and where labels are seen; label 0 is the background."""

    area: I64  # [T, num]
    place: F64  # [T, num, 2] centroid in working pixels, NaN while not seen
    moving: F64  # [num] share of its pixels that were seen moving

    @property
    def seen(self) -> Bool:
        """[T, num] whether a good part of the label is in sight."""
        return np.asarray(self.area > 0.3 * self.area.max(axis=0), np.bool_)


def join_broken(
    labels: list[I32], motion: list[U8], flow: ClipFlow, fps: float, max_change: float
) -> list[I32]:
    """Joins the parts of one object, in space and then in time.

    Limbs that move have labels of their own. Where an object turns or is covered for a while no
    point lives through, and its two halves in time have different labels: along the flow the one
    runs into the other, or it comes back where its motion leads.
    """
    labels = _keep_largest(labels)
    lives = _lives(labels, motion)
    colour = _colour_likeness(labels, flow.small, lives.area.shape[1])
    parts = _side_by_side(labels, lives, colour, max_change)
    owner = _merge(parts, np.zeros_like(lives.seen), 0.5, 1.0)
    labels = [owner[x] for x in labels]
    owner = join_in_time(labels, motion, flow, fps)
    return map_threads(lambda x: _without_islands(owner[x]), labels)


def join_in_time(
    labels: list[I32],
    motion: list[U8],
    flow: ClipFlow,
    fps: float,
    max_shared_time: float = _MAX_SHARED_TIME,
) -> I32:
    """The label that each label becomes, [num]: where one takes over from another, the lesser.

    `max_shared_time` is the share of the shorter life in which both may be seen.
    """
    lives = _lives(labels, motion)
    linked = np.maximum(_association(labels, lives.area, flow), _reidentified(lives, flow, fps))
    likeness = linked * _colour_likeness(labels, flow.small, lives.area.shape[1])
    return _merge(likeness, lives.seen, _MIN_ASSOCIATION, max_shared_time)


def _of_each(look: Callable[[int], Array], frames: range) -> Iterator[Array]:
    """What is seen in each frame, a few at once, so that memory does not grow with the clip."""
    for start in range(0, len(frames), _PIECE):
        yield from map_threads(look, frames[start : start + _PIECE])


def _without_islands(label: I32) -> I32:
    """Labels with the few pixels that lie scattered in another label given to it."""
    median = cv2.medianBlur(label.astype(np.uint8), 7)
    return np.where((label > 0) & (median > 0), median, label).astype(np.int32)


def _keep_largest(labels: list[I32]) -> list[I32]:
    area = count_pixels(labels, num_labels(labels))
    largest = np.argsort(-area[1:], kind="stable")[:_MAX_LABELS] + 1
    owner = np.zeros(len(area), np.int32)
    owner[largest] = np.arange(1, len(largest) + 1)
    return [owner[x] for x in labels]


def _lives(labels: list[I32], motion: list[U8]) -> _LabelHistory:
    num = num_labels(labels)
    height, width = labels[0].shape
    y, x = (axis.ravel().astype(np.float64) for axis in np.mgrid[:height, :width])

    def look(pair: tuple[I32, U8]) -> tuple[I64, F64, F64]:
        where = pair[0].ravel()
        area = np.bincount(where, minlength=num)
        moving = np.bincount(where, pair[1].ravel() >= THRESHOLD, num)
        total = np.stack([np.bincount(where, axis, num) for axis in (x, y)], axis=-1)
        place = np.where(area[:, None] > 0, total / np.maximum(area, 1)[:, None], np.nan)
        return area.astype(np.int64), place, moving.astype(np.float64)

    looks = map_threads(look, list(zip(labels, motion, strict=True)))
    areas, places, moving = (np.stack(x) for x in zip(*looks, strict=True))
    share = moving.sum(axis=0) / np.maximum(areas.sum(axis=0), 1)
    return _LabelHistory(area=areas, place=places, moving=share)


def _merge(likeness: F32, seen: Bool, least: float, max_shared_time: float) -> I32:
    """The label that each label becomes; the likest pairs first."""
    likeness[0], likeness[:, 0] = 0, 0
    np.fill_diagonal(likeness, 0)
    owner = np.arange(len(likeness), dtype=np.int32)
    num_alike = int((likeness >= least).sum())
    for pair in np.argsort(-likeness, axis=None, kind="stable")[:num_alike]:
        a, b = sorted(int(owner[i]) for i in divmod(int(pair), len(likeness)))
        shared = (seen[:, a] & seen[:, b]).sum()
        if a != b and shared <= max_shared_time * min(seen[:, a].sum(), seen[:, b].sum()):
            owner[owner == b] = a
            seen[:, a] |= seen[:, b]
    return owner


def _side_by_side(labels: list[I32], lives: _LabelHistory, colour: F32, max_change: float) -> F32:
    """[num, num] 1 where two labels touch for nearly all their lives and hardly shift."""
    num = lives.area.shape[1]

    def border(t: int) -> I64:
        label = labels[t]
        total = np.zeros(num * num, np.int64)
        for one, other in ((label[:, :-1], label[:, 1:]), (label[:-1], label[1:])):
            edge = (one != other) & (one > 0) & (other > 0)
            total += np.bincount(one[edge] * num + other[edge], minlength=num * num)
        count = total.reshape(num, num)
        return count + count.T

    touching = np.zeros((num, num), np.int64)
    side = np.sqrt(lives.area)
    for t, count in enumerate(_of_each(border, range(len(labels)))):
        smaller = np.minimum(side[t][:, None], side[t][None])
        touching += (count >= _MIN_BORDER * smaller) & (smaller > 0)
    life = (lives.area > 0).sum(axis=0)
    together = touching >= _MIN_SIDE_BY_SIDE * np.maximum(life[:, None], life[None])
    parts = np.zeros((num, num), np.float32)
    for a, b in np.argwhere(np.triu(together, 1)):
        both = (lives.area[:, a] > 0) & (lives.area[:, b] > 0)
        low, high = np.percentile((lives.place[:, a] - lives.place[:, b])[both], (5, 95), axis=0)
        size = float(np.mean(side[both, a] + side[both, b]))
        shift = np.linalg.norm(high - low) / size
        alike = abs(lives.moving[a] - lives.moving[b]) <= max_change
        limb = touching[a, b] >= _NEVER_APART * max(life[a], life[b])
        limb &= colour[a, b] >= _MIN_LIMB_COLOUR
        parts[a, b] = alike and shift <= (_MAX_LIMB_SHIFT if limb else _MAX_SHIFT)
    return parts


def _association(labels: list[I32], area: I64, flow: ClipFlow) -> F32:
    """[num, num] largest share of the smaller label that becomes the other one a frame later."""
    num = area.shape[1]
    grid = pixel_grid(flow.width_px, flow.height_px)

    def between(t: int) -> F32:
        back = flow.backward[t]
        assert back is not None
        before = warp_labels(labels[t - 1], back, grid).astype(np.int64)
        pairs = before.ravel() * num + labels[t].ravel()
        shared = np.bincount(pairs, minlength=num * num).reshape(num, num)
        smaller = np.minimum(area[t - 1][:, None], area[t][None])
        return (shared / np.maximum(smaller, 20)).astype(np.float32)

    best = np.zeros((num, num), np.float32)
    for share in _of_each(between, range(1, len(labels))):
        best = np.maximum(best, share)
    return best


def _reidentified(lives: _LabelHistory, flow: ClipFlow, fps: float) -> F32:
    """[num, num] likeness of one label appearing where the motion of another, gone, leads.

    Places count from the background, so that a shaking camera shakes no prediction.
    """
    usual = maximum_filter1d(lives.area, 2 * max(1, round(USUAL_SIZE_S * fps)) + 1, axis=0)
    whole = lives.area > 0.7 * usual  # what is half hidden seems to slow down
    num_frames, num = whole.shape
    place = lives.place - _background_path(flow.forward)[:, None]
    first, last = whole.argmax(axis=0), num_frames - 1 - whole[::-1].argmax(axis=0)
    every = np.arange(num)
    step = np.minimum(max(1, round(_VELOCITY_S * fps)), np.maximum(last - first, 1))
    size = np.sqrt(np.stack([lives.area[first, every], lives.area[last, every]]))
    begin, end = place[first, every], place[last, every]
    onset = (place[np.minimum(first + step, last), every] - begin) / step[:, None]
    exit_ = (end - place[np.maximum(last - step, first), every]) / step[:, None]
    gap = first[None] - last[:, None]  # [gone, new]
    ahead = end[:, None] + exit_[:, None] * gap[..., None] - begin[None]
    behind = begin[None] - onset[None] * gap[..., None] - end[:, None]
    apart = np.minimum(np.linalg.norm(ahead, axis=-1), np.linalg.norm(behind, axis=-1))
    smaller = np.minimum(size[1][:, None], size[0][None])
    alike = smaller / np.maximum(np.maximum(size[1][:, None], size[0][None]), 1)
    near = np.exp(-0.5 * (apart / (1.5 * np.maximum(smaller, 1))) ** 2)
    in_time = np.abs(gap) <= _MAX_GAP_S * fps
    return np.nan_to_num(_REIDENTIFICATION_WEIGHT * in_time * alike * near).astype(np.float32)


def _background_path(forward: list[F16 | None]) -> F64:
    """[T, 2] where the bulk of the first frame's pixels has gone to by each frame."""
    step = [np.median(f[::8, ::8].reshape(-1, 2), axis=0) for f in forward if f is not None]
    return np.cumsum([np.zeros(2), *step], axis=0, dtype=np.float64)


def _colour_likeness(labels: list[I32], images: list[U8], num: int) -> F32:
    """[num, num] overlap, 0 to 1, of the labels' colour histograms over the clip."""

    def count(t: int) -> I32:
        level = (images[t] // 43).astype(np.int64)  # 6 levels a channel
        colour = (level[..., 0] * 6 + level[..., 1]) * 6 + level[..., 2]
        cell = labels[t].astype(np.int64) * 216 + colour
        return np.bincount(cell.ravel(), minlength=num * 216).astype(np.int32)

    total = np.zeros(num * 216)
    for counted in _of_each(count, range(len(labels))):
        total += counted
    histogram = total.reshape(num, 216)
    histogram /= np.maximum(histogram.sum(axis=1, keepdims=True), 1)
    rows = [np.minimum(histogram, row).sum(axis=1) for row in histogram]
    return np.stack(rows).astype(np.float32)
