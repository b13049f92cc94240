"""Does a solution belong to the background, or to a mover so large that it captured the camera?

Both fit their own tracks equally well. But the background reaches all around the image, while a
mover, however large, hides a part of it: so the border decides.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, Bool, PointTracks
from camvid.geometry import Floats
from camvid.rigidity import sightings
from camvid.rigidity.estimate import estimate_rigidity
from camvid.rigidity.posterior import EVEN, ObjectRigidity, posterior
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import cells_of

_GRID = 8  # cells per side; the outermost are the border


class Agreement(NamedTuple):
    """Which tracks cameras explain as static points, near or far."""

    moves: F64  # [N] P(the track moves, were these the cameras); NaN: seen too little
    objects: dict[int, ObjectRigidity]  # by id; 0 is what no mask holds

    @property
    def agrees(self) -> Bool:
        """[N]"""
        return self.moves < EVEN

    def share(self, among: Bool) -> float:
        """Of the tracks `among` [N], as far as they were judged, those that agree."""
        asked = np.isfinite(self.moves) & among
        return float(self.agrees[asked].mean()) if asked.any() else 0.0

    def border_share(
        self, cameras: Cameras, tracks: PointTracks, among: Bool, size_px: tuple[int, int]
    ) -> float:
        """Of the border's cells in which tracks `among` [N] are seen, those where most agree."""
        asked = np.isfinite(self.moves) & among
        seen = tracks.visible & cameras.registered[:, None] & asked
        frame, track = np.nonzero(seen & _on_border(tracks.xy_px, size_px))
        cell = frame * _GRID**2 + cells_of(tracks.xy_px[frame, track], size_px, (_GRID, _GRID))
        votes = np.bincount(cell, np.where(self.agrees[track], 1.0, -1.0))[np.unique(cell)]
        return float(np.mean(votes > 0)) if len(votes) else 0.0


def find_agreement(
    cameras: Cameras,
    tracks: PointTracks,
    priors: Mapping[int, float],
    size_px: tuple[int, int],
    fps: float,
    solved_from: Bool | None = None,
) -> Agreement:
    """Asks of every track whether it moves, were these the cameras.

    Args:
        priors: P(moves) of the objects that tracks may lie on, by id.
        solved_from: the tracks [N] that the cameras come from; None: those that no mask holds.
    """
    posed = sightings.Cameras(cameras.K_per_frame, cameras.cam_from_world)
    rigidity = estimate_rigidity(
        tracks, tracks.object_id, posed, size_px, fps, solved_from=solved_from
    )
    return Agreement(*posterior(rigidity, tracks.object_id, priors))


def on_border(tracks: PointTracks, size_px: tuple[int, int]) -> Bool:
    """Tracks [N] that were seen near the border of the image in some frame."""
    near = _on_border(tracks.xy_px, size_px)
    return np.asarray((near & tracks.visible).any(axis=0))


def _on_border(xy_px: Floats, size_px: tuple[int, int]) -> Bool:
    """Whether points [..., 2] lie in the outermost cells of the image."""
    cell = np.floor(xy_px * _GRID / size_px)
    return np.asarray(((cell <= 0) | (cell >= _GRID - 1)).any(axis=-1))
