"""Depth of movers from where they stand and how large they look."""

import numpy as np
import pytest

from camvid.artifacts import F32, Bool
from camvid.depth.filling import FillOptions, ground_ratio, mover_inv_depths

OPTIONS = FillOptions()
YES = np.ones(40, bool)


def floor(height: int = 60, width: int = 80) -> F32:
    """Inverse depth of a floor seen from above: the lower in the picture the nearer."""
    return np.repeat(np.linspace(0.1, 0.5, height, dtype=np.float32)[:, None], width, axis=1)


def standing(top: int, bottom: int) -> Bool:
    mask = np.zeros((60, 80), bool)
    mask[top:bottom, 30:50] = True
    return mask


@pytest.mark.parametrize(("nearness", "behind"), [(1.0, False), (1.3, False), (0.8, True)])
def test_a_static_thing_is_not_behind_the_ground_it_covers(nearness: float, behind: bool) -> None:
    mask = standing(20, 40)
    inv_depth = floor()
    inv_depth[mask] = nearness * inv_depth[39, 40]
    known = np.ones(mask.shape, bool)
    ratio = ground_ratio(inv_depth, known, ~mask, mask, OPTIONS)
    assert ratio == pytest.approx(nearness, rel=0.06)
    assert (ratio < OPTIONS.min_ground_ratio) == behind


def test_without_ground_in_sight_there_is_no_ratio() -> None:
    mask = standing(20, 40)
    nothing = np.zeros(mask.shape, bool)
    assert np.isnan(ground_ratio(floor(), nothing, ~mask, mask, OPTIONS))
    assert np.isnan(ground_ratio(floor(), ~nothing, ~mask, nothing, OPTIONS))


def test_on_the_ground_contact_gives_the_scale_and_size_the_change() -> None:
    true = np.linspace(0.2, 0.4, 20)
    noise = np.random.default_rng(0).normal(1, 0.05, 20)
    num_pixels = (100 * true) ** 2
    found = mover_inv_depths(true * noise, num_pixels, YES[:20], YES[:20], OPTIONS).inv_depth
    np.testing.assert_allclose(found, true * np.median(noise), rtol=0.01)


def test_in_the_air_only_contact_with_the_ground_counts() -> None:
    frames = np.arange(40)
    true = np.full(40, 0.3)
    height = np.abs(np.sin(frames / 4))  # bounces: the ground seen below it is farther away
    found = mover_inv_depths(
        true * (1 - 0.5 * height), np.full(40, 900.0), YES, YES, OPTIONS
    ).inv_depth
    np.testing.assert_allclose(found, true, rtol=0.08)


def test_while_mostly_covered_size_says_nothing() -> None:
    true, num_pixels = np.full(20, 0.25), np.full(20, 400.0)
    foot = true.copy()
    num_pixels[8:12], foot[8:12] = 4.0, 0.5  # behind a post: few pixels, and the post's own foot
    found = mover_inv_depths(foot, num_pixels, YES[:20], YES[:20], OPTIONS).inv_depth
    np.testing.assert_allclose(found, true, rtol=1e-6)
