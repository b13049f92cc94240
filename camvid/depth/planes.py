"""Planes of the scene: floors and walls, found once for the clip and known in every frame.

Over a bare wall flow goes with whatever moves near it; a plane that is known from its few good
spots is known all over.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F32, F64
from camvid.depth.fusion import Measured
from camvid.depth.views import Views, pixel_centres
from camvid.geometry import cam_from_img, camera_centers, invert_rigid, transform_points

_WINDOW_PX = 32  # side of the windows that candidates are fitted to, at the working size
_SAMPLE_PX = 6  # between the samples that speak for candidates
_MAX_SAMPLES = 6000  # bounds time and memory: each is held against every candidate
_MIN_SAMPLES = 30  # for three numbers; a window has up to 256
_TOLERANCE = 0.03  # relative error of inverse depth about a plane, beside a sample's own
_MIN_SHARE = 0.06  # of all samples' weight, to be a plane
_MAX_PLANES = 6  # the sides of a room; bounds the work, as pixels are held against each
_NUM_ROUNDS = 4  # of reweighting
_LEAST_SIGMA = 0.005  # no plane is known better: neighbours' errors go together


class Plane(NamedTuple):
    """The points X with normal . X = offset."""

    normal: F64  # [3] unit, world frame
    offset: float
    sigma: float  # relative error to expect of its inverse depths

    def inv_depth(self, K: F64, cam_from_world: F64, shape: tuple[int, ...]) -> F32:
        """[h, w] as a camera sees it; not above 0 where it does not."""
        normal = cam_from_world[:, :3] @ self.normal
        along = normal @ np.linalg.inv(K)
        distance = self.offset + normal @ cam_from_world[:, 3]
        x, y = pixel_centres(shape)
        return np.asarray((along[0] * x + along[1] * y + along[2]) / distance, np.float32)

    def seen(self, views: Views, frame_index: int) -> Measured:
        """The plane all over a frame, as if it had been measured there."""
        shape = views.gray[frame_index].shape
        if not np.isfinite(views.cam_from_world[frame_index]).all():
            return Measured.nothing(shape)
        found = self.inv_depth(views.K[frame_index], views.cam_from_world[frame_index], shape)
        return Measured(found, np.full(shape, self.sigma, np.float32)).where(found > 0)


class _Samples(NamedTuple):
    """Points that were measured, and from where."""

    xyz: F64  # [S, 3] world frame
    center: F64  # [S, 3] of the camera
    sigma: F64  # [S] relative, of inverse depth

    def error(self, normal: F64, offset: F64 | float) -> F64:
        """Relative error of the inverse depth that planes [k, 3] give along each ray, [S, k]."""
        distance = offset - self.center @ normal.T
        return (self.xyz @ normal.T - offset) / np.where(np.abs(distance) > 1e-9, distance, 1e-9)

    def inliers(self, error: F64) -> F64:
        """0 to 1, of errors [S] or [S, k]: the Geman-McClure weight."""
        variance = self.sigma**2 + _TOLERANCE**2
        return (1 + error**2 / (variance[:, None] if error.ndim > 1 else variance)) ** -2


def find_planes(views: Views, measured: Mapping[int, Measured]) -> list[Plane]:
    """The planes that most of what was measured lies on, by frame; the largest first.

    Candidates are fitted to windows of the frames; the one with most support is fitted anew to all
    samples, which then count no more for the next.
    """
    samples = _samples(views, measured)
    normals, offsets = _candidates(views, measured)
    if len(samples.xyz) < _MIN_SAMPLES or not len(normals):
        return []
    weight = _TOLERANCE / np.hypot(samples.sigma, _TOLERANCE)
    left, total = weight.copy(), float(weight.sum())
    supports = samples.inliers(samples.error(normals, offsets))
    planes: list[Plane] = []
    while len(planes) < _MAX_PLANES:
        best = int(np.argmax(left @ supports))
        plane = _fitted(samples, left, normals[best], float(offsets[best]))
        error = samples.error(plane.normal, plane.offset)
        if float(left @ samples.inliers(error)) < _MIN_SHARE * total:
            break
        planes.append(plane)
        left = left * (1 - np.sqrt(samples.inliers(error / 2)))
    # Where two planes meet, the later one had lost samples to the earlier one.
    for _ in range(_NUM_ROUNDS - 1 if planes else 0):
        errors = np.stack([samples.error(p.normal, p.offset) for p in planes])
        own = np.abs(errors).argmin(axis=0)
        planes = [
            _fitted(samples, weight * (own == k), p.normal, p.offset) for k, p in enumerate(planes)
        ]
    return planes


def _samples(views: Views, measured: Mapping[int, Measured]) -> _Samples:
    xyz, center, sigma = [np.zeros((0, 3))], [np.zeros((0, 3))], [np.zeros(0)]
    first = _SAMPLE_PX // 2
    for t, (inv_depth, error) in measured.items():
        there = np.nonzero(inv_depth[first::_SAMPLE_PX, first::_SAMPLE_PX])
        row, column = (i * _SAMPLE_PX + first for i in there)
        depth = 1 / inv_depth[row, column].astype(np.float64)
        in_camera = cam_from_img(views.K[t], np.column_stack([column, row]) + 0.5, depth)
        pose = views.cam_from_world[t]
        xyz.append(transform_points(invert_rigid(pose), in_camera))
        center.append(np.broadcast_to(camera_centers(pose), (len(row), 3)))
        sigma.append(error[row, column].astype(np.float64))
    every = _Samples(np.concatenate(xyz), np.concatenate(center), np.concatenate(sigma))
    if len(every.xyz) <= _MAX_SAMPLES:
        return every
    drawn = np.random.default_rng(0).choice(len(every.xyz), _MAX_SAMPLES, replace=False)
    return _Samples(*(values[drawn] for values in every))


def _candidates(views: Views, measured: Mapping[int, Measured]) -> tuple[F64, F64]:
    """(normals [k, 3], offsets [k]): inverse depth is linear in the pixels of a plane."""
    normals, offsets = [np.zeros(3)][:0], list[float]()
    for t, (inv_depth, sigma) in measured.items():
        pose = views.cam_from_world[t]
        for top in range(0, inv_depth.shape[0] - _WINDOW_PX // 2, _WINDOW_PX):
            for left in range(0, inv_depth.shape[1] - _WINDOW_PX // 2, _WINDOW_PX):
                slope = _linear_fit(inv_depth, sigma, top, left)
                if slope is None:
                    continue
                along = views.K[t].T @ slope
                length = float(np.linalg.norm(along))
                normals.append(pose[:, :3].T @ along / length)
                offsets.append((1 - float(along @ pose[:, 3])) / length)
    return np.array(normals).reshape(-1, 3), np.array(offsets)


def _linear_fit(inv_depth: F32, sigma: F32, top: int, left: int) -> F64 | None:
    """[3] with inverse depth ~ slope . (x, y, 1) in one window; None where too little is known."""
    window = np.s_[top : top + _WINDOW_PX : 2, left : left + _WINDOW_PX : 2]
    row, column = np.nonzero(inv_depth[window])
    if len(row) < _MIN_SAMPLES:
        return None
    value = inv_depth[window][row, column].astype(np.float64)
    pixel = np.column_stack([2 * column + left + 0.5, 2 * row + top + 0.5, np.ones(len(row))])
    variance = sigma[window][row, column].astype(np.float64) ** 2 + _TOLERANCE**2
    weight = 1 / variance
    slope = np.zeros(3)
    for _ in range(_NUM_ROUNDS - 1):
        root = np.sqrt(weight)
        slope = np.linalg.lstsq(pixel * root[:, None], value * root, rcond=None)[0]
        weight = 1 / variance / (1 + ((pixel @ slope - value) / (_TOLERANCE * value)) ** 2)
    return np.asarray(slope, np.float64) if np.linalg.norm(slope) > 1e-12 else None


def _fitted(samples: _Samples, weight: F64, normal: F64, offset: float) -> Plane:
    """Reweighted least squares of the relative errors, whose denominators stay as they were."""
    inlying = weight
    for _ in range(_NUM_ROUNDS):
        inlying = weight * samples.inliers(samples.error(normal, offset))
        if np.count_nonzero(inlying) < _MIN_SAMPLES:
            break
        distance = np.abs(offset - samples.center @ normal)
        share = inlying / np.maximum(distance, 1e-9) ** 2
        middle = np.average(samples.xyz, axis=0, weights=share)
        apart = (samples.xyz - middle) * np.sqrt(share)[:, None]
        found = np.linalg.eigh(apart.T @ apart)[1][:, 0]
        normal = found if found @ normal > 0 else -found
        offset = float(normal @ middle)
    spread = _weighted_median(np.abs(samples.error(normal, offset)), inlying)
    return Plane(normal, offset, max(1.4826 / 2 * spread, _LEAST_SIGMA))


def _weighted_median(values: F64, weight: F64) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
