"""Depth of movers from where they stand and how they grow."""

from typing import Any

import numpy as np
import pytest

from camvid.artifacts import F32, F64, U16, Bool
from camvid.depth.grounding import (
    Contact,
    GroundOptions,
    contact,
    floor_ratio,
    ground_ratio,
    stand,
)

OPTIONS = GroundOptions()


def floor(height: int = 60, width: int = 80) -> F32:
    """Inverse depth of a floor seen from above: the lower in the picture the nearer."""
    return np.repeat(np.linspace(0.1, 0.5, height, dtype=np.float32)[:, None], width, axis=1)


def standing(top: int, bottom: int) -> Bool:
    mask = np.zeros((60, 80), bool)
    mask[top:bottom, 30:50] = True
    return mask


@pytest.mark.parametrize(
    ("nearness", "off_ground"), [(1.0, False), (1.2, False), (0.8, True), (1.6, True)]
)
def test_a_static_thing_is_where_its_ground_is(nearness: float, off_ground: bool) -> None:
    mask = standing(20, 40)
    inv_depth = floor()
    inv_depth[mask] = nearness * inv_depth[39, 40]
    known = np.ones(mask.shape, bool)
    ratio = ground_ratio(inv_depth, known, ~mask, mask, OPTIONS)
    assert ratio == pytest.approx(nearness, rel=0.06)
    within = OPTIONS.min_ground_ratio < ratio < OPTIONS.max_ground_ratio
    assert within != off_ground


def test_before_a_wall_a_static_thing_may_hang() -> None:
    mask = standing(20, 40)
    inv_depth = np.full(mask.shape, 0.2, np.float32)
    inv_depth[mask] = 0.4
    known = np.ones(mask.shape, bool)
    assert np.isnan(ground_ratio(inv_depth, known, ~mask, mask, OPTIONS))
    inv_depth[mask] = 0.1  # behind what it covers it cannot be anywhere
    assert ground_ratio(inv_depth, known, ~mask, mask, OPTIONS) == pytest.approx(0.5)


def test_without_ground_in_sight_there_is_no_ratio() -> None:
    mask = standing(20, 40)
    nothing = np.zeros(mask.shape, bool)
    assert np.isnan(ground_ratio(floor(), nothing, ~mask, mask, OPTIONS))
    assert np.isnan(ground_ratio(floor(), ~nothing, ~mask, nothing, OPTIONS))


@pytest.mark.parametrize("nearness", [0.5, 1.0, 1.8])
def test_how_far_off_the_floor_a_thing_was_measured(nearness: float) -> None:
    mask, level = standing(25, 45), floor()
    inv_depth = level.copy()
    inv_depth[mask] = nearness * level[43, 40]
    assert floor_ratio(inv_depth, level, ~mask, mask, OPTIONS) == pytest.approx(nearness, rel=0.05)


def test_where_no_floor_is_seen_beside_a_thing_nothing_is_said() -> None:
    mask, level = standing(25, 45), floor()
    on_a_table = np.full(mask.shape, 0.9, np.float32)
    nowhere = np.zeros(mask.shape, np.bool_)
    for inv_depth, static, own in (
        (on_a_table, ~mask, mask),
        (level, nowhere, mask),  # among other objects
        (level, ~mask, nowhere),
        (np.zeros(mask.shape, np.float32), ~mask, mask),
    ):
        assert np.isnan(floor_ratio(inv_depth, level, static, own, OPTIONS))


def test_contact_is_the_ground_at_the_lowest_pixels() -> None:
    ids = np.where(standing(20, 40), 3, 0).astype(np.uint16)
    found = contact(floor(), ids, 3, OPTIONS)
    assert found.inv_depth == pytest.approx(floor()[39, 40])
    assert found.beneath == 0
    assert found.share == pytest.approx(400 / 4800)
    assert found.footed
    assert np.isnan(contact(floor(), ids, 4, OPTIONS).inv_depth)


def test_what_is_below_hides_the_contact() -> None:
    ids: U16 = np.where(standing(20, 40), 3, 0).astype(np.uint16)
    ids[40:50, 25:55] = 7
    assert contact(floor(), ids, 3, OPTIONS).beneath == 7
    cut = np.where(standing(20, 60), 3, 0).astype(np.uint16)
    assert not contact(floor(), cut, 3, OPTIONS).footed


def seen(foot: F64, *, beneath: int = 0, footed: bool = True, share: float = 0.05) -> list[Contact]:
    return [Contact(float(f), beneath, share, footed=footed) for f in foot]


def test_on_the_ground_contact_gives_the_scale_and_growth_the_change() -> None:
    true = np.linspace(0.2, 0.4, 20)
    noise = np.random.default_rng(0).normal(1, 0.03, 20)
    found = stand(seen(true * noise), true / true[0], OPTIONS)
    ratio = found.inv_depth / true
    assert ratio.max() / ratio.min() < 1.01
    assert ratio.mean() == pytest.approx(1, rel=0.08)
    assert found.sigma == OPTIONS.grounded_sigma


def test_in_the_air_only_contact_with_the_ground_counts() -> None:
    frames = np.arange(40)
    true = np.full(40, 0.3)
    height = np.abs(np.sin(frames / 4))  # bounces: the ground seen below it is farther away
    found = stand(seen(true * (1 - 0.5 * height)), np.ones(40), OPTIONS)
    np.testing.assert_allclose(found.inv_depth, true, rtol=0.1)


def test_behind_a_post_the_foot_of_the_post_does_not_count() -> None:
    contacts = seen(np.full(20, 0.25))
    contacts[10:11] = seen(np.full(1, 0.5))  # the post's
    np.testing.assert_allclose(stand(contacts, np.ones(20), OPTIONS).inv_depth, 0.25)


@pytest.mark.parametrize(
    ("hidden", "nearer"),
    [
        ({"footed": False}, OPTIONS.footless_nearness),
        ({"beneath": 9}, 1.0),
        ({"share": 0.4}, OPTIONS.looming_nearness),
        ({"share": 0.4, "footed": False}, OPTIONS.looming_footless_nearness),
    ],
)
def test_without_a_foot_in_sight_the_guess_is_unsure(hidden: Any, nearer: float) -> None:
    growth = np.linspace(1, 1.5, 20)
    found = stand(seen(0.25 * growth, **hidden), growth, OPTIONS)
    np.testing.assert_allclose(found.inv_depth, 0.25 * nearer * growth)
    assert found.sigma == OPTIONS.footless_sigma


def test_never_above_known_ground_nothing_is_known() -> None:
    found = stand(seen(np.full(20, np.nan)), np.ones(20), OPTIONS)
    assert np.isnan(found.inv_depth).all()
