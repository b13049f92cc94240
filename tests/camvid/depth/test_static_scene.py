"""Which of the objects cannot be static."""

import numpy as np
import pytest

from camvid.artifacts import NAN
from camvid.depth.fusion import Measured
from camvid.depth.grounding import GroundOptions
from camvid.depth.static_scene import Seen, find_movers

NOTHING = Measured(np.zeros((2, 2), np.float32), np.full((2, 2), np.inf, np.float32))


def moves(*, agreed: float = 0.9, on_ground: float = NAN, on_floor: float = NAN) -> bool:
    """An object, beside one that is still whatever this one is, in four frames."""
    pixels = np.array([100, 100], np.int32)
    agreeing = np.array([90, round(100 * agreed)], np.int32)
    seen = [Seen(NOTHING, pixels, agreeing, np.array([1.0, on_ground]))] * 4
    found = find_movers(seen, np.array([[1.0, on_floor]] * 4), 2, GroundOptions())
    assert 0 not in found
    return 1 in found


def test_what_agrees_and_stands_on_the_ground_is_static() -> None:
    assert not moves()
    assert not moves(on_ground=1.0, on_floor=1.1)


def test_where_pairs_disagree_it_moves() -> None:
    assert moves(agreed=0.4, on_ground=1.0)


@pytest.mark.parametrize("ratio", [0.8, 1.6])
def test_off_the_ground_or_the_floor_it_moves(ratio: float) -> None:
    assert moves(on_ground=ratio)
    assert moves(on_floor=ratio)


def test_a_floor_may_be_known_less_well() -> None:
    assert not moves(on_floor=0.9)
    assert not moves(on_floor=1.45)


def test_a_ratio_in_one_frame_of_many_says_nothing() -> None:
    seen = [Seen(NOTHING, np.array([100]), np.array([90]), np.array([NAN]))] * 8
    ratios = np.full((8, 1), NAN)
    ratios[3] = 0.5
    assert find_movers(seen, ratios, 1, GroundOptions()) == []
