"""The least-squares problem of one mover, and movers among each other."""

from typing import Any

import numpy as np
import pytest

from camvid.artifacts import F64, U16
from camvid.depth.contact import Contact
from camvid.depth.fusion import Measured
from camvid.depth.hand_shake import Parallax
from camvid.depth.movers import (
    Mover,
    contact_rows,
    growth_rows,
    parallax_row,
    place_movers,
    shared_row,
    solve,
)
from camvid.depth.views import Views

NUM_FRAMES, SHAPE = 20, (60, 80)


def seen(
    foot: F64,
    *,
    sigma: float = 0.01,
    beneath: int = 0,
    foot_in_view: bool = True,
    share: float = 0.05,
) -> list[Contact]:
    return [Contact(float(f), sigma, beneath, share, foot_in_view=foot_in_view) for f in foot]


def solved(contacts: list[Contact], size: F64, spread: float = 0.005) -> Mover:
    log_growth = np.diff(np.log(size))
    rows = growth_rows(log_growth, np.full(len(log_growth), spread))
    return solve([rows, contact_rows(contacts), shared_row(contacts)])


def test_contact_gives_the_scale_and_growth_the_change() -> None:
    true = np.linspace(0.2, 0.4, 20)
    noise = np.random.default_rng(0).normal(1, 0.03, 20)
    found = solved(seen(true * noise), true)
    ratio = found.inv_depth / true
    assert ratio.max() / ratio.min() < 1.03
    assert ratio.mean() == pytest.approx(1, rel=0.05)


def test_in_the_air_only_contact_with_the_ground_counts() -> None:
    frames = np.arange(40)
    true = np.full(40, 0.3)
    height = np.abs(np.sin(frames / 4))  # bounces: the ground seen below it is farther away
    found = solved(seen(true * (1 - 0.5 * height)), np.ones(40))
    np.testing.assert_allclose(found.inv_depth, true, rtol=0.12)


def test_where_growth_is_unsure_contact_decides() -> None:
    """What turns and bends seems to grow: its corners do not agree by how much."""
    true, wrong = np.full(20, 0.3), np.linspace(1, 1.5, 20)
    sure, unsure = (solved(seen(true), wrong, spread) for spread in (0.002, 0.3))
    errors = [np.abs(np.log(m.inv_depth / true)).mean() for m in (unsure, sure)]
    assert errors[0] < 0.1
    assert errors[0] < 0.6 * errors[1]


@pytest.mark.parametrize(
    "hidden", [{"foot_in_view": False}, {"beneath": 9}, {"share": 0.4}, {"sigma": 0.3}]
)
def test_the_less_is_seen_the_larger_the_posterior_error(hidden: dict[str, Any]) -> None:
    foot = np.full(20, 0.25)
    told, guessed = solved(seen(foot), np.ones(20)), solved(seen(foot, **hidden), np.ones(20))
    assert guessed.sigma.mean() > 1.3 * told.sigma.mean()
    assert guessed.inv_depth.mean() >= 0.99 * told.inv_depth.mean()


def test_away_from_all_contacts_the_error_grows() -> None:
    foot = np.full(40, 0.25)
    foot[20:] = np.nan
    sigma = solved(seen(foot), np.ones(40), spread=0.1).sigma
    assert (np.diff(sigma[22:]) > 0).all()
    assert sigma[-1] > 1.2 * sigma[5]


def test_parallax_and_contact_are_weighed_by_their_errors() -> None:
    contacts, size = seen(np.full(20, 0.25)), np.ones(20)
    alone = solved(contacts, size)
    rows = [growth_rows(np.zeros(19), np.zeros(19)), contact_rows(contacts), shared_row(contacts)]
    sure, unsure = (
        solve([*rows, parallax_row(Parallax(1.5, sigma), alone)]) for sigma in (0.01, 1.0)
    )
    assert sure.inv_depth.mean() == pytest.approx(0.375, rel=0.05)
    assert unsure.inv_depth.mean() == pytest.approx(alone.inv_depth.mean(), rel=0.03)
    assert sure.sigma.mean() < alone.sigma.mean()


def test_never_above_known_ground_nothing_is_known() -> None:
    found = solved(seen(np.full(20, np.nan)), np.ones(20))
    assert np.isnan(found.inv_depth).all()
    assert np.isinf(found.sigma).all()


def legs_and_trunk(leg_rows: slice) -> list[U16]:
    ids = np.zeros(SHAPE, np.uint16)
    ids[10:30, 30:40] = 2
    ids[leg_rows, 32:38] = 1
    return [ids] * NUM_FRAMES


def placed(object_ids: list[U16]) -> dict[int, float]:
    floor = np.repeat(np.linspace(0.1, 0.5, 60, dtype=np.float32)[:, None], 80, axis=1)
    surfaces = [Measured(floor, np.full_like(floor, 0.01))] * NUM_FRAMES
    cameras = np.repeat(np.eye(3, 4)[None], NUM_FRAMES, 0)
    K = np.tile(np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]]), (NUM_FRAMES, 1, 1))
    views = Views([np.zeros(SHAPE, np.uint8)] * NUM_FRAMES, K, cameras)
    found = place_movers([1, 2], object_ids, surfaces, views)
    return {label: float(mover.inv_depth[5]) for label, mover in found.items()}


def test_a_part_that_never_touches_the_ground_is_where_the_part_below_it_is() -> None:
    found = placed(legs_and_trunk(slice(30, 50)))
    assert found[1] == found[2]
    assert found[1] > 0.4  # the floor at row 49


def test_apart_each_stands_for_itself() -> None:
    found = placed(legs_and_trunk(slice(40, 50)))
    assert found[2] < 0.33 < found[1]


def test_two_that_are_seen_on_each_other_stay_where_they_are() -> None:
    """Each is cut off by the image's lower edge while the other one is seen above it."""
    ids = np.zeros((2, *SHAPE), np.uint16)
    ids[0, 20:40, 30:40], ids[0, 40:60, 30:40] = 1, 2
    ids[1, 30:50, 30:40], ids[1, 50:60, 30:40] = 2, 1
    found = placed([ids[2 * t // NUM_FRAMES] for t in range(NUM_FRAMES)])
    # In the first half 1 is seen higher up, so farther away, than 2.
    assert found[1] < found[2]
