"""The static surface of one frame: what measurements, planes and image edges make of it."""

from typing import Any

import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.depth.energy import static_surface
from camvid.depth.fusion import Measured

SHAPE = (90, 160)
NOWHERE = np.zeros(SHAPE, bool)
NOISE = 0.03
BOX = np.s_[20:70, 40:90]


def grey() -> U8:
    return np.full((*SHAPE, 3), 128, np.uint8)


def with_box() -> U8:
    """A red box on a green, speckled wall."""
    noise = np.random.default_rng(0).integers(0, 12, (*SHAPE, 1))
    rgb = np.full((*SHAPE, 3), (60, 160, 60)) + noise
    rgb[BOX] = (190, 50, 40)
    return rgb.astype(np.uint8)


def floor() -> F32:
    """A plane seen at a slant: inverse depth is linear in the pixels."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (0.2 + 0.004 * y + 0.0005 * x).astype(np.float32)


def measured(inv_depth: F32, known: Bool | None = None, noise: float = NOISE) -> Measured:
    rng = np.random.default_rng(1)
    noisy = inv_depth * (1 + noise * rng.normal(size=SHAPE))
    found = Measured(noisy.astype(np.float32), np.full(SHAPE, max(noise, 0.005), np.float32))
    return found if known is None else found.where(known)


def error(found: Measured, true: F32, where: Any = np.s_[:]) -> float:
    return float(np.abs(found.inv_depth / true - 1)[where].mean())


def test_noise_is_smoothed_away() -> None:
    data = measured(floor())
    assert error(static_surface(data, [], grey(), NOWHERE), floor()) < 0.4 * error(data, floor())


def test_a_plane_goes_on_where_nothing_was_measured_with_more_doubt() -> None:
    known = np.ones(SHAPE, bool)
    known[-32:], known[25:45, 60:90] = False, False
    found = static_surface(measured(floor(), known, noise=0.005), [], grey(), NOWHERE)
    end = 0.06 * floor()[-32:].mean()
    assert np.abs(found.inv_depth - floor())[25:45, 60:90].max() < end
    assert error(found, floor(), np.s_[-16:]) < 0.15  # a constant would be 21 % off
    assert found.sigma[-8:].mean() > 2 * found.sigma[5:25].mean()


def test_a_candidate_surface_explains_what_flow_cannot_see() -> None:
    """Half of the floor is bare; the plane is known from elsewhere."""
    known = np.zeros(SHAPE, bool)
    known[:, :110] = True
    rng = np.random.default_rng(2)
    speckled = np.repeat(rng.integers(100, 110, (*SHAPE, 1)), 3, axis=2).astype(np.uint8)
    plane = Measured(floor(), np.full(SHAPE, 0.01, np.float32))
    data = measured(floor(), known, noise=0.02)
    alone, told = (static_surface(data, planes, speckled, NOWHERE) for planes in ([], [plane]))
    assert error(told, floor()) < 0.5 * error(alone, floor())
    assert told.sigma[:, :100].mean() < alone.sigma[:, :100].mean()


def test_what_lies_off_a_candidate_stays_off_it() -> None:
    true = floor()
    true[BOX] *= 1.5
    plane = Measured(floor(), np.full(SHAPE, 0.01, np.float32))
    found = static_surface(measured(true, noise=0.02), [plane], with_box(), NOWHERE)
    inner = np.s_[26:64, 46:84]
    assert error(found, true, inner) < 0.02


def test_edges_go_where_those_of_the_image_are() -> None:
    """Flow carries a near thing's surroundings along: its depth ends some pixels too late."""
    true = np.full(SHAPE, 0.2, np.float32)
    true[BOX] = 0.4
    late = np.full(SHAPE, 0.2, np.float32)
    late[17:73, 37:93] = 0.4
    found = static_surface(measured(late, noise=0), [], with_box(), NOWHERE).inv_depth
    assert (np.abs(found - true) > 0.05).sum() < 0.7 * (late != true).sum()


def test_on_objects_depth_keeps_to_the_flow() -> None:
    late = np.full(SHAPE, 0.2, np.float32)
    late[17:73, 37:93] = 0.4
    objects = late > 0.3
    found = static_surface(measured(late, noise=0), [], with_box(), objects).inv_depth
    assert (np.abs(found - late)[objects] > 0.05).mean() < 0.05


def test_steps_are_less_sure() -> None:
    true = np.full(SHAPE, 0.2, np.float32)
    true[BOX] = 0.4
    found = static_surface(measured(true, noise=0), [], with_box(), NOWHERE)
    assert found.sigma[45, 38:42].mean() > 3 * found.sigma[45, 60:70].mean()


def test_thin_things_stay_and_are_less_sure() -> None:
    true, rgb = np.full(SHAPE, 0.2, np.float32), grey()
    bar = np.s_[40:48, 20:140]
    true[bar], rgb[bar] = 0.5, (200, 30, 30)
    found = static_surface(measured(true, noise=0), [], rgb, NOWHERE)
    assert np.median(np.abs(found.inv_depth[bar] / 0.5 - 1)) < 0.1
    assert found.sigma[bar].mean() > 3 * found.sigma[10:30].mean()


def test_it_stays_near_the_range_of_what_was_measured() -> None:
    known = np.zeros(SHAPE, bool)
    known[40:50] = True  # a strip of a floor so steep that it would go on beyond infinity
    steep = (0.02 * np.arange(SHAPE[0], dtype=np.float32))[:, None] * np.ones(SHAPE, np.float32)
    found = static_surface(measured(steep + np.float32(1e-3), known, noise=0), [], grey(), NOWHERE)
    assert found.inv_depth.min() > 0.4
    assert found.inv_depth.max() < 2


def test_nothing_measured_stays_nothing() -> None:
    nothing = measured(floor(), np.zeros(SHAPE, bool))
    assert not static_surface(nothing, [], grey(), NOWHERE).inv_depth.any()
