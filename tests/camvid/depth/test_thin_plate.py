"""Differences of an image, their adjoint, and the solver on both."""

import numpy as np

from camvid.depth.thin_plate import adjoint, differences, solve

SHAPE = (7, 9)


def random(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def test_a_plane_has_no_second_differences() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    xx, yy, xy, dx, dy = differences((2.0 * x - 3.0 * y).astype(np.float32))
    for second in (xx, yy, xy):
        np.testing.assert_allclose(second, 0, atol=1e-5)
    np.testing.assert_allclose(dx, 2)
    np.testing.assert_allclose(dy, -3)


def test_the_adjoint_is_the_transpose() -> None:
    image, other = random(0), differences(random(1))
    left = sum(float((d * o).sum()) for d, o in zip(differences(image), other, strict=True))
    right = float((image * adjoint(other, SHAPE)).sum())
    np.testing.assert_allclose(left, right, rtol=1e-4)


def test_it_solves_what_the_dense_matrix_says() -> None:
    num = int(np.prod(SHAPE))
    precision = np.abs(random(2)) + np.float32(0.1)
    stiffness = [np.abs(d) + np.float32(0.2) for d in differences(random(3))]
    unit = np.eye(num).reshape(*SHAPE, num)
    bent = [s[..., None] * d for s, d in zip(stiffness, differences(unit), strict=True)]
    matrix = (precision[..., None] * unit + adjoint(bent, unit.shape)).reshape(num, num)
    right = random(4)
    expected = np.linalg.solve(matrix, right.ravel()).reshape(SHAPE)
    found = solve(precision, right, stiffness, np.zeros(SHAPE, np.float32), 200)
    np.testing.assert_allclose(found, expected, atol=2e-3)
