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
from camvid.rigidity.cameras import ClipCameras

_AHEAD = 1e-3  # of the depth in the first frame: nearer, a point is behind the second camera
_UNEVEN = 1.5  # times the usual spacing: neighbouring frames, not frames across a hole


class PairSeries(NamedTuple):
    """Motion of every track over every pair, per pair gap; NaN where not seen at both ends."""

    frames: I32  # [Q, 2]
    length: F64  # [Q, N]
    low: F64  # [Q, N] the least over the depths it may have
    high: F64  # [Q, N] the most


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StaticWorld:
    """Says where each track would be seen again if it did not move.

    A camera that does not travel sees every depth move alike; there the depths do not matter.
    """

    cameras: ClipCameras
    tracks: PointTracks
    depths: TrackDepths
    size_px: F64  # (W, H)

    def pair(self, i: int, j: int, index: np.ndarray) -> F64:
        """Motion [3, n] from frame i to j of tracks `index` [n] that are visible in both.

        Its length (NaN where it cannot be said), the least and the most over all depths that each
        point may have: fractions of the image side, the camera's own motion taken out.
        """
        size = self.size_px
        ends = self.tracks.xy_px[j, index].astype(np.float64) / size
        depths = self.depths
        expected, near, far = (
            self._seen_again(i, j, index, 1 / depth[i, index].astype(np.float64)) / size
            for depth in (depths.depth, depths.low, depths.high)
        )
        length = np.linalg.norm(ends - expected, axis=1)
        low = _distance_to_segment(ends, near, far)
        bounds = [np.linalg.norm(ends - bound, axis=1) for bound in (near, far)]
        return np.stack([length, np.minimum(low, length), np.max([length, *bounds], axis=0)])

    def _seen_again(self, i: int, j: int, index: np.ndarray, inverse_depth: F64) -> F64:
        """Where static points seen by frame i at these inverse depths are seen by j, [n, 2].

        A ray at inverse depth q goes to R ray + q t, divided by its last coordinate.
        """
        pose, K = self.cameras.cam_from_world, self.cameras.K
        rotation = pose[j, :, :3] @ np.linalg.inv(pose[i, :, :3])  # or a homography
        translation = pose[j, :, 3] - rotation @ pose[i, :, 3]
        focal, centre = K[:, [0, 1], [0, 1]], K[:, :2, 2]
        xy = (self.tracks.xy_px[i, index].astype(np.float64) - centre[i]) / focal[i]
        rays = np.column_stack([xy, np.ones(len(xy))])
        points = rays @ rotation.T + inverse_depth[:, None] * translation
        z = np.where(points[:, 2:] > _AHEAD, points[:, 2:], np.nan)
        return points[:, :2] / z * focal[j] + centre[j]


def _distance_to_segment(point: F64, start: F64, end: F64) -> F64:
    """Distance of each point [n, 2] from the segment start-end."""
    along = end - start
    square = np.maximum((along * along).sum(axis=1), 1e-30)
    share = np.clip(((point - start) * along).sum(axis=1) / square, 0, 1)
    return np.linalg.norm(point - start - share[:, None] * along, axis=1)


def choose_pairs(timestamps_s: F64, usable: Bool, *, gap_s: float, max_gap_s: float) -> I32:
    """For each usable frame [T] the later usable frame nearest to `gap_s` away, [Q, 2].

    Frames further apart than `max_gap_s` are no pair, unless the clip's own frames usually are.
    """
    index = np.flatnonzero(usable)
    if len(index) < 2:
        return np.zeros((0, 2), np.int32)
    usual_s = float(np.median(np.diff(timestamps_s[index])))
    longest_s = max(max_gap_s, _UNEVEN * usual_s)
    pairs: list[tuple[int, int]] = []
    for n, i in enumerate(index[:-1]):
        later = index[n + 1 :]
        j = int(later[np.argmin(np.abs(timestamps_s[later] - timestamps_s[i] - gap_s))])
        if timestamps_s[j] - timestamps_s[i] <= longest_s:
            pairs.append((int(i), j))
    return np.array(pairs, np.int32).reshape(-1, 2)


def pair_series(world: StaticWorld, pairs: I32, timestamps_s: F64, gap_s: float) -> PairSeries:
    """The motion over every pair [Q, 2], scaled from the pair's own time apart to `gap_s`."""
    visible = world.tracks.visible

    def one(pair: NDArray[np.int32]) -> F64:
        i, j = int(pair[0]), int(pair[1])
        values = np.full((3, visible.shape[1]), np.nan)
        index = np.flatnonzero(visible[i] & visible[j])
        if len(index):
            values[:, index] = world.pair(i, j, index)
        return values * (gap_s / (timestamps_s[j] - timestamps_s[i]))

    rows = map_threads(one, pairs)
    stacked = np.array(rows).reshape(len(pairs), 3, visible.shape[1])
    return PairSeries(pairs, stacked[:, 0], stacked[:, 1], stacked[:, 2])
