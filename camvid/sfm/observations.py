"""Tracks as the long list of sightings that structure from motion works on."""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, I32, Bool, PointTracks

_GRID = (8, 6)  # cells by which the sightings of a frame are thinned evenly


class Observations(NamedTuple):
    """O sightings of tracks, ordered by frame and then by track."""

    frame: I32  # [O]
    track: I32  # [O] column of the PointTracks they come from
    xy_px: F64  # [O, 2]

    def where(self, keep: Bool) -> "Observations":
        """The sightings for which `keep` [O] holds."""
        return Observations(self.frame[keep], self.track[keep], self.xy_px[keep])

    def lasting(self, min_sightings: int) -> "Observations":
        """Those of tracks with so many: fewer agree with any cameras."""
        return self.where(np.bincount(self.track, minlength=1)[self.track] >= min_sightings)


def observations_of(tracks: PointTracks, use_track: Bool) -> Observations:
    """All sightings of the tracks chosen by `use_track` [N]."""
    frame, track = np.nonzero(tracks.visible & use_track)
    xy_px = tracks.xy_px[frame, track].astype(np.float64)
    return Observations(frame.astype(np.int32), track.astype(np.int32), xy_px)


def thinned(
    observations: Observations, width_px: int, height_px: int, max_observations: int
) -> Observations:
    """Whole tracks up to about the wanted number of sightings: the longest of every cell.

    The longest of the image would all lie where it changes least, and say little.
    """
    total = len(observations.track)
    if total <= max_observations:
        return observations
    length = np.bincount(observations.track)
    cell = np.floor(observations.xy_px * _GRID / [width_px, height_px]).astype(int)
    group = (observations.frame * _GRID[0] + cell[:, 0]) * _GRID[1] + cell[:, 1]
    order = np.lexsort((observations.track, -length[observations.track], group))
    ranked = group[order]
    rank = np.empty(total, np.intp)  # of each sighting in its cell of its frame, the longest first
    rank[order] = np.arange(total) - np.searchsorted(ranked, ranked)
    best = np.full(len(length), total)
    np.minimum.at(best, observations.track, rank)
    num_kept = np.cumsum(np.bincount(best[length > 0], weights=length[length > 0]))
    quota = max(int(np.searchsorted(num_kept, max_observations)), 1)
    return observations.where((best < quota)[observations.track])
