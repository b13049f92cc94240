"""How far tracked points stray from where a static world would put them, without any depth.

A camera that does not travel sees the static world move by one homography per pair of frames:
K_j R_j R_i^T K_i^-1 where its rotations are known; else one is fitted to the background.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from camvid.artifacts import F64, PointTracks, Reconstruction
from camvid.motion.camera_models import PairField, WindowFit, mean_length


class HomographySource(Protocol):
    """The static world's own motion from frame i to frame j."""

    def between(self, i: int, j: int) -> F64 | None:
        """[3, 3] from pixels of i to pixels of j; None where it is not known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Homographies:
    """The camera model of a world that moves by homographies."""

    source: HomographySource
    tracks: PointTracks
    side_px: F64  # (W, H)

    def pair(self, i: int, j: int, index: np.ndarray) -> PairField:
        ends = self.tracks.xy_px[j, index].astype(np.float64)
        homography = self.source.between(i, j)
        if homography is None:
            unknown = np.full(len(index), np.nan)
            return PairField(unknown, unknown, unknown)
        expected = _transfer(homography, self.tracks.xy_px[i, index].astype(np.float64))
        length = np.linalg.norm((ends - expected) / self.side_px, axis=1)
        return PairField(length, length, length)

    def window(self, frames: np.ndarray, index: np.ndarray) -> WindowFit:
        """A static point stays in one place once every frame is warped to the middle one."""
        middle = int(frames[len(frames) // 2])
        at = np.ix_(frames, index)
        seen = self.tracks.visible[at].copy()
        warped = np.zeros((*seen.shape, 2))
        for row, frame_index in enumerate(frames):
            homography = self.source.between(int(frame_index), middle)
            if homography is None:
                seen[row] = False
            else:
                xy_px = self.tracks.xy_px[frame_index, index].astype(np.float64)
                warped[row] = _transfer(homography, xy_px)
        total = np.maximum(seen.sum(axis=0), 1)[:, None]
        away_px = warped - (warped * seen[..., None]).sum(axis=0) / total
        free_px = mean_length(away_px, seen)
        return WindowFit(free_px, free_px, mean_length(away_px / self.side_px, seen))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TurningCamera:
    """Rotations are known, and so are the homographies."""

    reconstruction: Reconstruction
    otherwise: HomographySource  # for frames that were not solved

    def between(self, i: int, j: int) -> F64 | None:
        if i == j or self.reconstruction.camera == "fixed":
            return np.eye(3)  # of a fixed camera no K is known, nor needed
        found = self.reconstruction
        if not (found.registered[i] and found.registered[j]):
            return self.otherwise.between(i, j)
        turn = found.cam_from_world[j, :, :3] @ found.cam_from_world[i, :, :3].T
        return found.K_of(j) @ turn @ np.linalg.inv(found.K_of(i))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedToBackground:
    """Nothing is known of the camera: background tracks give one homography a pair."""

    tracks: PointTracks
    min_background_tracks: int
    max_residual_px: float

    def between(self, i: int, j: int) -> F64 | None:
        """None where too little background is seen in both."""
        if i == j:
            return np.eye(3)
        tracks = self.tracks
        static = tracks.visible[i] & tracks.visible[j] & (tracks.object_id == 0)
        if static.sum() < self.min_background_tracks:
            return None
        start = tracks.xy_px[i, static].astype(np.float64)
        end = tracks.xy_px[j, static].astype(np.float64)
        return _robust_homography(start, end, self.max_residual_px)


def _robust_homography(start: F64, end: F64, max_residual_px: float) -> F64 | None:
    """RANSAC, then least squares over what it explains."""
    found: Any  # None where the points are degenerate, whatever the stubs say
    found, inlier = cv2.findHomography(start, end, cv2.RANSAC, max_residual_px, maxIters=500)
    if found is None:
        return None
    kept = inlier.ravel() > 0
    refitted: Any
    refitted, _ = cv2.findHomography(start[kept], end[kept], 0)
    return np.asarray(found if refitted is None else refitted, np.float64)


def _transfer(homography: F64, xy_px: F64) -> F64:
    moved = xy_px @ homography[:, :2].T + homography[:, 2]
    return moved[:, :2] / moved[:, 2:]
