"""ClipCameras as the rating of tracks takes them; of an unknown camera, homographies instead."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, I32, U16, Bool, PointTracks, Reconstruction
from camvid.geometry import camera_centers, centred_K

_MIN_SHARED = 12  # background tracks of two neighbouring frames, to fit a homography
_MAX_OFF_PX = 1.5  # of RANSAC's inliers: movers and parallax are off by more
_LOOK_BACK = 3  # frames


class ClipCameras(NamedTuple):
    """How a static point is seen in T frames.

    A camera that does not travel has no translation. Where a camera is not known at all, the
    homographies of its background, between rays at depth 1, stand in for its rotations.
    """

    K: F64  # [T, 3, 3]
    cam_from_world: F64  # [T, 3, 4]; NaN where not known
    # [T] poses of one component are in one frame of reference; None: all are in the same one.
    component: I32 | None = None

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

    def in_one_component(self, pairs: I32) -> Bool:
        """Of which pairs of frames [Q, 2] the relative pose is known, where both have one."""
        if self.component is None:
            return np.ones(len(pairs), bool)
        return np.asarray(self.component[pairs[:, 0]] == self.component[pairs[:, 1]])

    @property
    def extent(self) -> float:
        """Largest side of the box around the path, in world units; 0: it does not travel."""
        pose = self.cam_from_world[self.posed]
        if not pose[..., 3].any():
            return 0.0
        return float(np.ptp(camera_centers(pose), axis=0).max())


def cameras_of(
    found: Reconstruction, tracks: PointTracks, owner: U16, size_px: tuple[int, int]
) -> ClipCameras:
    """The cameras of a reconstruction; of an unknown one, homographies of the background's tracks.

    A camera that stands still needs no focal length: it gets one, where it has none. `owner` [N] is
    the object that each track lies on, 0 for the background.
    """
    if found.has_cameras and np.isfinite(found.K).all():
        return ClipCameras(found.K_per_frame, found.cam_from_world)
    if not found.has_cameras:
        return background_homographies(tracks, owner, size_px)
    K = np.broadcast_to(_any_K(size_px), (len(found.cam_from_world), 3, 3))
    return ClipCameras(K, found.cam_from_world)


def background_homographies(
    tracks: PointTracks, owner: U16, size_px: tuple[int, int]
) -> ClipCameras:
    """Homographies of the background's tracks, which need neither poses nor depth."""
    K = _any_K(size_px)
    chain, component = _chained_homographies(tracks, owner == 0, K)
    return ClipCameras(np.broadcast_to(K, (len(chain), 3, 3)), chain, component)


def _any_K(size_px: tuple[int, int]) -> F64:
    """[3, 3] for where the lens is not known, nor needed."""
    return centred_K(max(size_px), size_px)


def _chained_homographies(tracks: PointTracks, background: Bool, K: F64) -> tuple[F64, I32]:
    """([T, 3, 4] from the rays of a component's first frame to those of each, component [T]).

    Over a frame that cannot be read, from the last one before it. Where too few tracks are shared
    with the frames just before, another component begins.
    """
    chain = np.full((len(tracks.visible), 3, 4), np.nan)
    component = np.zeros(len(chain), np.int32)
    for t in range(len(chain)):
        for before in range(t - 1, max(t - 1 - _LOOK_BACK, -1), -1):
            both = tracks.visible[before] & tracks.visible[t] & background
            found = _homography(tracks.xy_px[before, both], tracks.xy_px[t, both])
            if found is not None:
                step = np.linalg.inv(K) @ found @ K
                chain[t, :, :3], chain[t, :, 3] = step @ chain[before, :, :3], 0
                component[t] = component[before]
                break
        else:
            chain[t], component[t] = np.eye(3, 4), component.max() + (t > 0)
    return chain, component


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
