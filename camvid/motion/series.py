"""How far tracked points are from where a static world would have them, over pairs of frames.

Lengths are fractions of the image side: (dx / W, dy / H), Euclidean norm.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64, I32, Bool, PointTracks
from camvid.motion.depths import TrackDepths
from camvid.parallel import map_threads
from camvid.rigidity.sightings import Cameras

_AHEAD = 1e-3  # of the depth in the first frame: nearer, a point is behind the second camera
_UNEVEN = 1.5  # times the usual spacing: neighbouring frames, not frames across a hole


class PairSeries(NamedTuple):
    """Motion of every track over every pair, per pair gap; NaN where not seen at both ends."""

    frames: I32  # [Q, 2]
    length: F64  # [Q, N]
    low: F64  # [Q, N] the least over the depths it may have
    high: F64  # [Q, N] the most


class PairField(NamedTuple):
    """Motion of n tracks from frame i to frame j with the camera's own motion taken out."""

    length: F64  # [n] NaN where it cannot be said
    low: F64  # [n] the least over all depths that the point may have
    high: F64  # [n] the most


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StaticWorld:
    """Says where each track would be seen again if it did not move.

    A camera that does not travel sees every depth move alike; there the depths do not matter.
    """

    cameras: Cameras
    tracks: PointTracks
    depths: TrackDepths
    side_px: F64  # (W, H)

    def pair(self, i: int, j: int, index: np.ndarray) -> PairField:
        """Field of the tracks `index` [n], all visible in frames i and j."""
        side = self.side_px
        ends = self.tracks.xy_px[j, index].astype(np.float64) / side
        depths = self.depths
        expected, near, far = (
            self._seen_again(i, j, index, 1 / depth[i, index].astype(np.float64)) / side
            for depth in (depths.depth, depths.low, depths.high)
        )
        length = np.linalg.norm(ends - expected, axis=1)
        low = _distance_to_segment(ends, near, far)
        bounds = [np.linalg.norm(ends - bound, axis=1) for bound in (near, far)]
        return PairField(length, np.minimum(low, length), np.maximum(length, np.maximum(*bounds)))

    def _seen_again(self, i: int, j: int, index: np.ndarray, inverse_depth: F64) -> F64:
        """Where static points seen by frame i at these inverse depths are seen by j, [n, 2].

        A ray at inverse depth q goes to R ray + q t, divided by its last coordinate.
        """
        pose, K = self.cameras.cam_from_world, self.cameras.K
        turn = pose[j, :, :3] @ np.linalg.inv(pose[i, :, :3])  # rotations, or homographies
        shift = pose[j, :, 3] - turn @ pose[i, :, 3]
        focal, centre = K[:, [0, 1], [0, 1]], K[:, :2, 2]
        xy = (self.tracks.xy_px[i, index].astype(np.float64) - centre[i]) / focal[i]
        seen = np.column_stack([xy, np.ones(len(xy))]) @ turn.T + inverse_depth[:, None] * shift
        z = np.where(seen[:, 2:] > _AHEAD, seen[:, 2:], np.nan)
        return seen[:, :2] / z * focal[j] + centre[j]


def _distance_to_segment(point: F64, start: F64, end: F64) -> F64:
    """Distance of each point [n, 2] from the segment start-end."""
    along = end - start
    square = np.maximum((along * along).sum(axis=1), 1e-30)
    share = np.clip(((point - start) * along).sum(axis=1) / square, 0, 1)
    return np.linalg.norm(point - start - share[:, None] * along, axis=1)


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
