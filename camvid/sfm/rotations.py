"""Rotations between directions and images of them, found in spite of outliers."""

import numpy as np

from camvid.artifacts import F64

_NUM_HYPOTHESES = 64  # of three bearings: half being wrong, one search in 5,000 has no good one


def bearings(xy: F64, focal_px: float) -> F64:
    """Unit directions [..., 3] of places [..., 2] in px from the principal point."""
    rays = np.concatenate([xy, np.full((*xy.shape[:-1], 1), focal_px)], axis=-1)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def fit_rotations(first: F64, second: F64) -> F64:
    """Rotations [B, 3, 3] that best turn bearings first [B, n, 3] into second (Kabsch)."""
    u, _, vt = np.linalg.svd(np.swapaxes(second, 1, 2) @ first)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def errors_px(rotations: F64, first: F64, second_xy: F64, focal_px: float) -> F64:
    """Distance [B, n] in px between turned bearings and where they were seen."""
    turned = first @ np.swapaxes(rotations, 1, 2)
    depth = np.maximum(turned[..., 2:], 1e-6)
    return np.linalg.norm(focal_px * turned[..., :2] / depth - second_xy, axis=-1)


def best_rotation(
    first: F64,
    second_xy: F64,
    focal_px: float,
    *,
    quantile: float,
    num_hypotheses: int = _NUM_HYPOTHESES,
) -> F64:
    """The rotation [3, 3] that makes the quantile of the errors least, from bearings [n, 3]."""
    second = bearings(second_xy, focal_px)
    sample = np.random.default_rng(0).integers(0, len(first), (num_hypotheses, 3))
    rotations = fit_rotations(first[sample], second[sample])
    error = errors_px(rotations, first, second_xy, focal_px)
    best = int(np.argmin(np.quantile(error, quantile, axis=1)))
    error, rotation = error[best], rotations[best]
    for _ in range(3):  # polish on the better part: outliers are movers and lost tracks
        inlier = error <= 1.2 * np.quantile(error, quantile) + 1e-9
        rotation = fit_rotations(first[None, inlier], second[None, inlier])[0]
        error = errors_px(rotation[None], first, second_xy, focal_px)[0]
    return rotation
