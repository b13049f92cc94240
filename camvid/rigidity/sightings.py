"""Tracks as a list of sightings, ordered by track, beside the cameras that saw them."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from scipy.sparse import csr_array

from camvid.artifacts import F64, I32, Bool, PointTracks, Reconstruction


class Cameras(NamedTuple):
    """What static points look like in T frames.

    A camera that does not travel has no translation. Where a camera is not known at all, the
    homographies of its background stand in for its rotations.
    """

    K: F64  # [T, 3, 3]
    cam_from_world: F64  # [T, 3, 4]; NaN where not known
    max_inverse_depth: float  # of static points, in 1 / world units; 0: all is a direction


class Sightings(NamedTuple):
    """O sightings of N tracks in frames whose camera is known."""

    track: I32  # [O] ascending
    frame: I32  # [O] ascending within a track
    xy_px: F64  # [O, 2]
    by_track: csr_array  # [N, O] of ones

    def sum(self, values: F64) -> F64:
        """[N, ...] sums over each track of values [O, ...]."""
        flat = self.by_track @ values.reshape(len(values), -1)
        return np.asarray(flat).reshape(-1, *values.shape[1:])

    @property
    def count(self) -> F64:
        """[N]"""
        return np.asarray(self.by_track.sum(axis=1), np.float64)


_NEAR_QUANTILE, _NEARER = 0.98, 4.0  # static things come so much nearer than nearly all points


_MIN_SHARED = 12  # background tracks of two neighbouring frames, to fit a homography
_MAX_OFF_PX = 1.5


def cameras_of(
    found: Reconstruction, tracks: PointTracks, background: Bool, width_px: int, height_px: int
) -> Cameras:
    """The cameras of a reconstruction; of an unknown one, homographies of the background tracks."""
    K, cam_from_world = found.K_per_frame, found.cam_from_world
    if not np.isfinite(K).all():
        side = float(max(width_px, height_px))
        any_lens = np.array([[side, 0, width_px / 2], [0, side, height_px / 2], [0, 0, 1]])
        K = np.broadcast_to(any_lens, K.shape)
        if not found.has_cameras:
            cam_from_world = _chained_homographies(tracks, background, np.linalg.inv(any_lens))
    limit = 0.0
    if found.has_trajectory:
        pose = cam_from_world[found.observation_frame]
        point = found.points_world[found.observation_point].astype(np.float64)
        z = np.einsum("oj,oj->o", pose[:, 2, :3], point) + pose[:, 2, 3]
        limit = _NEARER * float(np.quantile(1 / np.maximum(z, 1e-9), _NEAR_QUANTILE))
    return Cameras(K, cam_from_world, limit)


def _chained_homographies(tracks: PointTracks, background: Bool, ray_from_px: F64) -> F64:
    """[T, 3, 4] from the rays of frame 0 to those of each; NaN from where they cannot be told on."""
    chain = np.full((len(tracks.visible), 3, 4), np.nan)
    chain[0] = np.eye(3, 4)
    for t in range(1, len(chain)):
        both = tracks.visible[t - 1] & tracks.visible[t] & background
        found: Any = None
        if np.count_nonzero(both) >= _MIN_SHARED:
            start, end = tracks.xy_px[t - 1, both], tracks.xy_px[t, both]
            found, _ = cv2.findHomography(start, end, cv2.RANSAC, _MAX_OFF_PX, maxIters=500)
        if found is None:
            break
        step = ray_from_px @ np.asarray(found, np.float64) @ np.linalg.inv(ray_from_px)
        chain[t, :, :3], chain[t, :, 3] = step @ chain[t - 1, :, :3], 0
    return chain


def sightings_of(tracks: PointTracks, cameras: Cameras) -> Sightings:
    """The sightings of all tracks in posed frames."""
    posed = np.isfinite(cameras.cam_from_world).all(axis=(1, 2))
    track, frame = np.nonzero((tracks.visible & posed[:, None]).T)
    num = len(track)
    by_track = csr_array(
        (np.ones(num), (track, np.arange(num))), shape=(tracks.visible.shape[1], num)
    )
    xy_px = tracks.xy_px[frame, track].astype(np.float64)
    return Sightings(track.astype(np.int32), frame.astype(np.int32), xy_px, by_track)
