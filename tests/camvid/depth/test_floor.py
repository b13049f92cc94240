"""The floor among planes, and objects held against it."""

import numpy as np
import pytest

from camvid.artifacts import F32, Bool
from camvid.depth.floor import find_floor, floor_ratio
from camvid.depth.fusion import Measured
from camvid.depth.planes import Plane
from camvid.depth.views import Views

SHAPE = (60, 80)
# World axes are those of the camera: y points down.
FLOOR = Plane(np.array([0.0, 1.0, 0.0]), 1.5, 0.01)
CEILING = Plane(np.array([0.0, -1.0, 0.0]), 1.0, 0.01)
WALL = Plane(np.array([0.0, 0.0, 1.0]), 6.0, 0.01)
RAMP = Plane(np.array([0.0, 0.8, 0.6]), 3.0, 0.01)


def views() -> Views:
    K = np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]])[None]
    return Views([np.zeros(SHAPE, np.uint8)], K, np.eye(3, 4)[None])


def seen(plane: Plane) -> F32:
    return plane.seen(views(), 0).inv_depth


def measured(inv_depth: F32) -> dict[int, Measured]:
    return {0: Measured(inv_depth, np.full(SHAPE, 0.01, np.float32))}


@pytest.mark.parametrize("sign", [1, -1])
def test_the_floor_is_the_most_level_plane_that_the_lowest_rows_show(sign: int) -> None:
    planes = [Plane(sign * p.normal, sign * p.offset, p.sigma) for p in (WALL, CEILING, FLOOR)]
    assert find_floor(planes, views(), measured(seen(FLOOR))) is planes[2]
    assert find_floor(planes[:2], views(), measured(seen(FLOOR))) is None
    assert find_floor(planes, views(), measured(seen(WALL))) is None
    assert find_floor([RAMP], views(), measured(seen(RAMP))) is RAMP


def test_without_a_camera_there_is_no_floor() -> None:
    lost = views()._replace(cam_from_world=np.full((1, 3, 4), np.nan))
    assert find_floor([FLOOR], lost, measured(seen(FLOOR))) is None


def level() -> F32:
    """Inverse depth of a floor seen from above: the lower in the image the nearer."""
    return np.repeat(np.linspace(0.1, 0.5, 60, dtype=np.float32)[:, None], 80, axis=1)


def standing() -> Bool:
    mask = np.zeros(SHAPE, bool)
    mask[25:45, 30:50] = True
    return mask


@pytest.mark.parametrize("nearness", [0.5, 1.0, 1.8])
def test_how_far_off_the_floor_an_object_was_measured(nearness: float) -> None:
    mask, inv_depth = standing(), level()
    inv_depth[mask] = nearness * level()[43, 40]
    assert floor_ratio(inv_depth, level(), ~mask, mask) == pytest.approx(nearness, rel=0.05)


def test_where_no_floor_is_seen_beside_an_object_nothing_is_said() -> None:
    mask = standing()
    on_a_table = np.full(mask.shape, 0.9, np.float32)
    nowhere = np.zeros(mask.shape, np.bool_)
    for inv_depth, static, own in (
        (on_a_table, ~mask, mask),
        (level(), nowhere, mask),  # among other objects
        (level(), ~mask, nowhere),
        (np.zeros(mask.shape, np.float32), ~mask, mask),
    ):
        assert np.isnan(floor_ratio(inv_depth, level(), static, own))
