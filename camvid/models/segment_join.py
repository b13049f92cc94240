"""One object, one id: joins labels of which one takes over where the other ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, I32, U8, Bool
from camvid.models.segment_flow import ClipFlow, look_up_nearest, pixel_grid
from camvid.parallel import map_threads

I64 = NDArray[np.int64]
_PIECE = 16  # frames looked at together, so that memory does not grow with the clip


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinOptions:
    """When two labels are one object."""

    max_labels: int = 128  # the largest; the rest are specks and go
    min_handover: float = 0.3  # share of pixels handed on, times likeness of colour
    max_gap: int = 12  # frames for which an object may be out of sight
    max_shared_time: float = 0.25  # of the shorter life, in which both labels may be seen


def join_broken(labels: list[I32], flow: ClipFlow, options: JoinOptions) -> list[I32]:
    """Joins labels that take over from each other.

    Where an object turns or is covered for a while no point lives through, and its two halves in
    time have different labels. Along the flow the one runs into the other.
    """
    num = max(int(x.max()) for x in labels) + 1
    area = np.stack(map_threads(lambda x: np.bincount(x.ravel(), minlength=num), labels))
    largest = np.argsort(-area[:, 1:].sum(axis=0), kind="stable")[: options.max_labels] + 1
    owner = np.zeros(num, np.int32)
    owner[largest] = np.arange(1, len(largest) + 1)
    labels = [owner[x] for x in labels]
    area = np.concatenate([area[:, :1], area[:, largest]], axis=1)
    seen = area > 0.3 * area.max(axis=0)
    linked = np.maximum(_handover(labels, area, flow), _comeback(labels, seen, flow, options))
    likeness = linked * _colour_likeness(labels, flow.small, len(largest) + 1)
    final = _merge(likeness, seen, options)
    return [final[x] for x in labels]


def _merge(likeness: F32, seen: Bool, options: JoinOptions) -> I32:
    """The label that each label becomes; the likest pairs first."""
    likeness[0], likeness[:, 0] = 0, 0
    np.fill_diagonal(likeness, 0)
    owner = np.arange(len(likeness), dtype=np.int32)
    num_alike = int((likeness >= options.min_handover).sum())
    for pair in np.argsort(-likeness, axis=None, kind="stable")[:num_alike]:
        a, b = sorted(int(owner[i]) for i in divmod(int(pair), len(likeness)))
        shared = (seen[:, a] & seen[:, b]).sum()
        if a != b and shared <= options.max_shared_time * min(seen[:, a].sum(), seen[:, b].sum()):
            owner[owner == b] = a
            seen[:, a] |= seen[:, b]
    return owner


def _handover(labels: list[I32], area: I64, flow: ClipFlow) -> F32:
    """[num, num] largest share of a label's pixels that becomes another label one frame later."""
    num = area.shape[1]
    grid = pixel_grid(flow.width_px, flow.height_px)

    def between(t: int) -> F32:
        back = flow.backward[t]
        assert back is not None
        before = look_up_nearest(labels[t - 1], back, grid).astype(np.int64)
        pairs = before.ravel() * num + labels[t].ravel()
        shared = np.bincount(pairs, minlength=num * num).reshape(num, num)
        smaller = np.minimum(area[t - 1][:, None], area[t][None])
        return (shared / np.maximum(smaller, 20)).astype(np.float32)

    best = np.zeros((num, num), np.float32)
    for start in range(1, len(labels), _PIECE):
        piece = range(start, min(start + _PIECE, len(labels)))
        best = np.maximum.reduce([best, *map_threads(between, piece)])
    return best


def _comeback(labels: list[I32], seen: Bool, flow: ClipFlow, options: JoinOptions) -> F32:
    """[num, num] up to 0.5 where one label appears near the place where another went."""
    num = seen.shape[1]
    grid = pixel_grid(flow.width_px, flow.height_px)
    first, last = seen.argmax(axis=0), len(seen) - 1 - seen[::-1].argmax(axis=0)
    place = np.zeros((2, num, 2), np.float32)
    side = np.ones((2, num), np.float32)
    for end, frame in enumerate((first, last)):
        for i in range(1, num):
            inside = labels[frame[i]] == i
            if inside.any():
                place[end, i] = grid[inside].mean(axis=0)
                side[end, i] = np.sqrt(inside.sum())
    apart = np.linalg.norm(place[1][:, None] - place[0][None], axis=-1)
    size = np.minimum(side[1][:, None], side[0][None])
    alike = size / np.maximum(side[1][:, None], side[0][None])
    gap = first[None] - last[:, None]
    in_time = np.abs(gap) <= options.max_gap
    return (0.5 * in_time * alike * np.exp(-0.5 * (apart / (1.5 * size)) ** 2)).astype(np.float32)


def _colour_likeness(labels: list[I32], pictures: list[U8], num: int) -> F32:
    """[num, num] overlap, 0 to 1, of the labels' colour histograms over the clip."""

    def count(t: int) -> I32:
        level = (pictures[t] // 43).astype(np.int64)  # 6 levels a channel
        colour = (level[..., 0] * 6 + level[..., 1]) * 6 + level[..., 2]
        cell = labels[t].astype(np.int64) * 216 + colour
        return np.bincount(cell.ravel(), minlength=num * 216).astype(np.int32)

    total = np.zeros(num * 216)
    for start in range(0, len(labels), _PIECE):
        piece = range(start, min(start + _PIECE, len(labels)))
        total += np.sum(map_threads(count, piece), axis=0)
    histogram = total.reshape(num, 216)
    histogram /= np.maximum(histogram.sum(axis=1, keepdims=True), 1)
    rows = [np.minimum(histogram, row).sum(axis=1) for row in histogram]
    return np.stack(rows).astype(np.float32)
