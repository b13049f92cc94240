"""Thresholds from labels: precision, recall, and the choice between them."""

import numpy as np
import pytest

from camvid.motion.calibration import calibrate


def test_separable_clips_give_a_threshold_between_them():
    found = calibrate(np.array([0.0001, 0.0004, 0.01, 0.04]), np.array([0, 0, 1, 1]) > 0, 0.95)
    assert found.chosen is not None
    assert found.chosen.threshold == pytest.approx(0.002)  # halfway on a logarithmic scale
    assert (found.chosen.precision, found.chosen.recall) == (1.0, 1.0)
    assert found.average_precision == pytest.approx(1.0)
    assert (found.num_moving, found.num_still) == (2, 2)


def test_precision_is_bought_with_recall():
    strength = np.array([0.001, 0.002, 0.003, 0.004, 0.005])
    moves = np.array([0, 1, 0, 1, 1]) > 0
    strict, lax = calibrate(strength, moves, 1.0).chosen, calibrate(strength, moves, 0.7).chosen
    assert strict is not None
    assert lax is not None
    assert (strict.precision, strict.recall) == (1.0, pytest.approx(2 / 3))
    assert 0.003 < strict.threshold < 0.004
    assert (lax.precision, lax.recall) == (0.75, 1.0)


def test_the_curve_starts_with_everything_moving():
    found = calibrate(np.array([0.0, 0.0, 0.01]), np.array([0, 0, 1]) > 0, 0.95)
    assert [p.num_called_moving for p in found.curve] == [3, 1]
    assert found.curve[0].precision == pytest.approx(1 / 3)
    assert found.curve[0].recall == 1.0


def test_a_precision_that_nothing_reaches():
    found = calibrate(np.array([0.01, 0.02]), np.array([1, 0]) > 0, 0.95)
    assert found.chosen is None
