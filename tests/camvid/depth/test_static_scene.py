"""The static scene of a clip: movers told from what is still, and frames between keyframes."""

import numpy as np
import pytest

from camvid.artifacts import F32
from camvid.depth import static_scene
from camvid.depth.alignment import SparseDepth
from camvid.depth.fusion import Measured
from camvid.depth.static_scene import solve_static_scene
from camvid.depth.two_view import TwoView
from camvid.depth.views import Views

SHAPE, NUM_FRAMES = (60, 80), 9
K = np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]])
FOOT_ROW = 49


def floor() -> F32:
    """Inverse depth of a floor 1.5 below the camera; 1/20 above its horizon."""
    rows = np.maximum((np.arange(60, dtype=np.float32) + 0.5 - 30) / 120, 1 / 20)
    return np.repeat(rows[:, None], 80, axis=1)


def moving(
    monkeypatch: pytest.MonkeyPatch, *, agreed: float = 0.9, on_floor: float = 1.0
) -> list[int]:
    """Of two objects the second, of which so much is measured, so far off the floor."""
    ids = np.zeros(SHAPE, np.uint16)
    ids[30 : FOOT_ROW + 1, 10:20], ids[30 : FOOT_ROW + 1, 50:60] = 1, 2
    inv_depth = floor()
    inv_depth[ids > 0] = inv_depth[FOOT_ROW, 0]
    inv_depth[ids == 2] *= on_floor
    agreeing = np.full(SHAPE, 2, np.uint8)
    agreeing[(ids == 2) & (np.random.default_rng(0).random(SHAPE) > agreed)] = 1
    pairs = TwoView(Measured(inv_depth, np.full(SHAPE, 0.01, np.float32)), agreeing)
    monkeypatch.setattr(static_scene, "measure", lambda *_: pairs)
    cameras = np.repeat(np.eye(3, 4)[None], NUM_FRAMES, 0)
    views = Views([np.zeros(SHAPE, np.uint8)] * NUM_FRAMES, np.tile(K, (NUM_FRAMES, 1, 1)), cameras)
    scene = solve_static_scene(
        views,
        [np.zeros((*SHAPE, 3), np.uint8)] * NUM_FRAMES,
        [ids] * NUM_FRAMES,
        [1, 2],
        [SparseDepth(np.array([[40.5, 50.5]], np.float32), np.array([5.0]))] * NUM_FRAMES,
        [(0, 1)] * NUM_FRAMES,
    )
    assert len(scene.surfaces) == NUM_FRAMES
    assert all((s.inv_depth > 0).all() for s in scene.surfaces)
    return scene.movers


def test_what_agrees_and_stands_on_the_floor_is_static(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moving(monkeypatch) == []


def test_where_pairs_disagree_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moving(monkeypatch, agreed=0.4) == [2]


@pytest.mark.parametrize(("ratio", "moves"), [(0.8, True), (0.9, False), (1.4, False), (1.7, True)])
def test_off_the_floor_it_moves(monkeypatch: pytest.MonkeyPatch, ratio: float, moves: bool) -> None:
    assert moving(monkeypatch, on_floor=ratio) == ([2] if moves else [])
