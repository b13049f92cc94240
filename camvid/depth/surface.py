"""A smooth surface through measured inverse depths: straight where planes are, bent at few places.

Inverse depth is linear in the pixels of a plane, however slanted. So the surface minimises its
second differences, robustly, that creases and steps may stay; it takes noise out of what was
measured, and goes on straight where nothing was.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from scipy import sparse
from scipy.linalg import solveh_banded

from camvid.artifacts import F32, F64


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceOptions:
    """How stiff the surface is; inverse depths are over their median."""

    cell_px: int = 4  # pixels of the working size to a side of the surface's cells
    stiffness: float = 0.2  # of second differences, against measurements of full weight
    tension: float = 1e-2  # of first differences: keeps it from running off far from measurements
    crease: float = 0.02  # second difference from which the surface is let bend
    outlier: float = 0.03  # relative error from which a measurement is heeded less
    num_rounds: int = 4
    noise: float = 0.04  # relative: what lies nearer to the surface is put onto it
    outliers: float = 0.01  # of what was measured, at either end
    max_extrapolation: float = 1.5  # beyond the nearest and farthest that was measured


def through(inv_depth: F32, weight: F32, options: SurfaceOptions) -> F32:
    """Inverse depth [h, w] everywhere, from what has a weight (0 to 1) above 0.

    Measurements that stand out of the surface are kept: it is too coarse for small things.
    """
    known = weight > 0
    if not known.any():
        return inv_depth
    low, high = np.quantile(inv_depth[known], [options.outliers, 1 - options.outliers])
    limits = low / options.max_extrapolation, high * options.max_extrapolation
    surface = np.clip(_surface(inv_depth, weight, options), *limits)
    rest = np.where(known, inv_depth - surface, np.float32(0))
    square = rest * rest
    kept = rest * square / (square + (np.float32(options.noise) * surface) ** 2)
    return np.asarray(surface + kept, np.float32)


def _surface(inv_depth: F32, weight: F32, options: SurfaceOptions) -> F32:
    """[h, w] The surface alone: reweighted least squares over a grid of cells."""
    height, width = inv_depth.shape
    size = max(3, width // options.cell_px), max(3, height // options.cell_px)
    cell_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    cell_sum = cv2.resize(weight * inv_depth, size, interpolation=cv2.INTER_AREA)
    # Column by column: the matrix is as narrow as the cells are few from top to bottom.
    trust = np.asarray(cell_weight, np.float64).ravel(order="F")
    values = np.asarray(cell_sum, np.float64).ravel(order="F") / np.maximum(trust, 1e-12)
    unit = float(np.median(values[trust > 0]))
    values = values / unit
    bends, pulls = _differences(size[1], size[0])
    tolerance = options.outlier * np.maximum(values, 0.1)
    heeded, stiff, surface = trust, np.full(bends.shape[0], options.stiffness), values
    for _ in range(options.num_rounds):
        bending = bends.T @ sparse.diags(stiff) @ bends
        matrix = sparse.diags(heeded) + bending + options.tension * pulls
        surface = _solve(matrix, heeded * values)
        heeded = trust / (1 + ((surface - values) / tolerance) ** 2)
        stiff = options.stiffness / (1 + ((bends @ surface) / options.crease) ** 2)
    grid = np.asarray(surface.reshape(size) * unit, np.float32).T
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _solve(matrix: Any, right: F64) -> F64:
    """Of a positive definite sparse matrix with a narrow band."""
    lower = sparse.tril(matrix).todia()
    band = np.zeros((1 - int(lower.offsets.min()), len(right)))
    band[-lower.offsets, : lower.data.shape[1]] = lower.data
    return np.asarray(solveh_banded(band, right, lower=True, check_finite=False), np.float64)


@cache
def _differences(height: int, width: int) -> tuple[Any, Any]:
    """(second differences of a grid of cells, squared form of its first differences), sparse."""
    first = [_stencil(n, (-1.0, 1.0)) for n in (width, height)]
    second = [_stencil(n, (1.0, -2.0, 1.0)) for n in (width, height)]
    columns, rows = sparse.identity(width), sparse.identity(height)
    twist = np.sqrt(2) * sparse.kron(first[0], first[1])
    bends: Any = sparse.vstack(
        [sparse.kron(second[0], rows), sparse.kron(columns, second[1]), twist]
    )
    slopes: Any = sparse.vstack([sparse.kron(first[0], rows), sparse.kron(columns, first[1])])
    return bends.tocsr(), (slopes.T @ slopes).tocsr()


def _stencil(count: int, weights: tuple[float, ...]) -> Any:
    """[count - len(weights) + 1, count] Sums of neighbours with these weights."""
    diags: Any = sparse.diags  # the stubs know of one diagonal only
    return diags(weights, range(len(weights)), shape=(count - len(weights) + 1, count))
