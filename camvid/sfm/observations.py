"""Tracks as the long list of observations that structure from motion works on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64, I32, Bool, PointTracks
from camvid.geometry import Floats

_GRID = (8, 6)  # cells by which the observations of a frame are thinned evenly


class Observations(NamedTuple):
    """O observations of tracks, ordered by frame and then by track."""

    frame: I32  # [O]
    track: I32  # [O] column of the PointTracks they come from
    xy_px: F64  # [O, 2]
    num_tracks: int  # N

    def where(self, keep: Bool) -> "Observations":
        """The observations for which `keep` [O] holds."""
        return self._replace(frame=self.frame[keep], track=self.track[keep], xy_px=self.xy_px[keep])

    def per_track(self, among: Bool | None = None) -> NDArray[np.intp]:
        """Observations [N] of each track, or those of them for which `among` [O] holds."""
        track = self.track if among is None else self.track[among]
        return np.bincount(track, minlength=self.num_tracks)

    def lasting(self, min_observations: int) -> "Observations":
        """Those of tracks with so many: fewer agree with any cameras."""
        return self.where(self.per_track()[self.track] >= min_observations)


def cells_of(xy_px: Floats, size_px: tuple[int, int], grid: tuple[int, int]) -> NDArray[np.intp]:
    """Number [...] of the cell that each place [..., 2] lies in, of (columns, rows)."""
    column, row = np.moveaxis(np.floor(xy_px * grid / size_px).astype(np.intp), -1, 0)
    return column * grid[1] + row


def observations_of(tracks: PointTracks, use_track: Bool) -> Observations:
    """All observations of the tracks chosen by `use_track` [N]."""
    frame, track = np.nonzero(tracks.visible & use_track)
    xy_px = tracks.xy_px[frame, track].astype(np.float64)
    num_tracks = tracks.visible.shape[1]
    return Observations(frame.astype(np.int32), track.astype(np.int32), xy_px, num_tracks)


def thinned(
    observations: Observations, size_px: tuple[int, int], max_observations: int
) -> Observations:
    """Whole tracks up to about the wanted number of observations: the longest of every cell.

    The longest of the image would all lie where it changes least, and say little.
    """
    total = len(observations.track)
    if total <= max_observations:
        return observations
    length = observations.per_track()
    cell = cells_of(observations.xy_px, size_px, _GRID)
    group = observations.frame * (_GRID[0] * _GRID[1]) + cell
    order = np.lexsort((observations.track, -length[observations.track], group))
    ranked = group[order]
    rank = np.empty(total, np.intp)  # of each in its cell of its frame, the longest first
    rank[order] = np.arange(total) - np.searchsorted(ranked, ranked)
    best = np.full(len(length), total)
    np.minimum.at(best, observations.track, rank)
    num_kept = np.cumsum(np.bincount(best[length > 0], weights=length[length > 0]))
    quota = max(int(np.searchsorted(num_kept, max_observations)), 1)
    return observations.where((best < quota)[observations.track])
