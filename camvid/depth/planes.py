"""Planes of the scene: floors and walls, found once for the clip and known in every frame.

Over a bare wall flow goes with whatever moves near it. But a plane that is known from its few good
spots is known all over. Which pixels lie on it, the spots around them say that look alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool
from camvid.depth.fusion import Fused, Measured
from camvid.depth.views import Views, pixel_centres
from camvid.geometry import cam_from_img, camera_centers, invert_rigid, transform_points
from camvid.guided import guided_filter

_MIN_SAMPLES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneOptions:
    """What a plane is, and which pixels are put onto it; errors are relative, of inverse depth."""

    sample_px: int = 6  # between the samples that planes are sought in; pixels of the working size
    max_samples: int = 6000
    max_sigma: float = 0.04  # of a sample
    tolerance: float = 0.03  # of a plane's samples
    min_share: float = 0.08  # of the samples, to be a plane
    max_planes: int = 5
    num_hypotheses: int = 300
    num_refinements: int = 3
    least_sigma: float = 0.005  # no plane is known better
    min_believed: float = 0.3  # of a sample
    min_evidence: float = 0.25  # mean around a pixel that is put onto a plane
    texture: float = 1.5  # grey levels a pixel, at which flow is half believed
    radius_px: int = 20  # within which pixels that look alike are asked
    softness: float = 4e-4  # squared difference of grey, from 0 to 1, that still looks alike
    max_error: float = 3.0  # of a pixel off its plane, in deviations
    no_plane: float = 0.5  # mean cost, from 0 to 1, at which a pixel lies on no plane


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


class _Samples(NamedTuple):
    """Points that were measured, and from where."""

    xyz: F64  # [S, 3] world frame
    center: F64  # [S, 3] of the camera

    def error(self, plane: Plane) -> F64:
        """[S] relative, of the inverse depth that the plane gives along each sample's ray."""
        distance = plane.offset - self.center @ plane.normal
        off = self.xyz @ plane.normal - plane.offset
        return off / np.where(np.abs(distance) > 1e-12, distance, 1e-12)

    def where(self, keep: Bool) -> "_Samples":
        return _Samples(self.xyz[keep], self.center[keep])


def find_planes(
    views: Views, measured: Mapping[int, Measured], options: PlaneOptions
) -> list[Plane]:
    """The planes that most of what was measured lies on, by frame; the largest first."""
    rng = np.random.default_rng(0)
    every = _samples(views, measured, options)
    if len(every.xyz) > options.max_samples:
        every = every.where(_drawn(len(every.xyz), options.max_samples, rng))
    left, planes = every, list[Plane]()
    while len(planes) < options.max_planes:
        plane = _largest_plane(left, rng, options)
        if plane is None:
            break
        error = np.abs(left.error(plane))
        if (error <= options.tolerance).sum() < options.min_share * len(every.xyz):
            break
        planes.append(plane)
        left = left.where(error > 2 * options.tolerance)
    for _ in range(options.num_refinements if planes else 0):
        # Where two planes meet, the later one had lost samples to the earlier one.
        error = np.abs([every.error(plane) for plane in planes])
        own = (error <= options.tolerance) & (error == error.min(axis=0))
        planes = [_fitted(every.where(o), p, options) for o, p in zip(own, planes, strict=True)]
    return planes


def onto_planes(
    found: Fused, planes: Sequence[Plane], views: Views, frame_index: int, options: PlaneOptions
) -> tuple[Fused, Bool]:
    """What a frame knows, where it lies on planes with theirs; and where it does, [h, w]."""
    gray, shape = views.gray[frame_index], found.inv_depth.shape
    believed = _texture_share(gray, options)
    sigma = found.sigma / np.maximum(believed, np.float32(1e-3))
    known = found.inv_depth > 0
    evidence = np.where(known, found.agreement * believed, np.float32(0)) + np.float32(1e-6)
    guide = gray.astype(np.float32) / np.float32(255)

    def spread(values: F32) -> F32:
        return guided_filter(guide, values, radius_px=options.radius_px, softness=options.softness)

    total = np.maximum(spread(evidence), np.float32(1e-6))
    inv_depth, out_sigma = found.inv_depth.copy(), found.sigma.copy()
    least, on_plane = np.full(shape, options.no_plane, np.float32), np.zeros(shape, np.bool_)
    for plane in planes:
        theirs = plane.inv_depth(views.K[frame_index], views.cam_from_world[frame_index], shape)
        seen = theirs > 0
        error = found.inv_depth / np.where(seen, theirs, np.float32(1)) - 1
        squared = (error / np.float32(options.tolerance)) ** 2
        cost = np.where(known & seen, squared / (1 + squared), np.float32(1))
        mean = spread(evidence * cost) / total
        near = ~known | (np.abs(error) <= options.max_error * np.hypot(sigma, plane.sigma))
        better = seen & near & (mean < least) & (total >= options.min_evidence)
        least = np.where(better, mean, least)
        on_plane |= better
        own, other = 1 / sigma**2, np.float32(1 / plane.sigma**2)
        joined = (own * found.inv_depth + other * theirs) / (own + other)
        inv_depth = np.where(better, joined, inv_depth)
        out_sigma = np.where(better, 1 / np.sqrt(own + other), out_sigma)
    support = np.where(on_plane, np.float32(np.inf), found.support)
    agreement = np.where(on_plane, np.float32(1), found.agreement)
    return Fused(inv_depth, support, agreement, out_sigma), on_plane


