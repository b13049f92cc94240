"""The floor among planes, and the ground that things stand on."""

import numpy as np
import pytest

from camvid.artifacts import F32, F64
from camvid.depth.floor import FloorOptions, find_floor, ground
from camvid.depth.planes import Plane
from camvid.depth.static_scene import Layer
from camvid.depth.views import Views

OPTIONS = FloorOptions()
SHAPE = (60, 80)
CAMERA_HEIGHT_M = 1.5
# World axes are those of the camera: y points down.
FLOOR = Plane(np.array([0.0, 1.0, 0.0]), CAMERA_HEIGHT_M, 0.005)
CEILING = Plane(np.array([0.0, -1.0, 0.0]), 1.0, 0.005)
WALL = Plane(np.array([0.0, 0.0, 1.0]), 6.0, 0.005)
RAMP = Plane(np.array([0.0, 0.8, 0.6]), 3.0, 0.005)


def views(cam_from_world: F64 | None = None) -> Views:
    K = np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]])[None]
    pose = np.eye(3, 4) if cam_from_world is None else cam_from_world
    return Views([np.zeros(SHAPE, np.uint8)], K, pose[None])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_floor_is_the_most_level_plane_below(sign: int) -> None:
    planes = [
        Plane(sign * p.normal, sign * p.offset, p.sigma) for p in (WALL, CEILING, RAMP, FLOOR)
    ]
    assert find_floor(planes, views(), OPTIONS) is planes[3]
    assert find_floor(planes[:3], views(), OPTIONS) is planes[2]
    assert find_floor(planes[:2], views(), OPTIONS) is None


def test_without_a_camera_there_is_no_floor() -> None:
    unknown = views(np.full((3, 4), np.nan))
    assert find_floor([FLOOR], unknown, OPTIONS) is None


def floor_depth() -> F32:
    seen = views()
    return FLOOR.inv_depth(seen.K[0], seen.cam_from_world[0], SHAPE)


def ground_with(nearer: float, sigma: float) -> float:
    """The ground at a spot that was measured so much nearer than the floor, over the floor's."""
    inv_depth, sigmas = floor_depth().copy(), np.full(SHAPE, 0.005, np.float32)
    spot = np.s_[45:50, 30:40]
    inv_depth[spot] *= nearer
    sigmas[spot] = sigma
    found = ground(Layer(inv_depth, sigmas), FLOOR, views(), 0, OPTIONS)
    off = np.ones(SHAPE, bool)
    off[spot] = False
    np.testing.assert_allclose(found[off], inv_depth[off])
    return float((found / floor_depth())[spot].mean())


@pytest.mark.parametrize(
    ("nearer", "sigma", "expected"),
    [
        (1.8, 0.1, 1.0),  # a shadow
        (1.8, 0.01, 1.8),  # a table
        (4.0, 0.1, 4.0),  # a wall on which little is seen
        (0.8, 0.01, 1.0),  # nothing is seen through a floor
    ],
)
def test_what_lies_over_the_floor_is_believed_where_it_was_measured_well(
    nearer: float, sigma: float, expected: float
) -> None:
    assert ground_with(nearer, sigma) == pytest.approx(expected)


def test_above_the_horizon_and_without_a_floor_the_ground_is_what_was_measured() -> None:
    layer = Layer(np.full(SHAPE, 0.2, np.float32), np.full(SHAPE, 0.1, np.float32))
    np.testing.assert_array_equal(ground(layer, None, views(), 0, OPTIONS), layer.inv_depth)
    found = ground(layer, FLOOR, views(), 0, OPTIONS)
    np.testing.assert_array_equal(found[:30], layer.inv_depth[:30])
