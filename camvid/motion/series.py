"""The pairs over which motion is measured, and what each says of each track."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64, I32, Bool, PointTracks
from camvid.motion.pair_fields import StaticWorld
from camvid.parallel import map_threads

_UNEVEN = 1.5  # times the usual spacing: neighbouring frames, not frames across a hole


class PairSeries(NamedTuple):
    """Motion of every track over every pair, per pair gap; NaN where not seen at both ends."""

    frames: I32  # [Q, 2]
    length: F64  # [Q, N]
    low: F64  # [Q, N] the least over the depths it may have
    high: F64  # [Q, N] the most


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


def pair_series(
    world: StaticWorld, tracks: PointTracks, pairs: I32, timestamps_s: F64, gap_s: float
) -> PairSeries:
    """The field of every pair, scaled from the pair's own time apart to `gap_s`."""

    def one(pair: NDArray[np.int32]) -> F64:
        i, j = int(pair[0]), int(pair[1])
        values = np.full((3, tracks.visible.shape[1]), np.nan)
        index = np.flatnonzero(tracks.visible[i] & tracks.visible[j])
        if len(index):
            values[:, index] = world.pair(i, j, index)
        return values * (gap_s / (timestamps_s[j] - timestamps_s[i]))

    rows = map_threads(one, pairs)
    stacked = np.array(rows).reshape(len(pairs), 3, tracks.visible.shape[1])
    return PairSeries(pairs, stacked[:, 0], stacked[:, 1], stacked[:, 2])
