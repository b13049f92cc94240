"""Tracks as the long list of sightings that structure from motion works on."""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, I32, Bool, PointTracks


class Observations(NamedTuple):
    """O sightings of tracks, ordered by frame and then by track."""

    frame: I32  # [O]
    track: I32  # [O] column of the PointTracks they come from
    xy_px: F64  # [O, 2]

    def where(self, keep: Bool) -> "Observations":
        """The sightings for which `keep` [O] holds."""
        return Observations(self.frame[keep], self.track[keep], self.xy_px[keep])


def observations_of(tracks: PointTracks, use_track: Bool) -> Observations:
    """All sightings of the tracks chosen by `use_track` [N]."""
    frame, track = np.nonzero(tracks.visible & use_track)
    xy_px = tracks.xy_px[frame, track].astype(np.float64)
    return Observations(frame.astype(np.int32), track.astype(np.int32), xy_px)
