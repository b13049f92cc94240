"""Static points from many sightings each, all tracks at once, in numpy."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from camvid.artifacts import F64
from camvid.geometry import camera_centers
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import Observations

_HUBER_PX = 1.0  # sightings off by more count less, so that one bad one does not move the point
_MIN_DEPTH = 1e-9
_WEAK = 1e-12  # pull towards distance 1: against any baseline it is nothing


class Points(NamedTuple):
    """One static point per track; NaN where a track has fewer than two sightings."""

    xyz_world: F64  # [N, 3]
    error_px: F64  # [O] of each sighting given; infinite where the point is behind the camera
    angle_deg: F64  # [N] between rays far apart; 0 where there is no point


def triangulate(
    cameras: Cameras, observations: Observations, num_tracks: int, num_steps: int = 4
) -> Points:
    """The static point that best explains each track. All sightings must be of posed frames."""
    if cameras.zooms:
        observations = cameras.unzoomed(observations)
    by_track = _sum_by_track(observations, num_tracks)
    xyz_world = _nearest_to_rays(cameras, observations, by_track)
    for _ in range(num_steps):
        xyz_world = _gauss_newton_step(cameras, observations, by_track, xyz_world)
    xyz_world[by_track.sum(axis=1) < 2] = np.nan
    error_px = np.linalg.norm(_residuals(cameras, observations, xyz_world)[0], axis=1)
    error_px = np.where(np.isfinite(error_px), error_px, np.inf)
    return Points(xyz_world, error_px, _widest_angle_deg(cameras, observations, xyz_world))


def _sum_by_track(observations: Observations, num_tracks: int) -> csr_array:
    """[N, O] of ones: times values [O, ...] it sums them per track."""
    num = len(observations.track)
    return csr_array((np.ones(num), (observations.track, np.arange(num))), shape=(num_tracks, num))


def _nearest_to_rays(cameras: Cameras, observations: Observations, by_track: csr_array) -> F64:
    """Points [N, 3] nearest to their rays; at distance 1 where rays of one centre say nothing."""
    K, pose = cameras.K, cameras.cam_from_world[observations.frame]
    rays = (observations.xy_px - K[:2, 2]) / K[[0, 1], [0, 1]]
    rays = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    rays = np.einsum("oji,oj->oi", pose[:, :, :3], rays / np.linalg.norm(rays, axis=1)[:, None])
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]  # takes out what lies along the ray
    center = camera_centers(pose)
    normal = (by_track @ across.reshape(-1, 9)).reshape(-1, 3, 3)
    right = by_track @ np.einsum("oij,oj->oi", across, center)
    weak = by_track @ (center + rays) / np.maximum(by_track.sum(axis=1), 1)[:, None]
    normal, right = normal + _WEAK * np.eye(3), right + _WEAK * weak
    return np.linalg.solve(normal, right[..., None])[..., 0]


def _residuals(cameras: Cameras, observations: Observations, xyz_world: F64) -> tuple[F64, F64]:
    """(residual px [O, 2], points in their cameras [O, 3]); NaN for points behind the camera."""
    pose = cameras.cam_from_world[observations.frame]
    point = xyz_world[observations.track]
    seen = np.einsum("oij,oj->oi", pose[:, :, :3], point) + pose[:, :, 3]
    seen[~(seen[:, 2] > _MIN_DEPTH)] = np.nan
    projected = seen[:, :2] / seen[:, 2:] * cameras.K[[0, 1], [0, 1]] + cameras.K[:2, 2]
    return projected - observations.xy_px, seen


def _gauss_newton_step(
    cameras: Cameras, observations: Observations, by_track: csr_array, xyz_world: F64
) -> F64:
    """Points moved to lessen the Huber cost of their reprojection errors."""
    residual, seen = _residuals(cameras, observations, xyz_world)
    rotation = cameras.cam_from_world[observations.frame][:, :, :3]
    across = rotation[:, :2] - (seen[:, :2] / seen[:, 2:])[:, :, None] * rotation[:, 2:]
    jacobian = np.diag(cameras.K)[:2, None] * across / seen[:, 2, None, None]
    weight = np.minimum(1.0, _HUBER_PX / np.maximum(np.linalg.norm(residual, axis=1), 1e-9))
    jacobian, residual, weight = (np.nan_to_num(a) for a in (jacobian, residual, weight))
    weighted = jacobian * weight[:, None, None]
    normal = by_track @ np.einsum("oki,okj->oij", weighted, jacobian).reshape(-1, 9)
    gradient = by_track @ np.einsum("oki,ok->oi", weighted, residual)
    normal = normal.reshape(-1, 3, 3)
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
