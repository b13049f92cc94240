"""Relative inverse depth -> depth in the units of the reconstruction, one scale and shift a frame.

Monocular networks give inverse depth up to scale and shift, so the fit is made there:
`1 / depth = scale * relative_inv_depth + shift`, robustly, against the cameras' sparse points.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, NAN, U8, Bool, DepthMaps, Reconstruction
from camvid.geometry import transform_points

AlignmentMethod = Literal["robust_inverse_depth", "robust_scale", "paper_medians"]
"""How relative depth is fitted to the sparse points.

`robust_scale` is for networks that give metric depth: no shift, which would only fit noise.
`paper_medians` is the formula of GenXD (arXiv 2411.02319, section 3), depth = alpha d_rel + beta
with medians, where d_rel is the relative inverse depth turned over within [0, 1], so that far stays
far. `DepthMaps.scale` and `.shift` then hold alpha and beta.
"""

_MIN_POINTS = 24  # a frame that sees fewer borrows those of its neighbours
_MAX_BORROW_FRAMES = 16  # from at most so far away
_NUM_HYPOTHESES = 256  # lines through two points: where 40 % are wrong, a third of them are good
_NUM_REFINEMENTS = 8  # of reweighting: bounds the work, from a line that suits half of the points
_CONFIDENCE_FALLOFF = 0.1  # relative residual at which a frame's confidence is 1/e


class SparseDepth(NamedTuple):
    """The sparse points that one frame observes."""

    xy_px: F32  # [n, 2]
    depth: F64  # [n] z in the camera frame, above 0


class Fit(NamedTuple):
    """depth^-1 = scale * relative_inv_depth + shift (or depth = ..., for the paper's medians)."""

    scale: float
    shift: float


def observed_depths(reconstruction: Reconstruction) -> list[SparseDepth]:
    """Per frame, the depth of the sparse points where it observed them (none if unregistered)."""
    order = np.argsort(reconstruction.observation_frame, kind="stable")
    num_frames = len(reconstruction.registered)
    bounds = np.searchsorted(
        reconstruction.observation_frame[order], np.arange(num_frames + 1), side="left"
    )
    return [
        _observed_depth(reconstruction, frame_index, order[first:last])
        for frame_index, (first, last) in enumerate(pairwise(bounds))
    ]


def _observed_depth(
    reconstruction: Reconstruction, frame_index: int, rows: NDArray[np.intp]
) -> SparseDepth:
    if not reconstruction.registered[frame_index]:
        rows = rows[:0]
    points = reconstruction.points_world[reconstruction.observation_point[rows]]
    cam_from_world = reconstruction.cam_from_world[frame_index]
    depth = transform_points(cam_from_world, points.astype(np.float64))[:, 2]
    in_front = depth > 0
    return SparseDepth(reconstruction.observation_xy_px[rows][in_front], depth[in_front])


def sample(image: NDArray[np.generic], xy_px: F32) -> NDArray[np.generic]:
    """Values of image [H, W] at the pixels that contain xy_px [n, 2]."""
    height, width = image.shape
    x = np.clip(np.floor(xy_px[:, 0]).astype(np.int64), 0, width - 1)
    y = np.clip(np.floor(xy_px[:, 1]).astype(np.int64), 0, height - 1)
    return image[y, x]


def relative_residual(depth: F32, valid: Bool, sparse: SparseDepth) -> float:
    """Median of |depth - d_sfm| / d_sfm over a frame's sparse points; NaN if none is covered."""
    there = sample(valid, sparse.xy_px).astype(bool)
    if not there.any():
        return NAN
    measured = sample(depth, sparse.xy_px[there]).astype(np.float64)
    return float(np.median(np.abs(measured / sparse.depth[there] - 1)))


def fit_inverse_depth(relative_inv_depth: F64, inv_depth: F64) -> Fit | None:
    """Robust line through (relative_inv_depth [n], inv_depth [n]); None if no rising line fits.

    The best of many lines through two points (least median of residuals), then Tukey-weighted
    least squares: up to about 40 % of the points may be wrong.
    """
    hypotheses = _lines_through_pairs(relative_inv_depth, inv_depth)
    if not len(hypotheses):
        return None
    error = np.abs(hypotheses[:, :1] * relative_inv_depth + hypotheses[:, 1:] - inv_depth)
    medians = np.median(error, axis=1)
    best = int(np.argmin(medians))
    scale, shift = hypotheses[best]
    for _ in range(_NUM_REFINEMENTS):
        residual = scale * relative_inv_depth + shift - inv_depth
        spread = max(1.4826 * float(np.median(np.abs(residual))), 1e-9 * float(np.ptp(inv_depth)))
        weight = np.clip(1 - (residual / (4.685 * max(spread, 1e-300))) ** 2, 0, None) ** 2
        refined = _weighted_line(relative_inv_depth, inv_depth, weight)
        if refined is None or refined.scale <= 0:
            break
        scale, shift = refined
    return Fit(float(scale), float(shift))


def _lines_through_pairs(x: F64, y: F64) -> F64:
    """[k, 2] (scale, shift) of rising lines through random pairs of points."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, len(x), _NUM_HYPOTHESES)
    second = rng.integers(0, len(x), _NUM_HYPOTHESES)
    run, rise = x[second] - x[first], y[second] - y[first]
    rising = run * rise > 0
    scale = rise[rising] / run[rising]
    return np.stack([scale, y[first[rising]] - scale * x[first[rising]]], axis=1)


def _weighted_line(x: F64, y: F64, weight: F64) -> Fit | None:
    total = float(weight.sum())
    if total <= 0:
        return None
    mean_x, mean_y = float(weight @ x) / total, float(weight @ y) / total
    variance = float(weight @ (x - mean_x) ** 2)
    if variance <= 0:
        return None
    scale = float(weight @ ((x - mean_x) * (y - mean_y))) / variance
    return Fit(scale, mean_y - scale * mean_x)


def fit_scale(relative_inv_depth: F64, inv_depth: F64) -> Fit | None:
    """The median ratio; up to half of the points may be wrong. None if the network saw nothing."""
    seen = relative_inv_depth > 0
    if not seen.any():
        return None
    return Fit(float(np.median(inv_depth[seen] / relative_inv_depth[seen])), 0.0)


def fit_paper_medians(relative_depth: F64, depth: F64) -> Fit | None:
    """alpha = median(d_sfm) / median(d_rel), beta = median(d_sfm - alpha d_rel)."""
    middle = float(np.median(relative_depth))
    if middle <= 0:
        return None
    alpha = float(np.median(depth)) / middle
    return Fit(alpha, float(np.median(depth - alpha * relative_depth)))


def align_depth(
    relative_inv_depth: F32,
    reconstruction: Reconstruction,
    method: AlignmentMethod = "robust_inverse_depth",
) -> DepthMaps:
    """Fits relative_inv_depth [T, H, W] (larger is nearer) to the sparse points, frame by frame.

    A pixel whose aligned inverse depth is not above 0 lies beyond infinity: it is not valid.
    Frames without cameras, or too far from any that sees points, are not valid at all.
    """
    num_frames, height_px, width_px = relative_inv_depth.shape
    if not reconstruction.has_trajectory:
        return DepthMaps.none(num_frames, height_px, width_px)
    observed = observed_depths(reconstruction)
    fits = _fit_frames(relative_inv_depth, observed, reconstruction.registered, method)
    depth = np.zeros(relative_inv_depth.shape, np.float32)
    valid = np.zeros(relative_inv_depth.shape, np.bool_)
    confidence = np.zeros(relative_inv_depth.shape, np.uint8)
    residual = np.full(num_frames, NAN)
    for frame_index, fit in enumerate(fits):
        if fit is None:
            continue
        aligned, known = _apply(relative_inv_depth[frame_index], fit, method)
        depth[frame_index], valid[frame_index] = aligned, known
        residual[frame_index] = relative_residual(aligned, known, observed[frame_index])
        confidence[frame_index] = _confidence(known, float(residual[frame_index]))
    return DepthMaps(
        depth=depth,
        valid=valid,
        confidence=confidence,
        scale=np.array([fit.scale if fit else 1.0 for fit in fits]),
        shift=np.array([fit.shift if fit else 0.0 for fit in fits]),
        residual=residual,
        source="mono",
    )


def _fit_frames(
    relative: F32, observed: list[SparseDepth], registered: Bool, method: AlignmentMethod
) -> list[Fit | None]:
    """One fit per frame; frames that see too few points pool those of ever wider neighbourhoods."""
    pairs = [
        np.stack([sample(_oriented(image, method), sparse.xy_px), sparse.depth], axis=1)
        for image, sparse in zip(relative, observed, strict=True)
    ]
    fits: list[Fit | None] = []
    for frame_index in range(len(relative)):
        pooled = pairs[frame_index]
        reach = 0
        while len(pooled) < _MIN_POINTS and reach < _MAX_BORROW_FRAMES:
            reach += 1
            pooled = np.concatenate(pairs[max(0, frame_index - reach) : frame_index + reach + 1])
        usable = registered[frame_index] and len(pooled) >= _MIN_POINTS
        fits.append(_fit(pooled.astype(np.float64), method) if usable else None)
    return fits


def _fit(pairs: F64, method: AlignmentMethod) -> Fit | None:
    if method == "paper_medians":
        return fit_paper_medians(pairs[:, 0], pairs[:, 1])
    if method == "robust_scale":
        return fit_scale(pairs[:, 0], 1 / pairs[:, 1])
    return fit_inverse_depth(pairs[:, 0], 1 / pairs[:, 1])


def _oriented(relative_inv_depth: F32, method: AlignmentMethod) -> F32:
    """The relative values that the method fits: as they are, or turned into depth in [0, 1]."""
    if method != "paper_medians":
        return relative_inv_depth
    low, high = float(relative_inv_depth.min()), float(relative_inv_depth.max())
    return (high - relative_inv_depth) / np.float32(max(high - low, 1e-12))


def _apply(relative: F32, fit: Fit, method: AlignmentMethod) -> tuple[F32, Bool]:
    """(depth, valid) of one frame; depth is 0 where not valid."""
    aligned = np.float32(fit.scale) * _oriented(relative, method) + np.float32(fit.shift)
    known = aligned > 0
    if method != "paper_medians":
        with np.errstate(divide="ignore", over="ignore"):
            aligned = np.float32(1) / aligned
        known &= np.isfinite(aligned)
    return np.where(known, aligned, np.float32(0)), known


def _confidence(valid: Bool, residual: float) -> U8:
    """One level per frame, 1/e where the fit misses its points by the falloff, or sees none."""
    missed = _CONFIDENCE_FALLOFF if np.isnan(residual) else residual
    level = round(255 * float(np.exp(-missed / _CONFIDENCE_FALLOFF)))
    return np.where(valid, np.uint8(level), np.uint8(0))
