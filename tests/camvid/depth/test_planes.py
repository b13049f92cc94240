"""Planes found from noisy inverse depths of a room."""

import numpy as np
import pytest

from camvid.artifacts import F32, F64
from camvid.depth.fusion import Measured
from camvid.depth.planes import Plane, find_planes
from camvid.depth.views import Views

SHAPE = (90, 160)
K = np.array([[120.0, 0, 80], [0, 120.0, 25], [0, 0, 1]])
FLOOR, WALL = Plane(np.array([0.0, 1, 0]), 1.0, 0.01), Plane(np.array([0.0, 0, 1]), 6.0, 0.01)
NOISE = 0.02


def pose(x: float) -> F64:
    return np.column_stack([np.eye(3), [-x, 0, 0]])


@pytest.fixture(scope="module")
def views() -> Views:
    """Six images of rough walls and a rough floor."""
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


def test_a_plane_is_seen_where_it_is() -> None:
    inv_depth = FLOOR.inv_depth(K, pose(0.3), SHAPE)
    y = np.arange(SHAPE[0]) + 0.5
    np.testing.assert_allclose(inv_depth[:, 7], (y - 25) / 120, atol=1e-6)
    np.testing.assert_allclose(WALL.inv_depth(K, pose(0.3), SHAPE), 1 / 6, atol=1e-6)


def test_floor_and_wall_are_found(views: Views) -> None:
    planes = find_planes(views, measure(views))
    assert len(planes) == 2
    for true in (FLOOR, WALL):
        near = max(planes, key=lambda p: abs(float(p.normal @ true.normal)))
        assert abs(float(near.normal @ true.normal)) > 0.9999
        assert abs(near.offset) == pytest.approx(true.offset, rel=0.01)


def test_spots_measured_badly_do_not_move_them(views: Views) -> None:
    """A third of the image is off by half, and known to be unsure."""
    measured = measure(views)
    for t, (inv_depth, sigma) in measured.items():
        bad, doubt = inv_depth.copy(), sigma.copy()
        bad[:, 100:] *= 1.5
        doubt[:, 100:] = 0.5
        measured[t] = Measured(bad, doubt)
    floor = max(find_planes(views, measured), key=lambda p: abs(float(p.normal @ FLOOR.normal)))
    assert abs(floor.offset) == pytest.approx(FLOOR.offset, rel=0.02)


def test_no_measurements_no_planes(views: Views) -> None:
    assert find_planes(views, {}) == []


def test_a_frame_without_a_camera_sees_no_plane(views: Views) -> None:
    poses = views.cam_from_world.copy()
    poses[2] = np.nan
    assert not FLOOR.seen(views._replace(cam_from_world=poses), 2).inv_depth.any()
    seen = FLOOR.seen(views, 2)
    assert np.isinf(seen.sigma[seen.inv_depth == 0]).all()
