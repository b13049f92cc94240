"""Cameras that have no trajectory to find: fixed, rotating about their centre, or zooming.

Structure from motion with a free focal length returns a confident but invented path for an exact
pan, so such clips are recognised from their tracks before any mapping. A homography does not tell
them apart (a plane fools it); what the best single rotation leaves of the flow does.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, CameraKind, PointTracks


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMotionOptions:
    """When static tracks say that the camera has no path."""

    max_fixed_flow_px: float = 0.5  # median flow of a fixed camera, at the widest spacing
    residual_quantile: float = 0.65  # of the tracks of a pair: the rest may be movers
    max_rotation_residual_px: float = 1.0  # what a rotation may leave: the noise of the tracks ...
    max_rotation_residual_ratio: float = 0.014  # ... or this share of the flow, if that is more
    min_rotating_fraction: float = 0.8  # of the frame pairs, for a clip may pan and then walk
    min_zoom: float = 0.03  # change of focal length from which a camera is called zooming
    min_pair_tracks: int = 60  # tracks that a frame pair must share
    min_pair_coverage: float = 0.5  # of the picture's cells with tracks: a patch is always flat
    num_pairs: int = 10
    num_hypotheses: int = 64  # rotations tried per pair and focal length


_GRID = 6  # cells per side by which the spread of tracks is judged


class CameraMotion(NamedTuple):
    """What the flow between distant frames says about the camera."""

    camera: CameraKind  # "moving" means: not degenerate, worth mapping
    flow_px: float  # median over the pair that moves most
    residual_px: float  # of the pair that a rotation explains worst
    limit_px: float  # on that residual
    focal_px: float  # of the best rotations; meaningless unless rotating
    num_pairs: int


class _Pair(NamedTuple):
    first: F64  # [n, 2] px from the principal point
    second: F64  # [n, 2]


def classify_camera(
    tracks: PointTracks, width_px: int, height_px: int, options: CameraMotionOptions
) -> CameraMotion:
    """Names the camera's motion from tracks of (mostly) static points; movers may be < half."""
    pairs = _widest_pairs(tracks, width_px, height_px, options)
    if not pairs:
        return CameraMotion("unknown", np.nan, np.nan, np.nan, np.nan, 0)
    flow = np.array([np.median(np.linalg.norm(p.second - p.first, axis=1)) for p in pairs])
    if flow.max() <= options.max_fixed_flow_px:
        return CameraMotion("fixed", float(flow.max()), np.nan, np.nan, np.nan, len(pairs))
    limit = np.maximum(options.max_rotation_residual_px, options.max_rotation_residual_ratio * flow)
    residual, focal = _best_rotations(pairs, max(width_px, height_px), options)
    camera: CameraKind = "moving"
    if np.mean(residual <= limit) >= options.min_rotating_fraction:
        camera = "rotating"
    else:
        zoom = np.array([_zoom(p) for p in pairs])
        unzoomed = [_Pair(p.first, p.second / z) for p, z in zip(pairs, zoom, strict=True)]
        zoom_residual, _ = _best_rotations(unzoomed, max(width_px, height_px), options)
        explained = np.mean(zoom_residual <= limit) >= options.min_rotating_fraction
        if explained and np.abs(np.log(zoom)).max() >= options.min_zoom:
            camera, residual = "zooming", zoom_residual
    worst = int(np.argmax(residual / limit))
    return CameraMotion(
        camera, float(flow.max()), float(residual[worst]), float(limit[worst]), focal, len(pairs)
    )


