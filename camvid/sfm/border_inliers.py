"""Does a solution belong to the background, or to a mover so large that it captured the camera?

Both fit their own tracks equally well. But the background reaches all around the image, while a
mover, however large, hides a part of it: so the border decides.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, Bool, PointTracks
from camvid.geometry import Floats
from camvid.sfm.adjustment import MAX_ERROR_PX, MIN_INLIER_FRACTION
from camvid.sfm.cameras import Cameras
from camvid.sfm.observations import cells_of, observations_of
from camvid.sfm.triangulation import triangulate

_GRID = 8  # cells per side; the outermost are the border


class Agreement(NamedTuple):
    """Which tracks a solution explains as static points, near or far, and where they are."""

    judged: Bool  # [N] seen by cameras more than once
    agrees: Bool  # [N]
    misfit_px: F64  # [N] deviation along one axis from the static point; infinite: seen too seldom
    border_share: float  # of the border's cells with tracks: where most tracks agree

    def share(self, among: Bool | None = None) -> float:
        """Of the tracks that were judged, or of some of them [N], those that agree."""
        asked = self.judged if among is None else self.judged & among
        return float(self.agrees[asked].mean()) if asked.any() else 0.0


def find_agreement(cameras: Cameras, tracks: PointTracks, size_px: tuple[int, int]) -> Agreement:
    """Holds every track against the static point that suits it best."""
    seen = observations_of(tracks, np.ones(tracks.visible.shape[1], bool))
    seen = seen.where(cameras.registered[seen.frame])
    error_px = triangulate(cameras, seen).error_px
    close = error_px <= MAX_ERROR_PX
    num_seen = seen.per_track()
    squares = np.bincount(seen.track, error_px**2, seen.num_tracks)
    freedom = 2 * num_seen - 3  # two numbers per observation, three went into the point
    misfit_px = np.where(num_seen > 1, np.sqrt(squares / np.maximum(freedom, 1)), np.inf)
    agrees = (num_seen > 1) & (seen.per_track(close) >= MIN_INLIER_FRACTION * num_seen)
    cell = seen.frame * _GRID**2 + cells_of(seen.xy_px, size_px, (_GRID, _GRID))
    on_border = _on_border(seen.xy_px, size_px)
    votes = np.bincount(cell[on_border], np.where(agrees[seen.track], 1.0, -1.0)[on_border])
    voted = np.bincount(cell[on_border]) > 0
    return Agreement(
        num_seen > 1, agrees, misfit_px, float(np.mean(votes[voted] > 0)) if voted.any() else 0.0
    )


def on_border(tracks: PointTracks, size_px: tuple[int, int]) -> Bool:
    """Tracks [N] that were seen near the border of the image in some frame."""
    near = _on_border(tracks.xy_px, size_px)
    return np.asarray((near & tracks.visible).any(axis=0))


def _on_border(xy_px: Floats, size_px: tuple[int, int]) -> Bool:
    """Whether points [..., 2] lie in the outermost cells of the image."""
    cell = np.floor(xy_px * _GRID / size_px)
    return np.asarray(((cell <= 0) | (cell >= _GRID - 1)).any(axis=-1))
