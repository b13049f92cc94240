"""Priors of lenses: their slopes are right, and what is usual costs nothing."""

import numpy as np
import pytest

from camvid.sfm.lens import focal_prior, smooth_zoom


def evaluate(cost, blocks):
    residuals, jacobians = np.zeros(1), [np.zeros(3) for _ in blocks]
    assert cost.Evaluate(blocks, residuals, jacobians)
    return residuals[0], np.stack(jacobians)


@pytest.mark.parametrize(
    ("cost", "num_blocks"), [(focal_prior(0.9 * 640), 1), (smooth_zoom(1, 3), 3)]
)
def test_slopes_are_those_of_the_values(cost, num_blocks):
    blocks = [np.array([500.0 + 20 * k, 320, 180]) for k in range(num_blocks)]
    _, slopes = evaluate(cost, blocks)
    for k in range(num_blocks):
        for i in range(3):
            ahead, behind = ([b.copy() for b in blocks] for _ in range(2))
            ahead[k][i] += 1e-3
            behind[k][i] -= 1e-3
            measured = (evaluate(cost, ahead)[0] - evaluate(cost, behind)[0]) / 2e-3
            assert slopes[k, i] == pytest.approx(measured, rel=1e-4, abs=1e-9)


def test_an_even_zoom_costs_nothing_whatever_the_gaps():
    blocks = [np.array([500 * 1.01**t, 320, 180]) for t in (0, 2, 7)]
    assert evaluate(smooth_zoom(2, 5), blocks)[0] == pytest.approx(0, abs=1e-9)


def test_the_usual_lens_costs_nothing():
    assert evaluate(focal_prior(0.9 * 640), [np.array([0.9 * 640, 320, 180])])[0] == pytest.approx(
        0
    )