def _samples(views: Views, measured: Mapping[int, Measured], options: PlaneOptions) -> _Samples:
    xyz, center = [np.zeros((0, 3))], [np.zeros((0, 3))]
    step = slice(options.sample_px // 2, None, options.sample_px)
    for t, (inv_depth, sigma) in measured.items():
        good = (inv_depth > 0) & (sigma <= options.max_sigma)
        good &= _texture_share(views.gray[t], options) >= options.min_believed
        row, column = np.nonzero(good[step, step])
        row, column = (i * options.sample_px + options.sample_px // 2 for i in (row, column))
        xy_px = np.column_stack([column, row]) + 0.5
        in_camera = cam_from_img(views.K[t], xy_px, 1 / inv_depth[row, column].astype(np.float64))
        pose = views.cam_from_world[t]
        xyz.append(transform_points(invert_rigid(pose), in_camera))
        center.append(np.broadcast_to(camera_centers(pose), (len(row), 3)))
    return _Samples(np.concatenate(xyz), np.concatenate(center))


def _drawn(num: int, wanted: int, rng: np.random.Generator) -> Bool:
    keep = np.zeros(num, np.bool_)
    keep[rng.choice(num, wanted, replace=False)] = True
    return keep


def _largest_plane(
    samples: _Samples, rng: np.random.Generator, options: PlaneOptions
) -> Plane | None:
    """The plane that most samples are near, by RANSAC, refined to all of these."""
    best: Plane | None = None
    most, num = 0, len(samples.xyz)
    for _ in range(options.num_hypotheses if num >= _MIN_SAMPLES else 0):
        a, b, c = samples.xyz[rng.choice(num, 3, replace=False)]
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        if length < 1e-12:
            continue
        plane = Plane(normal / length, float(normal @ a) / length, options.tolerance)
        count = int((np.abs(samples.error(plane)) <= options.tolerance).sum())
        if count > most:
            best, most = plane, count
    if best is None:
        return None
    for _ in range(options.num_refinements):
        own = np.abs(samples.error(best)) <= options.tolerance
        best = _fitted(samples.where(own), best, options)
    return best


def _fitted(samples: _Samples, plane: Plane, options: PlaneOptions) -> Plane:
    """Least squares of the samples' relative errors, whose denominators stay as they were."""
    if len(samples.xyz) < _MIN_SAMPLES:
        return plane
    distance = np.abs(plane.offset - samples.center @ plane.normal)
    weight = 1 / np.maximum(distance, 1e-12)
    middle = np.average(samples.xyz, axis=0, weights=weight**2)
    apart = (samples.xyz - middle) * weight[:, None]
    normal = np.linalg.eigh(apart.T @ apart)[1][:, 0]
    normal = normal if normal @ plane.normal > 0 else -normal
    found = Plane(normal, float(normal @ middle), plane.sigma)
    # Errors of neighbours go together, so the mean of many is not much surer than one of them.
    sigma = 1.4826 / 2 * float(np.median(np.abs(samples.error(found))))
    return found._replace(sigma=max(sigma, options.least_sigma))


def _texture_share(gray: U8, options: PlaneOptions) -> F32:
    """[h, w] 0 to 1: how far the texture around a pixel can be believed to carry flow."""
    picture = gray.astype(np.float32)
    dx, dy = (cv2.Sobel(picture, cv2.CV_32F, *axis, ksize=3) / 8 for axis in ((1, 0), (0, 1)))
    square = cv2.blur(dx * dx + dy * dy, (5, 5))
    return np.asarray(square / (square + np.float32(options.texture**2)), np.float32)
