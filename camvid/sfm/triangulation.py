"""Static points from many observations each, all tracks at once, in numpy."""

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from camvid.artifacts import F64, I32
from camvid.geometry import camera_centers
from camvid.sfm.cameras import Cameras
from camvid.sfm.observations import Observations

HUBER_PX = 1.0  # observations off by more count less, so that one bad one does not move the point
_MIN_DEPTH = 1e-9  # in front of the camera: a numerical guard, whatever the world's unit
_NUM_STEPS = 4  # of Gauss-Newton: it begins at the point nearest to the rays
_WEAK = 1e-12  # pull towards distance 1: against any baseline it is nothing


class Points(NamedTuple):
    """One static point per track; NaN where a track has fewer than two observations."""

    xyz_world: F64  # [N, 3]
    error_px: F64  # [O] of each observation; infinite behind the camera, or where there is no point
    angle_deg: F64  # [N] between rays far apart; 0 where there is no point


class _PosedObservations(NamedTuple):
    """What one round of steps needs, the observations along the last axis: numpy is quickest so."""

    track: I32  # [O]
    rotation: F64  # [3, 3, O]
    translation: F64  # [3, O]
    ray: F64  # [2, O] at depth 1 in the camera
    focal_px: float
    by_track: csr_array  # [N, O] of ones: times values [O, ...] it sums them per track

    def sum(self, values: F64) -> F64:
        """[N, ...] of values [..., O]."""
        shape = values.shape[:-1]
        flat = self.by_track @ values.reshape(math.prod(shape), -1).T
        return flat.reshape(-1, *shape)


def triangulate(cameras: Cameras, observations: Observations) -> Points:
    """The static point that best explains each track. All observations must be of posed frames."""
    if cameras.zooms:
        observations = cameras.unzoomed(observations)
    posed = _posed(cameras, observations)
    xyz_world = _nearest_to_rays(posed)
    for _ in range(_NUM_STEPS):
        xyz_world = _gauss_newton_step(posed, xyz_world)
    xyz_world[posed.by_track.sum(axis=1) < 2] = np.nan
    error_px = np.linalg.norm(_residuals_px(posed, xyz_world)[0], axis=0)
    error_px = np.where(np.isfinite(error_px), error_px, np.inf)
    return Points(xyz_world, error_px, _widest_angle_deg(cameras, observations, xyz_world))


def _posed(cameras: Cameras, observations: Observations) -> _PosedObservations:
    num, K = len(observations.track), cameras.K
    pose = np.take(cameras.cam_from_world.transpose(1, 2, 0), observations.frame, axis=2)
    ones = (np.ones(num), (observations.track, np.arange(num)))
    return _PosedObservations(
        track=observations.track,
        rotation=np.ascontiguousarray(pose[:, :3]),
        translation=np.ascontiguousarray(pose[:, 3]),
        ray=np.ascontiguousarray(((observations.xy_px - K[:2, 2]) / K[0, 0]).T),
        focal_px=float(K[0, 0]),
        by_track=csr_array(ones, shape=(observations.num_tracks, num)),
    )


def _nearest_to_rays(posed: _PosedObservations) -> F64:
    """Points [N, 3] nearest to their rays; at distance 1 where rays of one centre say nothing."""
    rotation, translation = posed.rotation, posed.translation
    ray = np.concatenate([posed.ray, np.ones((1, len(posed.track)))])
    ray = np.einsum("jio,jo->io", rotation, ray / np.linalg.norm(ray, axis=0))
    center = -np.einsum("jio,jo->io", rotation, translation)
    across = np.eye(3)[..., None] - ray[:, None] * ray  # takes out what lies along the ray
    normal = posed.sum(across)
    right = posed.sum(center - ray * (ray * center).sum(axis=0))
    num = np.maximum(posed.by_track.sum(axis=1), 1)
    weak = posed.sum(center + ray) / num[:, None]
    normal, right = normal + _WEAK * np.eye(3), right + _WEAK * weak
    return np.asarray(np.linalg.solve(normal, right[..., None])[..., 0], np.float64)


def _residuals_px(posed: _PosedObservations, xyz_world: F64) -> tuple[F64, F64]:
    """(residual px [2, O], points in their cameras [3, O]); NaN for points behind the camera."""
    point = np.take(np.ascontiguousarray(xyz_world.T), posed.track, axis=1)
    seen = np.einsum("ijo,jo->io", posed.rotation, point) + posed.translation
    seen[:, ~(seen[2] > _MIN_DEPTH)] = np.nan
    return posed.focal_px * (seen[:2] / seen[2] - posed.ray), seen


def _gauss_newton_step(posed: _PosedObservations, xyz_world: F64) -> F64:
    """Points moved to lessen the Huber cost of their reprojection errors."""
    residual, seen = _residuals_px(posed, xyz_world)
    rotation = posed.rotation
    jacobian = rotation[:2] - (seen[:2] / seen[2])[:, None] * rotation[2]
    jacobian *= posed.focal_px / seen[2]
    length = np.sqrt(residual[0] ** 2 + residual[1] ** 2)
    weight = np.minimum(1.0, HUBER_PX / np.maximum(length, 1e-9))
    behind = np.isnan(seen[2])
    jacobian[..., behind], residual[:, behind], weight[behind] = 0, 0, 0
    weighted = jacobian * weight
    normal = posed.sum(np.einsum("kio,kjo->ijo", weighted, jacobian))
    gradient = posed.sum(np.einsum("kio,ko->io", weighted, residual))
    damping = 1e-9 + 1e-6 * np.trace(normal, axis1=1, axis2=2)
    normal = normal + damping[:, None, None] * np.eye(3)
    return xyz_world - np.linalg.solve(normal, gradient[..., None])[..., 0]


def _widest_angle_deg(cameras: Cameras, observations: Observations, xyz_world: F64) -> F64:
    """Angle [N] between two rays to each point that are (nearly) the furthest apart."""
    centers = camera_centers(cameras.cam_from_world)
    rays = xyz_world[observations.track] - centers[observations.frame]
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    num_tracks, track = len(xyz_world), observations.track
    pole = np.full((num_tracks, 3), np.nan)
    pole[track[::-1]] = rays[::-1]  # the first ray of each track, then the ray furthest from it
    cosine = np.zeros(len(track))
    for _ in range(2):
        cosine = np.einsum("oi,oi->o", rays, pole[track])
        order = np.argsort(-cosine, kind="stable")
        pole[track[order]] = rays[order]
    widest = np.ones(num_tracks)
    np.minimum.at(widest, track, np.nan_to_num(cosine, nan=1.0))
    return np.degrees(np.arccos(np.clip(widest, -1, 1)))
