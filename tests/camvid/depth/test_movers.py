"""Movers among each other: who stands on whom."""

import numpy as np

from camvid.artifacts import U16
from camvid.depth.movers import MoverOptions, place_movers
from camvid.depth.static_scene import Layer
from camvid.depth.views import Views

NUM_FRAMES, SHAPE = 20, (60, 80)


def legs_and_trunk(leg_rows: slice) -> list[U16]:
    ids = np.zeros(SHAPE, np.uint16)
    ids[10:30, 30:40] = 2
    ids[leg_rows, 32:38] = 1
    return [ids] * NUM_FRAMES


def placed(object_ids: list[U16]) -> dict[int, float]:
    floor = np.repeat(np.linspace(0.1, 0.5, 60, dtype=np.float32)[:, None], 80, axis=1)
    layers = [Layer(floor, np.zeros_like(floor))] * NUM_FRAMES
    cameras = np.repeat(np.eye(3, 4)[None], NUM_FRAMES, 0)
    K = np.tile(np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]]), (NUM_FRAMES, 1, 1))
    views = Views([np.zeros(SHAPE, np.uint8)] * NUM_FRAMES, K, cameras)
    found = place_movers([1, 2], object_ids, layers, None, views, MoverOptions())
    return {label: float(mover.inv_depth[5]) for label, mover in found.items()}


def test_a_part_that_never_touches_the_ground_is_where_the_part_below_it_is() -> None:
    found = placed(legs_and_trunk(slice(30, 50)))
    assert found[1] == found[2]
    assert found[1] > 0.4  # the floor at row 49


def test_apart_each_stands_for_itself() -> None:
    found = placed(legs_and_trunk(slice(40, 50)))
    assert found[2] < 0.32 < found[1]
