"""How the background would move from one frame to another, and how far pixels are from that.

Two backgrounds are asked. A homography explains a fixed, rotating or zooming camera and any plane;
what it leaves is motion or parallax, so its threshold grows with what it leaves of the whole
image. Epipolar geometry explains parallax too, but not what moves off its epipolar lines.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, U8
from camvid.segmentation.labels import THRESHOLD

# Pixels are those of the working size.
_SAMPLE_STEP_PX = 8  # of the grid that the background is fitted to: some 900 samples an image
_MIN_SAMPLES = 40  # about a twentieth of the image: on less the background is a guess
_MIN_RESIDUAL_PX = 0.75  # from a homography or an epipolar line: less is flow noise
_NOISE_FACTOR = 4.0  # and so is less than this many robust deviations
_MAX_PLANES = 3  # of the background
_MIN_PLANE_SHARE = 0.12  # of the background samples, for a second or third plane
_MIN_PLANE_EXTENT = 0.45  # of the image's side, over which they must lie
_MIN_PARALLAX_PX = 2.0  # below it there is no epipolar geometry to speak of


def against_background(moved: F32, hidden: U8, grid: F32) -> tuple[F32, F32] | None:
    """(Residual of a flow [h, w, 2], as a multiple of its threshold; flow of the background).

    `hidden` [h, w] marks pixels that shall not define the background (128 to 255): they are left
    out unless fewer than a fifth of the samples would remain. None where there are too few at all.
    """
    start, shift = _background_samples(moved, hidden, grid)
    if len(start) < _MIN_SAMPLES:
        return None
    background, left = _planes_flow(start, shift, moved, grid)
    typical = 1.4826 * float(np.median(left))
    threshold = max(_MIN_RESIDUAL_PX, _NOISE_FACTOR * typical)
    residual = _length(moved - background) / threshold
    if np.percentile(left, 80) >= _MIN_PARALLAX_PX:
        residual = np.maximum(residual, _epipolar_residual(start, shift, moved, grid))
    return residual, background


def _planes_flow(start: F32, shift: F32, moved: F32, grid: F32) -> tuple[F32, F32]:
    """Flow [h, w, 2] of the scene plane that fits best at each pixel, and residuals at samples.

    A room has a wall and a floor. After the main plane, others count as background where they
    explain many samples that lie far apart: movers are compact.
    """
    tolerance = _MIN_RESIDUAL_PX + 0.02 * float(np.median(_length(shift)))
    enough = max(_MIN_SAMPLES, _MIN_PLANE_SHARE * len(start))
    background = np.zeros_like(grid)
    closest = np.full(grid.shape[:2], np.inf, np.float32)
    left = np.full(len(start), np.inf, np.float32)
    rest = np.ones(len(start), bool)
    for plane in range(_MAX_PLANES):
        if plane > 0 and rest.sum() < enough:
            break
        homography = _fit_homography(start[rest], (start + shift)[rest])
        error = _length(shift - (_project(homography, start) - start))
        near = rest & (error < tolerance)
        if plane > 0 and not (near.sum() >= enough and _lies_wide(start[near], grid)):
            break
        fitted = _project(homography, grid) - grid
        misfit = _length(moved - fitted)
        np.copyto(background, fitted, where=(misfit < closest)[..., None])
        np.minimum(closest, misfit, out=closest)
        left = np.minimum(left, error)
        rest &= ~near
    return background, left


def _lies_wide(points: F32, grid: F32) -> bool:
    spread = np.ptp(np.percentile(points, (10, 90), axis=0), axis=0)
    return bool((spread / grid.shape[1::-1]).max() >= _MIN_PLANE_EXTENT)


def _background_samples(moved: F32, hidden: U8, grid: F32) -> tuple[F32, F32]:
    """Grid points [N, 2] and their displacement, off what is hidden and inside both frames."""
    half = _SAMPLE_STEP_PX // 2
    cut = (slice(half, None, _SAMPLE_STEP_PX), slice(half, None, _SAMPLE_STEP_PX))
    start, shift = grid[cut].reshape(-1, 2), moved[cut].reshape(-1, 2)
    limit = np.array(grid.shape[1::-1], np.float32) - 1
    target = start + shift
    inside = np.asarray(((target >= 0) & (target <= limit)).all(axis=-1), np.bool_)
    free = inside & (hidden[cut].reshape(-1) < THRESHOLD)
    if free.sum() >= max(_MIN_SAMPLES, 0.2 * inside.sum()):
        inside = free
    return start[inside], shift[inside]


def _fit_homography(start: F32, end: F32) -> F64:
    tolerance = 0.5 + 0.02 * float(np.median(_length(end - start)))
    found, _ = cv2.findHomography(start, end, cv2.USAC_FAST, tolerance, maxIters=500)
    fitted = np.shape(found) == (3, 3)  # None where nothing fits
    return np.asarray(found, np.float64) if fitted else np.eye(3)


def _length(vectors: NDArray[np.floating]) -> F32:
    """Lengths [...] of vectors [..., 2]; numpy's own norm takes several times as long."""
    return np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2).astype(np.float32, copy=False)


def _project(homography: F64, points: F32) -> F32:
    mapped = cv2.perspectiveTransform(points.reshape(-1, 1, 2), homography)
    return np.asarray(mapped, np.float32).reshape(points.shape)


def _epipolar_residual(start: F32, shift: F32, moved: F32, grid: F32) -> F32:
    """Distance from the epipolar geometry of the background, as a multiple of its threshold."""
    tolerance = _MIN_RESIDUAL_PX / 2
    thin = max(1, len(start) // 300)  # RANSAC's time grows with the samples, its answer does not
    start, shift = start[::thin], shift[::thin]
    found, inlier = cv2.findFundamentalMat(
        start, start + shift, cv2.FM_RANSAC, tolerance, 0.99, 500
    )
    if np.shape(found) != (3, 3):
        return np.zeros(moved.shape[:2], np.float32)
    fundamental = np.asarray(found, np.float64)
    kept = np.asarray(inlier).reshape(-1) > 0
    typical = float(np.median(_sampson(fundamental, start, start + shift)[kept]))
    threshold = max(_MIN_RESIDUAL_PX, 2 * _NOISE_FACTOR * typical)
    return (_sampson(fundamental, grid, grid + moved) / threshold).astype(np.float32)


def _sampson(fundamental: F64, start: F32, end: F32) -> F32:
    """First-order distance in pixels [...] of matches [..., 2] from their epipolar lines."""
    ones = np.ones((*start.shape[:-1], 1), np.float32)
    a, b = np.concatenate([start, ones], axis=-1), np.concatenate([end, ones], axis=-1)
    line_b, line_a = a @ fundamental.T.astype(np.float32), b @ fundamental.astype(np.float32)
    slope = np.hypot(_length(line_a), _length(line_b))
    distance = np.abs(np.einsum("...i,...i", b, line_b)) / np.maximum(slope, 1e-6)
    return np.asarray(distance, np.float32)
