"""Second and first differences of an image, their adjoint, and conjugate gradients on both.

Inverse depth is linear in the pixels of a plane, however slanted, so second differences measure
how far a surface bends; first differences keep it from running off where nothing was measured.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from camvid.artifacts import F32

_TWIST = 2**0.5  # a thin plate's energy is w_xx^2 + 2 w_xy^2 + w_yy^2
# The taps (row, column, coefficient) of each difference: three second ones, then two first ones.
SECOND = (
    ((0, 0, 1.0), (0, 1, -2.0), (0, 2, 1.0)),
    ((0, 0, 1.0), (1, 0, -2.0), (2, 0, 1.0)),
    ((0, 0, _TWIST), (0, 1, -_TWIST), (1, 0, -_TWIST), (1, 1, _TWIST)),
)
FIRST = (((0, 0, -1.0), (0, 1, 1.0)), ((0, 0, -1.0), (1, 0, 1.0)))
_STENCILS = (*SECOND, *FIRST)


def taps(image: Any, stencil: Sequence[tuple[int, int, float]]) -> list[Any]:
    """Views of the image [h, w, ...] under each tap of a stencil, all of one shape."""
    height = image.shape[0] - max(row for row, _, _ in stencil)
    width = image.shape[1] - max(column for _, column, _ in stencil)
    return [image[row : row + height, column : column + width] for row, column, _ in stencil]


def differences(image: Any) -> list[Any]:
    """All five differences of an image [h, w, ...]."""
    return [
        sum(tap[2] * part for tap, part in zip(stencil, taps(image, stencil), strict=True))
        for stencil in _STENCILS
    ]


def adjoint(parts: Sequence[Any], shape: tuple[int, ...], power: int = 1) -> Any:
    """The transpose of `differences`; with power 2, that of the squared coefficients."""
    total = np.zeros(shape, parts[0].dtype)
    for stencil, part in zip(_STENCILS, parts, strict=True):
        for tap, place in zip(stencil, taps(total, stencil), strict=True):
            place += np.float32(tap[2] ** power) * part
    return total


def solve(
    precision: F32, right: F32, stiffness: Sequence[F32], start: F32, num_iterations: int
) -> F32:
    """Minimises sum precision w^2 - 2 right w + sum stiffness difference(w)^2 over w [h, w].

    Conjugate gradients with a Jacobi preconditioner, from `start`.
    """

    def normal_matrix(w: F32) -> F32:
        bent = [s * d for s, d in zip(stiffness, differences(w), strict=True)]
        return precision * w + adjoint(bent, w.shape)

    preconditioner = 1 / (precision + adjoint(stiffness, start.shape, power=2) + np.float32(1e-9))
    w, residual = start, right - normal_matrix(start)
    step = preconditioner * residual
    square = first = float((residual * step).sum())
    for _ in range(num_iterations):
        if square <= 1e-6 * first:
            break
        image = normal_matrix(step)
        length = np.float32(square / float((step * image).sum()))
        w, residual = w + length * step, residual - length * image
        new = preconditioner * residual
        before, square = square, float((residual * new).sum())
        step = new + np.float32(square / before) * step
    return w
