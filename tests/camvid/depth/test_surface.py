"""Surfaces through noisy inverse depths with holes."""

import numpy as np

from camvid.artifacts import F32
from camvid.depth.surface import SurfaceOptions, through

OPTIONS = SurfaceOptions()
SHAPE = (90, 160)


def floor() -> F32:
    """A plane seen at a slant: inverse depth is linear in the pixels."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (0.2 + 0.004 * y + 0.0005 * x).astype(np.float32)


def test_a_plane_goes_on_where_nothing_was_measured() -> None:
    true = floor()
    weight = np.ones(SHAPE, np.float32)
    weight[-8:], weight[30:50, 60:90] = 0, 0
    found = through(np.where(weight > 0, true, np.float32(0)), weight, OPTIONS)
    np.testing.assert_allclose(found, true, rtol=0.03)  # a constant would be 6 % off


def test_noise_is_smoothed_away() -> None:
    true = floor()
    noise = np.random.default_rng(0).normal(0, 0.02, SHAPE)
    noisy = (true * (1 + noise)).astype(np.float32)
    found = through(noisy, np.ones(SHAPE, np.float32), OPTIONS)
    assert np.abs(found / true - 1).mean() < 0.5 * np.abs(noisy / true - 1).mean()


def test_steps_and_small_things_stay() -> None:
    true = np.full(SHAPE, 0.2, np.float32)
    true[20:70, 40:90] = 0.5
    true[10:80, 120:122] = 0.5  # thinner than a cell
    found = through(true, np.ones(SHAPE, np.float32), OPTIONS)
    assert np.abs(found / true - 1).mean() < 0.02
    assert np.abs(found[30:60, 120:122] / 0.5 - 1).max() < 0.1


def test_outliers_of_little_weight_do_not_bend_it() -> None:
    true = floor()
    wrong, weight = true.copy(), np.ones(SHAPE, np.float32)
    wrong[40:48, 40:48], weight[40:48, 40:48] = 2.0, 0.05
    around = through(wrong, weight, OPTIONS)[30:60, 60:70]
    np.testing.assert_allclose(around, true[30:60, 60:70], rtol=0.02)


def test_it_stays_near_the_range_of_what_was_measured() -> None:
    weight = np.zeros(SHAPE, np.float32)
    weight[40:50] = 1  # a strip of a floor so steep that it would go on beyond infinity
    steep = (0.02 * np.arange(SHAPE[0], dtype=np.float32))[:, None] * np.ones(SHAPE, np.float32)
    found = through(np.where(weight > 0, steep, np.float32(0)), weight, OPTIONS)
    assert 0.8 / OPTIONS.max_extrapolation <= found.min() < 0.8
    assert 0.98 < found.max() <= 0.98 * OPTIONS.max_extrapolation


def test_nothing_measured_stays_nothing() -> None:
    nothing = np.zeros(SHAPE, np.float32)
    assert not through(nothing, nothing, OPTIONS).any()
