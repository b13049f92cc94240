"""The epipolar geometry of two images, from points matched between them."""

from typing import Any

import cv2
import numpy as np

from camvid.artifacts import F64, Bool
from camvid.geometry import Floats

# Samples of RANSAC: enough for one of seven inliers, at P = .999, where 45 % of the matches are.
_MAX_ITERATIONS = 2000


def fundamental_matrix(
    first_px: Floats,
    second_px: Floats,
    max_error_px: float,
    max_iterations: int = _MAX_ITERATIONS,
) -> tuple[F64, Bool] | None:
    """(F [3, 3], which of the matches [n, 2] obey it [n]); None where they are degenerate."""
    found: Any  # None where there is no model, whatever the stubs say
    try:
        found, inlier = cv2.findFundamentalMat(
            first_px, second_px, cv2.USAC_MAGSAC, max_error_px, 0.999, max_iterations
        )
    except cv2.error:  # OpenCV 5 fails an assertion of its own where no sample gives a model
        return None
    if found is None or np.shape(found) != (3, 3):
        return None
    return np.asarray(found, np.float64), np.asarray(inlier).ravel() > 0


def sampson_px(fundamental: F64, first_px: Floats, second_px: Floats) -> F64:
    """First-order distance [n] in px of matches [n, 2] from their epipolar lines."""
    ones = np.ones((len(first_px), 1))
    first, second = np.hstack([first_px, ones]), np.hstack([second_px, ones])
    line_second, line_first = first @ fundamental.T, second @ fundamental
    slope = np.sqrt((line_second[:, :2] ** 2).sum(axis=1) + (line_first[:, :2] ** 2).sum(axis=1))
    return np.abs((second * line_second).sum(axis=1)) / np.maximum(slope, 1e-12)
