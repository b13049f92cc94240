"""Tracks as one list of observations, track by track."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from camvid.artifacts import F64, I32, PointTracks
from camvid.rigidity.cameras import ClipCameras


class TrackObservations(NamedTuple):
    """O observations of N tracks in frames whose camera is known."""

    track: I32  # [O] ascending
    frame: I32  # [O] ascending within a track
    xy_px: F64  # [O, 2]
    by_track: csr_array  # [N, O] of ones
    start: I32  # [N + 1] where each track's observations begin in the list

    def sum(self, values: F64) -> F64:
        """[N, ...] sums over each track of values [O, ...]."""
        flat = self.by_track @ values.reshape(len(values), -1)
        return np.asarray(flat).reshape(-1, *values.shape[1:])

    def median(self, values: F64) -> F64:
        """[N] over each track, of the finite values [O] (the upper of two); NaN without any."""
        known = np.isfinite(values)
        track, value = self.track[known], values[known]
        order = np.lexsort((value, track))
        labels, first, count = np.unique(track[order], return_index=True, return_counts=True)
        found = np.full(self.num_tracks, np.nan)
        found[labels] = value[order][first + count // 2]
        return found

    @property
    def num_tracks(self) -> int:
        return len(self.start) - 1

    @property
    def per_track(self) -> I32:
        """[N] how often each track is seen."""
        return np.diff(self.start)


def track_observations(tracks: PointTracks, cameras: ClipCameras) -> TrackObservations:
    """Of all tracks in posed frames: of each, those in the component in which it is seen most."""
    seen = tracks.visible & cameras.posed[:, None]
    if cameras.component is not None:
        parts = range(int(cameras.component.max(initial=0)) + 1)
        counts = np.stack([seen[cameras.component == part].sum(axis=0) for part in parts])
        seen &= cameras.component[:, None] == counts.argmax(axis=0)
    track, frame = np.nonzero(seen.T)
    size = tracks.visible.shape[1], len(track)
    start = np.searchsorted(track, np.arange(size[0] + 1)).astype(np.int32)
    return TrackObservations(
        track=track.astype(np.int32),
        frame=frame.astype(np.int32),
        xy_px=tracks.xy_px[frame, track].astype(np.float64),
        by_track=csr_array((np.ones(size[1]), (track, np.arange(size[1]))), shape=size),
        start=start,
    )
