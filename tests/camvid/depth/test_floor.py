"""The floor among planes, and the ground that things stand on."""

import numpy as np
import pytest

from camvid.artifacts import F32, F64, U8
from camvid.depth.floor import FloorOptions, find_floor, ground, low_share, most_level
from camvid.depth.fusion import Measured
from camvid.depth.planes import Plane, PlaneOptions
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


def views(cam_from_world: F64 | None = None, gray: U8 | None = None) -> Views:
    K = np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]])[None]
    pose = np.eye(3, 4) if cam_from_world is None else cam_from_world
    return Views([np.zeros(SHAPE, np.uint8) if gray is None else gray], K, pose[None])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_floor_is_the_most_level_plane(sign: int) -> None:
    planes = [Plane(sign * p.normal, sign * p.offset, p.sigma) for p in (WALL, RAMP, FLOOR)]
    assert most_level(planes, views(), OPTIONS) is planes[2]
    assert most_level(planes[:2], views(), OPTIONS) is planes[1]
    assert most_level(planes[:1], views(), OPTIONS) is None


def test_without_a_camera_there_is_no_floor() -> None:
    unknown = views(np.full((3, 4), np.nan))
    assert most_level([FLOOR], unknown, OPTIONS) is None


def test_a_floor_is_what_the_lowest_rows_show() -> None:
    """So neither a ceiling nor a table in the middle is one."""
    inv_depth = floor_depth()
    sigma = np.full(SHAPE, 0.01, np.float32)
    share = {
        name: low_share(plane, views(), {0: Measured(inv_depth, sigma)}, OPTIONS)
        for name, plane in {"floor": FLOOR, "ceiling": CEILING, "wall": WALL}.items()
    }
    assert share["floor"] == pytest.approx(1)
    assert share["ceiling"] == 0
    assert share["wall"] < 0.5  # the floor runs through it
    hidden = inv_depth.copy()
    hidden[48:, :40] = 0.9  # half of these rows show something else
    assert low_share(FLOOR, views(), {0: Measured(hidden, sigma)}, OPTIONS) == pytest.approx(0.5)


def floor_depth() -> F32:
    seen = views()
    return FLOOR.inv_depth(seen.K[0], seen.cam_from_world[0], SHAPE)


@pytest.mark.parametrize("bare", [False, True])
def test_a_bare_floor_is_found_too(bare: bool) -> None:
    """From measurements that err by 4 %, as those of bare floors do."""
    rng = np.random.default_rng(0)
    texture = np.full(SHAPE, 90, np.uint8) if bare else rng.integers(0, 255, SHAPE, np.uint8)
    inv_depth = floor_depth() * rng.normal(1, 0.02 if bare else 0.003, SHAPE).astype(np.float32)
    inv_depth[inv_depth < 0.02] = 0
    sigma = np.full(SHAPE, 0.1 if bare else 0.01, np.float32)
    measured = {0: Measured(inv_depth, sigma)}
    planes = PlaneOptions(sample_px=2)
    found = find_floor(views(gray=texture), measured, planes, OPTIONS)
    assert found is not None
    assert abs(found.normal[1]) > 0.99
    assert abs(found.offset) == pytest.approx(CAMERA_HEIGHT_M, rel=0.03)
    walls = {0: Measured(np.where(inv_depth > 0, 1 / np.float32(6), 0).astype(np.float32), sigma)}
    assert find_floor(views(gray=texture), walls, planes, OPTIONS) is None


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
        (0.8, 0.01, 0.8),  # a pit
        (0.8, 0.1, 1.0),
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
