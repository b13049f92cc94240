"""The pairs and windows over which motion is measured, and what each says of each track."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64, I32, Bool, PointTracks
from camvid.motion.camera_models import CameraModel
from camvid.parallel import map_threads

_UNEVEN = 1.5  # times the usual spacing: neighbouring frames, not frames across a hole


class PairSeries(NamedTuple):
    """Motion of every track over every pair, per pair gap; NaN where not seen at both ends."""

    frames: I32  # [Q, 2]
    length: F64  # [Q, N]
    low: F64  # [Q, N] the least over the depths it may have
    high: F64  # [Q, N] the most


class WindowSeries(NamedTuple):
    """How well one static point explains every track in every window; NaN where it is too short."""

    lower_bound: F64  # [V, N] what it leaves, as a fraction of the image side per pair gap
    residual_px: F64  # [V, N] what it leaves when held to the depths that the track may have


def choose_pairs(timestamps_s: F64, usable: Bool, *, gap_s: float, max_gap_s: float) -> I32:
    """For each usable frame the later usable frame nearest to `gap_s` away, [Q, 2].

    Frames further apart than `max_gap_s` are no pair, unless the clip's own frames usually are.
    """
    index = np.flatnonzero(usable)
    if len(index) < 2:
        return np.zeros((0, 2), np.int32)
    usual_s = float(np.median(np.diff(timestamps_s[index])))
    longest_s = max(max_gap_s, _UNEVEN * usual_s)
    pairs: list[tuple[int, int]] = []
    for place, i in enumerate(index[:-1]):
        later = index[place + 1 :]
        j = int(later[np.argmin(np.abs(timestamps_s[later] - timestamps_s[i] - gap_s))])
        if timestamps_s[j] - timestamps_s[i] <= longest_s:
            pairs.append((int(i), j))
    return np.array(pairs, np.int32).reshape(-1, 2)


def choose_windows(
    timestamps_s: F64, usable: Bool, *, window_s: float, min_frames: int
) -> list[NDArray[np.intp]]:
    """Usable frames of windows that overlap by half; a short clip is one window.

    A window is `window_s` long, or `min_frames` frames where those take longer.
    """
    index = np.flatnonzero(usable)
    if not len(index):
        return []
    seconds = timestamps_s[index]
    first, last = float(seconds[0]), float(seconds[-1])
    slack = 1e-6  # 12 frames at 24 Hz must not depend on rounding
    spans: dict[tuple[int, int], None] = {}  # at low rates windows coincide: each counts once
    for start in np.arange(first, max(last - window_s, first) + slack, window_s / 2):
        begin = int(np.searchsorted(seconds, start - slack))
        end = int(np.searchsorted(seconds, start + window_s + slack, side="right"))
        end = min(max(end, begin + min_frames), len(index))
        spans[(min(begin, max(end - min_frames, 0)), end)] = None
    return [index[begin:end] for begin, end in spans]


def pair_series(
    camera: CameraModel, tracks: PointTracks, pairs: I32, timestamps_s: F64, gap_s: float
) -> PairSeries:
    """The field of every pair, scaled from the pair's own time apart to `gap_s`."""

    def one(pair: NDArray[np.int32]) -> F64:
        i, j = int(pair[0]), int(pair[1])
        values = np.full((3, tracks.visible.shape[1]), np.nan)
        index = np.flatnonzero(tracks.visible[i] & tracks.visible[j])
        if len(index):
            values[:, index] = camera.pair(i, j, index)
        return values * (gap_s / (timestamps_s[j] - timestamps_s[i]))

    rows = map_threads(one, pairs)
    stacked = np.array(rows).reshape(len(pairs), 3, tracks.visible.shape[1])
    return PairSeries(pairs, stacked[:, 0], stacked[:, 1], stacked[:, 2])


def window_series(
    camera: CameraModel,
    tracks: PointTracks,
    windows: Sequence[NDArray[np.intp]],
    timestamps_s: F64,
    *,
    gap_s: float,
    min_frames: int,
) -> WindowSeries:
    """Static points for every track over every window.

    A point that moves evenly over a window of length L strays from its own middle by a quarter of
    its path on average, so 4 gap / L makes the residual a motion per pair gap.
    """

    def one(frames: NDArray[np.intp]) -> F64:
        values = np.full((2, tracks.visible.shape[1]), np.nan)
        seen = tracks.visible[frames]
        index = np.flatnonzero(seen.sum(axis=0) >= min_frames)
        if not len(index):
            return values
        span_s = _span_s(timestamps_s[frames], seen[:, index])
        fit = camera.window(frames, index)
        values[0, index] = fit.free * 4 * gap_s / span_s
        values[1, index] = fit.bounded_px
        return values

    rows = map_threads(one, windows)
    stacked = np.array(rows).reshape(len(windows), 2, tracks.visible.shape[1])
    return WindowSeries(stacked[:, 0], stacked[:, 1])


def _span_s(seconds: F64, seen: Bool) -> F64:
    """Time over which each track is seen, [m] and [m, n] -> [n]; each sighting is worth one gap."""
    first, last = np.argmax(seen, axis=0), len(seen) - 1 - np.argmax(seen[::-1], axis=0)
    count = seen.sum(axis=0)
    return (seconds[last] - seconds[first]) * count / (count - 1)
