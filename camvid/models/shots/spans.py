"""From scores per frame to the places where a video changes, and from those to its shots."""

from collections.abc import Iterable

import numpy as np

from camvid.artifacts import F32, Bool
from camvid.models.shots.options import TransNetV2Options

_NOMINAL_FPS = 30.0  # of a video of one frame


def shots_between(times_s: list[float], gaps: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """Shots (start_s, end_s) of an unbroken stretch of a video with a frame at each of `times_s`.

    A gap is (first frame not in the shot before, first frame of the next shot), in order. The last
    frame stays on the screen for as long as the others.
    """
    typical_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / _NOMINAL_FPS
    edges_s = [*times_s, times_s[-1] + typical_s]
    starts = [0, *(resume for _, resume in gaps)]
    ends = [*(stop for stop, _ in gaps), len(times_s)]
    return [(edges_s[a], edges_s[b]) for a, b in zip(starts, ends, strict=True) if a < b]


def apart(shots: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The shots of all stretches of a video, each ending where the next begins at the latest."""
    found = list(shots)
    starts = [start_s for start_s, _ in found[1:]] + [np.inf]
    return [
        (start_s, min(end_s, next_s))
        for (start_s, end_s), next_s in zip(found, starts, strict=True)
    ]


def find_gaps(cut: F32, fade: F32, options: TransNetV2Options) -> list[tuple[int, int]]:
    """Changes as (first frame not in the shot before, first frame of the next shot), in order.

    Args:
        cut: [T] score of being the last frame before a change.
        fade: [T] score of being blended; of a hard cut, the last frame before it.
    """
    gaps: list[tuple[int, int]] = []
    for begin, end in _runs(cut > options.min_cut_score):
        first, last = _run_around(fade > options.min_fade_score, begin, end)
        if last + 1 - first < options.min_fade_frames:
            last = begin + int(cut[begin:end].argmax())
            first = last + 1
        gap = (first, last + 1)
        if gap[1] < len(cut) and (not gaps or gap[0] > gaps[-1][1]):
            gaps.append(gap)
    return gaps


def _runs(flags: Bool) -> list[tuple[int, int]]:
    """[begin, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _run_around(flags: Bool, begin: int, end: int) -> tuple[int, int]:
    """(first, last) frame of the stretches of True that touch [begin, end), or its own."""
    touching = [run for run in _runs(flags) if run[0] < end and run[1] > begin]
    first = min([begin, *(a for a, _ in touching)])
    return first, max([end, *(b for _, b in touching)]) - 1
