"""Tracks as a list of sightings, and the cameras that saw them."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from camvid.artifacts import F32, F64, I32, U16, Bool, PointTracks, Reconstruction
from camvid.geometry import camera_centers

_MIN_SHARED = 12  # background tracks of two neighbouring frames, to fit a homography
_MAX_OFF_PX = 1.5  # of RANSAC's inliers: movers and parallax are off by more
_LOOK_BACK = 3  # frames


class Cameras(NamedTuple):
    """How a static point is seen in T frames.

    A camera that does not travel has no translation. Where a camera is not known at all, the
    homographies of its background stand in for its rotations.
    """

    K: F64  # [T, 3, 3]
    cam_from_world: F64  # [T, 3, 4]; NaN where not known
    part: I32 | None = None  # [T] poses are in one frame of reference per part; None: all in one

    @property
    def posed(self) -> Bool:
        """[T]"""
        return np.asarray(np.isfinite(self.cam_from_world).all(axis=(1, 2)))

    def rays(self, frame: NDArray[np.integer], xy_px: F64) -> F64:
        """Directions [n, 3] at depth 1 in the cameras of the frames [n]."""
        K = self.K[frame]
        across = (xy_px - K[:, :2, 2]) / K[:, [0, 1], [0, 1]]
        return np.column_stack([across, np.ones(len(across))])

    def between(self, here: NDArray[np.integer], there: NDArray[np.integer]) -> tuple[F64, F64]:
        """Rotation [n, 3, 3] and translation [n, 3] from the cameras of some frames to others."""
        pose, back = self.cam_from_world, np.full((len(self.K), 3, 3), np.nan)
        back[self.posed] = np.linalg.inv(pose[self.posed, :, :3])  # rotations, or homographies
        rotation = pose[there, :, :3] @ back[here]
        return rotation, pose[there, :, 3] - np.einsum("nij,nj->ni", rotation, pose[here, :, 3])

    def in_one_part(self, pairs: I32) -> Bool:
        """Of which pairs of frames [Q, 2] the relative pose is known, where both have one."""
        if self.part is None:
            return np.ones(len(pairs), bool)
        return np.asarray(self.part[pairs[:, 0]] == self.part[pairs[:, 1]])

    @property
    def extent(self) -> float:
        """Largest side of the box around the path; 0 where the camera does not travel."""
        pose = self.cam_from_world[self.posed]
        if not pose[..., 3].any():
            return 0.0
        return float(np.ptp(camera_centers(pose), axis=0).max())


class Sightings(NamedTuple):
    """O sightings of N tracks in frames whose camera is known."""

    track: I32  # [O] ascending
    frame: I32  # [O] ascending within a track
    xy_px: F64  # [O, 2]
    by_track: csr_array  # [N, O] of ones
    start: I32  # [N + 1] where each track's sightings begin in the list

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


def sightings_of(tracks: PointTracks, cameras: Cameras) -> Sightings:
    """The sightings of all tracks in posed frames: those in the part where each is seen most."""
    seen = tracks.visible & cameras.posed[:, None]
    if cameras.part is not None:
        parts = range(int(cameras.part.max(initial=0)) + 1)
        counts = np.stack([seen[cameras.part == part].sum(axis=0) for part in parts])
        seen &= cameras.part[:, None] == counts.argmax(axis=0)
    track, frame = np.nonzero(seen.T)
    size = tracks.visible.shape[1], len(track)
    start = np.searchsorted(track, np.arange(size[0] + 1)).astype(np.int32)
    return Sightings(
        track=track.astype(np.int32),
        frame=frame.astype(np.int32),
        xy_px=tracks.xy_px[frame, track].astype(np.float64),
        by_track=csr_array((np.ones(size[1]), (track, np.arange(size[1]))), shape=size),
        start=start,
    )


def cameras_of(
    found: Reconstruction, tracks: PointTracks, owner: U16, size_px: tuple[int, int]
) -> Cameras:
    """The cameras of a reconstruction; of an unknown one, homographies of the background's tracks.

    `owner` [N] is the object that each track lies on, 0 for the background.
    """
    if found.has_cameras and np.isfinite(found.K).all():
        return Cameras(found.K_per_frame, found.cam_from_world)
    if not found.has_cameras:
        return background_homographies(tracks, owner, size_px)
    return _of_any_lens(found.cam_from_world, size_px)


def background_homographies(tracks: PointTracks, owner: U16, size_px: tuple[int, int]) -> Cameras:
    """Homographies of the background's tracks, which need neither poses nor depth."""
    lens = _any_lens(size_px)
    chain, part = _chained_homographies(tracks, owner == 0, lens)
    return _of_any_lens(chain, size_px)._replace(part=part)


def _of_any_lens(pose: F64, size_px: tuple[int, int]) -> Cameras:
    return Cameras(np.broadcast_to(_any_lens(size_px), (len(pose), 3, 3)), pose)


def _any_lens(size_px: tuple[int, int]) -> F64:
    """[3, 3] for where the lens is not known, nor needed."""
    side = float(max(size_px))
    return np.array([[side, 0, size_px[0] / 2], [0, side, size_px[1] / 2], [0, 0, 1]])


def _chained_homographies(tracks: PointTracks, background: Bool, K: F64) -> tuple[F64, I32]:
    """([T, 3, 4] from the rays of each part's first frame to those of each frame, part [T]).

    Over a frame that cannot be read, from the last one before it. Where too few tracks are shared
    with the frames just before, another part begins.
    """
    chain = np.full((len(tracks.visible), 3, 4), np.nan)
    part = np.zeros(len(chain), np.int32)
    for t in range(len(chain)):
        for before in range(t - 1, max(t - 1 - _LOOK_BACK, -1), -1):
            both = tracks.visible[before] & tracks.visible[t] & background
            found = _homography(tracks.xy_px[before, both], tracks.xy_px[t, both])
            if found is not None:
                step = np.linalg.inv(K) @ found @ K
                chain[t, :, :3], chain[t, :, 3] = step @ chain[before, :, :3], 0
                part[t] = part[before]
                break
        else:
            chain[t], part[t] = np.eye(3, 4), part.max() + (t > 0)
    return chain, part


def _homography(start: F32, end: F32) -> F64 | None:
    """[3, 3] by RANSAC, then least squares over what it explains; None from too few points."""
    if len(start) < _MIN_SHARED:
        return None
    found: Any  # as OpenCV has them where the points are degenerate, whatever its stubs say
    refitted: Any
    found, inlier = cv2.findHomography(start, end, cv2.RANSAC, _MAX_OFF_PX, maxIters=500)
    if found is None:
        return None
    kept = inlier.ravel() > 0
    refitted, _ = cv2.findHomography(start[kept], end[kept], 0)
    return np.asarray(found if refitted is None else refitted, np.float64)
