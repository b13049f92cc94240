"""Planes found from noisy inverse depths of a room, and pixels put onto them."""

import numpy as np
import pytest

from camvid.artifacts import F32, F64
from camvid.depth.fusion import Fused, Measured
from camvid.depth.planes import Plane, PlaneOptions, find_planes, onto_planes
from camvid.depth.views import Views

SHAPE = (90, 160)
K = np.array([[120.0, 0, 80], [0, 120.0, 25], [0, 0, 1]])
FLOOR, WALL = Plane(np.array([0.0, 1, 0]), 1.0, 0.01), Plane(np.array([0.0, 0, 1]), 6.0, 0.01)
NOISE = 0.02
OPTIONS = PlaneOptions()


def pose(x: float) -> F64:
    return np.column_stack([np.eye(3), [-x, 0, 0]])


@pytest.fixture(scope="module")
def views() -> Views:
    """Six pictures of rough walls and a rough floor."""
    rng = np.random.default_rng(0)
    gray = [rng.integers(60, 200, SHAPE).astype(np.uint8) for _ in range(6)]
    return Views(gray, np.broadcast_to(K, (6, 3, 3)), np.stack([pose(0.1 * t) for t in range(6)]))


def room(views: Views, t: int) -> F32:
    """True inverse depth: the nearer of the floor, which lies below, and the wall."""
    seen = [p.inv_depth(views.K[t], views.cam_from_world[t], SHAPE) for p in (FLOOR, WALL)]
    return np.maximum(*seen)


def noisy(inv_depth: F32, seed: int) -> F32:
    noise = np.random.default_rng(seed).normal(0, NOISE, SHAPE)
    return (inv_depth * (1 + noise)).astype(np.float32)


def measure(views: Views) -> dict[int, Measured]:
    sigma = np.full(SHAPE, NOISE, np.float32)
    return {t: Measured(noisy(room(views, t), t), sigma) for t in range(6)}


def fused(inv_depth: F32) -> Fused:
    known = inv_depth > 0
    ones = np.ones(SHAPE, np.float32)
    return Fused(
        inv_depth, 200 * ones, ones, np.where(known, np.float32(NOISE), np.float32(np.inf))
    )


def error(found: F32, true: F32) -> float:
    return float(np.abs(found / true - 1).mean())


def test_a_plane_is_seen_where_it_is() -> None:
    inv_depth = FLOOR.inv_depth(K, pose(0.3), SHAPE)
    y = np.arange(SHAPE[0]) + 0.5
    np.testing.assert_allclose(inv_depth[:, 7], (y - 25) / 120, atol=1e-6)
    np.testing.assert_allclose(WALL.inv_depth(K, pose(0.3), SHAPE), 1 / 6, atol=1e-6)


def test_floor_and_wall_are_found(views: Views) -> None:
    planes = find_planes(views, measure(views), OPTIONS)
    assert len(planes) == 2
    for true in (FLOOR, WALL):
        near = max(planes, key=lambda p: abs(float(p.normal @ true.normal)))
        assert abs(float(near.normal @ true.normal)) > 0.9999
        assert abs(near.offset) == pytest.approx(true.offset, rel=0.01)


def test_pixels_on_planes_lose_their_noise(views: Views) -> None:
    planes = find_planes(views, measure(views), OPTIONS)
    true, before = room(views, 2), fused(noisy(room(views, 2), 9))
    after, on_plane = onto_planes(before, planes, views, 2, OPTIONS)
    assert on_plane.mean() > 0.8
    assert error(after.inv_depth, true) < 0.4 * error(before.inv_depth, true)
    assert (after.sigma[on_plane] < before.sigma[on_plane]).all()


def test_a_box_on_the_floor_stays_a_box(views: Views) -> None:
    planes = find_planes(views, measure(views), OPTIONS)
    inv_depth = noisy(room(views, 2), 9)
    box = np.s_[50:75, 60:90]
    inv_depth[box] *= 1.5
    after, on_plane = onto_planes(fused(inv_depth), planes, views, 2, OPTIONS)
    assert on_plane[box].mean() < 0.1
    np.testing.assert_array_equal(after.inv_depth[~on_plane], inv_depth[~on_plane])


def test_bare_pixels_have_no_say(views: Views) -> None:
    flat = views._replace(gray=[np.full(SHAPE, 128, np.uint8)] * 6)
    assert find_planes(flat, measure(flat), OPTIONS) == []
    before = fused(noisy(room(flat, 2), 9))
    after, on_plane = onto_planes(before, [FLOOR, WALL], flat, 2, OPTIONS)
    assert not on_plane.any()
    np.testing.assert_array_equal(after.inv_depth, before.inv_depth)


def test_no_measurements_no_planes(views: Views) -> None:
    assert find_planes(views, {}, OPTIONS) == []
    nothing = fused(np.zeros(SHAPE, np.float32))
    after, on_plane = onto_planes(nothing, [], views, 0, OPTIONS)
    assert not on_plane.any()
    assert not after.inv_depth.any()
