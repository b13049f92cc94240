"""Derivatives of where points are seen."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from camvid.artifacts import F64


def projection_jacobian(focal_px: F64 | float, xy_px: F64, depth: F64) -> F64:
    """Change [n, 2, 3] of a point's place in the image with its place in the camera.

    Args:
        focal_px: [n, 1], or one for all.
        xy_px: [n, 2] from the principal point, where the points are seen.
        depth: [n, 1].
    """
    change = np.zeros((len(xy_px), 2, 3))
    change[:, 0, 0] = change[:, 1, 1] = (focal_px / depth)[:, 0]
    change[:, :, 2] = -xy_px / depth
    return change


def sparse_rows(values: F64, columns: NDArray[np.intp], num_columns: int) -> sparse.csr_array:
    """Rows [2 O] of values [O, 2, k] that stand in the columns [O, k] of both their rows."""
    num_rows, width = 2 * len(values), values.shape[2]
    where = np.repeat(columns, 2, axis=0).ravel()
    ends = width * np.arange(num_rows + 1)
    return sparse.csr_array((values.ravel(), where, ends), shape=(num_rows, num_columns))
