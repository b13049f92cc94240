"""What one frame shows of where a mover stands."""

import numpy as np
import pytest

from camvid.artifacts import U16
from camvid.depth.contact import contact
from camvid.depth.fusion import Measured


def ground() -> Measured:
    """A floor seen from above: the lower in the image the nearer, and the less sure."""
    rows = np.repeat(np.linspace(0.1, 0.5, 60, dtype=np.float32)[:, None], 80, axis=1)
    return Measured(rows, rows * np.float32(0.1))


def ids(top: int, bottom: int) -> U16:
    object_id = np.zeros((60, 80), np.uint16)
    object_id[top:bottom, 30:50] = 3
    return object_id


def test_it_stands_on_the_ground_at_its_lowest_pixels() -> None:
    found = contact(ground(), ids(20, 40), 3)
    assert found.foot_in_view
    assert found.beneath == 0
    assert found.inv_depth == pytest.approx(0.1 + 0.4 * 39 / 59, rel=0.03)
    assert found.sigma == pytest.approx(found.inv_depth / 10)
    assert found.share == pytest.approx(20 * 20 / 4800)


def test_what_covers_its_foot_is_told() -> None:
    object_id = ids(20, 40)
    object_id[40:50, 25:55] = 7
    assert contact(ground(), object_id, 3).beneath == 7
    assert not contact(ground(), ids(20, 60), 3).foot_in_view  # cut off by the image


def test_where_it_is_not_seen_nothing_is_known() -> None:
    assert np.isnan(contact(ground(), ids(20, 40), 4).inv_depth)
    nothing = Measured(np.zeros((60, 80), np.float32), np.full((60, 80), np.inf, np.float32))
    assert np.isnan(contact(nothing, ids(20, 40), 3).inv_depth)