def _widest_pairs(
    tracks: PointTracks, width_px: int, height_px: int, options: CameraMotionOptions
) -> list[_Pair]:
    """Frame pairs over the whole clip, each as far apart as enough tracks, well spread, reach."""
    visible = tracks.visible
    center = np.array([width_px, height_px]) / 2
    last = len(visible) - 1
    pairs: dict[tuple[int, int], _Pair] = {}
    for start in np.unique(np.linspace(0, last, options.num_pairs + 1).astype(int)):
        cell = np.floor(tracks.xy_px[start] * _GRID / [width_px, height_px]).astype(int)
        cell = cell[:, 0] * _GRID + cell[:, 1]
        needed = options.min_pair_coverage * len(np.unique(cell[visible[start]]))
        for other in sorted(range(len(visible)), key=lambda j: -abs(j - start)):
            common = visible[start] & visible[other]
            if common.sum() < options.min_pair_tracks or other == start:
                continue
            if len(np.unique(cell[common])) >= needed:
                i, j = min(start, other), max(start, other)
                both = tracks.xy_px[[i, j]][:, common].astype(np.float64) - center
                pairs[i, j] = _Pair(both[0], both[1])
                break
    return list(pairs.values())


def _best_rotations(
    pairs: list[_Pair], long_side_px: int, options: CameraMotionOptions
) -> tuple[F64, float]:
    """Residual [pairs] in px under the one focal length that suits all pairs best."""
    coarse = long_side_px * np.geomspace(0.35, 4.0, 14)
    focal = _best_focal(pairs, coarse, options)
    focal = _best_focal(pairs, focal * np.geomspace(0.87, 1.15, 7), options)
    return np.array([_rotation_residual(p, focal, options) for p in pairs]), focal


def _best_focal(pairs: list[_Pair], focals: F64, options: CameraMotionOptions) -> float:
    costs = [np.mean([_rotation_residual(p, float(f), options) for p in pairs]) for f in focals]
    return float(focals[int(np.argmin(costs))])


def _rotation_residual(pair: _Pair, focal_px: float, options: CameraMotionOptions) -> float:
    """Quantile of the residuals in px under the rotation that makes it least."""
    quantile = options.residual_quantile
    first, second = _bearings(pair.first, focal_px), _bearings(pair.second, focal_px)
    rng = np.random.default_rng(0)
    sample = rng.integers(0, len(first), (options.num_hypotheses, 3))
    rotations = _fit_rotations(first[sample], second[sample])
    error = _errors_px(rotations, first, pair.second, focal_px)
    best = int(np.argmin(np.quantile(error, quantile, axis=1)))
    error, rotation = error[best], rotations[best]
    for _ in range(3):  # polish on the better part: outliers are movers and lost tracks
        inlier = error <= 1.2 * np.quantile(error, quantile) + 1e-9
        rotation = _fit_rotations(first[None, inlier], second[None, inlier])[0]
        error = _errors_px(rotation[None], first, pair.second, focal_px)[0]
    return float(np.quantile(error, quantile))


def _bearings(xy: F64, focal_px: float) -> F64:
    rays = np.concatenate([xy, np.full((len(xy), 1), focal_px)], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _fit_rotations(first: F64, second: F64) -> F64:
    """Rotations [B, 3, 3] that best turn bearings first [B, n, 3] into second (Kabsch)."""
    u, _, vt = np.linalg.svd(np.swapaxes(second, 1, 2) @ first)
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    return u @ vt


def _errors_px(rotations: F64, first: F64, second_xy: F64, focal_px: float) -> F64:
    """Distance [B, n] in px between turned points and where they were seen."""
    turned = first @ np.swapaxes(rotations, 1, 2)
    depth = np.maximum(turned[..., 2:], 1e-6)
    return np.linalg.norm(focal_px * turned[..., :2] / depth - second_xy, axis=-1)


def _zoom(pair: _Pair) -> float:
    """Ratio of focal lengths: how much the distances between points grew, in the median."""
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, len(pair.first), (2, 2000))
    before = np.linalg.norm(pair.first[i] - pair.first[j], axis=1)
    after = np.linalg.norm(pair.second[i] - pair.second[j], axis=1)
    apart = before > 10.0
    return float(np.median(after[apart] / before[apart])) if apart.any() else 1.0
