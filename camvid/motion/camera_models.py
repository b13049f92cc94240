"""How far tracked points stray from where a static world would put them, for one pair of frames
and for one window, where cameras are posed and depth is known.

Lengths are fractions of the image side: (dx / W, dy / H), Euclidean norm.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from camvid.artifacts import F64, Bool, PointTracks
from camvid.geometry import cam_from_img, img_from_cam, invert_rigid, transform_points
from camvid.motion.depths import TrackDepths


class PairField(NamedTuple):
    """Motion of n tracks from frame i to frame j with the camera's own motion taken out."""

    length: F64  # [n] NaN where it cannot be said
    low: F64  # [n] the least over all depths that the point may have
    high: F64  # [n] the most


class WindowFit(NamedTuple):
    """How well each of n tracks is explained by one static point over a window of frames."""

    free_px: F64  # [n] mean residual of the best static point at any depth; NaN: too short
    bounded_px: F64  # [n] the same with the point's depth held within what is known of it
    free: F64  # [n] free_px as a fraction of the image side


class CameraModel(Protocol):
    """Takes the camera's own motion out of tracks."""

    def pair(self, i: int, j: int, index: np.ndarray) -> PairField:
        """Field of the tracks `index` [n], all visible in frames i and j."""
        ...

    def window(self, frames: np.ndarray, index: np.ndarray) -> WindowFit:
        """Static points for the tracks `index` [n] over `frames` [m]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosedCameras:
    """Cameras and depth are known: points are lifted into the world and seen again."""

    K: F64  # [T, 3, 3]
    cam_from_world: F64  # [T, 3, 4]
    tracks: PointTracks
    depths: TrackDepths
    side_px: F64  # (W, H)

    def pair(self, i: int, j: int, index: np.ndarray) -> PairField:
        ends = self.tracks.xy_px[j, index].astype(np.float64)
        depths = self.depths
        expected, near, far = (
            self._reproject(i, j, index, depth[i, index].astype(np.float64))
            for depth in (depths.depth, depths.low, depths.high)
        )
        side = self.side_px
        length = np.linalg.norm((ends - expected) / side, axis=1)
        low = _distance_to_segment(ends / side, near / side, far / side)
        bounds = [np.linalg.norm((ends - bound) / side, axis=1) for bound in (near, far)]
        return PairField(length, np.minimum(low, length), np.maximum(length, np.maximum(*bounds)))

    def _reproject(self, i: int, j: int, index: np.ndarray, depth: F64) -> F64:
        """Where a static point seen by frame i at that depth is seen by frame j, [n, 2]."""
        xy_px = self.tracks.xy_px[i, index].astype(np.float64)
        world = transform_points(
            invert_rigid(self.cam_from_world[i]), cam_from_img(self.K[i], xy_px, depth)
        )
        seen, ahead = img_from_cam(self.K[j], transform_points(self.cam_from_world[j], world))
        return np.where(ahead[:, None] > 0, seen, np.nan)

    def window(self, frames: np.ndarray, index: np.ndarray) -> WindowFit:
        """Points as (X/Z, Y/Z, 1/Z) in the middle frame: at any depth, infinity included."""
        at = np.ix_(frames, index)
        seen = self.tracks.visible[at]
        K = self.K[frames, None]  # [m, 1, 3, 3]
        focal = K[..., [0, 1], [0, 1]]
        rays = (self.tracks.xy_px[at] - K[..., :2, 2]) / focal
        middle = self.cam_from_world[frames[len(frames) // 2]]
        poses = _from_middle(self.cam_from_world[frames], middle)
        free = _fit_points(poses, rays, seen, None)
        inv_depth = _bounded_inv_depth(poses, free, self.depths, at, seen)
        bounded = _fit_points(poses, rays, seen, inv_depth)
        free_px = (_project(poses, free)[0] - rays) * focal
        bounded_px = (_project(poses, bounded)[0] - rays) * focal
        return WindowFit(
            mean_length(free_px, seen),
            mean_length(bounded_px, seen),
            mean_length(free_px / self.side_px, seen),
        )


def _distance_to_segment(point: F64, start: F64, end: F64) -> F64:
    """Distance of each point [n, 2] from the segment start-end."""
    along = end - start
    square = np.maximum((along * along).sum(axis=1), 1e-30)
    share = np.clip(((point - start) * along).sum(axis=1) / square, 0, 1)
    return np.linalg.norm(point - start - share[:, None] * along, axis=1)


def _from_middle(cam_from_world: F64, middle_from_world: F64) -> F64:
    """cam_from_middle [m, 3, 4]."""
    world_from_middle = np.vstack([invert_rigid(middle_from_world), [[0, 0, 0, 1.0]]])
    return cam_from_world @ world_from_middle


def _project(poses: F64, points: F64) -> tuple[F64, F64]:
    """(rays [m, n, 2], depth over depth in the middle [m, n]) of points (X/Z, Y/Z, 1/Z) [n, 3]."""
    homogeneous = np.column_stack([points[:, :2], np.ones(len(points)), points[:, 2]])
    seen = np.einsum("mij,nj->mni", poses, homogeneous)
    ratio = np.where(np.abs(seen[..., 2]) < 1e-9, 1e-9, seen[..., 2])
    return seen[..., :2] / ratio[..., None], ratio


def _fit_points(poses: F64, rays: F64, seen: Bool, inv_depth: F64 | None) -> F64:
    """Least-squares points [n, 3] as (X/Z, Y/Z, 1/Z) for rays [m, n, 2]; `inv_depth` may be held.

    Projection is linear once multiplied by the depth ratio, which converges in a few rounds.
    """
    weight = seen.astype(np.float64)
    # rows (P_1 - x P_3), (P_2 - y P_3) on (X/Z, Y/Z, 1, 1/Z):
    rows = poses[:, None, :2] - rays[..., None] * poses[:, None, 2:]  # [m, n, 2, 4]
    unknown = [0, 1, 3] if inv_depth is None else [0, 1]
    given = rows[..., 2] if inv_depth is None else rows[..., 2] + rows[..., 3] * inv_depth[:, None]
    points = np.zeros((rays.shape[1], 3))
    for _ in range(3):
        matrix = rows[..., unknown] * weight[..., None, None]
        target = -given * weight[..., None]
        normal = np.einsum("mnki,mnkj->nij", matrix, matrix)
        normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(len(unknown))
        normal += 1e-30 * np.eye(len(unknown))
        solved = np.linalg.solve(normal, np.einsum("mnki,mnk->ni", matrix, target)[..., None])
        third = solved[:, 2:, 0] if inv_depth is None else inv_depth[:, None]
        points = np.column_stack([solved[:, :2, 0], third])
        weight = seen / np.maximum(np.abs(_project(poses, points)[1]), 1e-3)
    return points


def _bounded_inv_depth(
    poses: F64, points: F64, depths: TrackDepths, at: tuple[np.ndarray, ...], seen: Bool
) -> F64:
    """Inverse depth [n] in the middle frame, held to the ranges known in the frames `at`."""
    _, ratio = _project(poses, points)
    bounds: list[F64] = []
    for depth in (depths.high, depths.low):
        there = np.where(seen & (ratio > 0), ratio / depth[at], np.nan)
        known = np.isfinite(there).any(axis=0)
        bound = np.full(there.shape[1], np.nan)
        bound[known] = np.nanmedian(there[:, known], axis=0)
        bounds.append(bound)
    free = points[:, 2]
    return np.fmin(np.fmax(free, bounds[0]), bounds[1])  # unbounded where nothing is known


def mean_length(vectors: F64, seen: Bool) -> F64:
    """Mean over the frames in which each track is seen, [m, n, 2] -> [n]; NaN if never."""
    length = np.where(seen, np.linalg.norm(vectors, axis=2), 0)
    count = seen.sum(axis=0)
    return np.where(count > 0, length.sum(axis=0) / np.maximum(count, 1), np.nan)
