"""The static scene of a clip: what moves is left out, and frames between keyframes are filled."""

import numpy as np
import pytest

from camvid.artifacts import F32, F64
from camvid.depth import static_scene
from camvid.depth.alignment import SparseDepth
from camvid.depth.fusion import Measured
from camvid.depth.static_scene import solve_static_scene
from camvid.depth.two_view import agreed
from camvid.depth.views import Views

SHAPE, NUM_FRAMES = (60, 80), 9
K = np.array([[80.0, 0, 40], [0, 80.0, 30], [0, 0, 1]])
FOOT_ROW = 49


def floor() -> F32:
    """Inverse depth of a floor 1.5 below the camera; 1/20 above its horizon."""
    rows = np.maximum((np.arange(60, dtype=np.float32) + 0.5 - 30) / 120, 1 / 20)
    return np.repeat(rows[:, None], 80, axis=1)


def solved(monkeypatch: pytest.MonkeyPatch, moving: tuple[int, ...]) -> list[F64]:
    """[h, w] surfaces over which two objects were measured, each twice as near as the floor."""
    ids = np.zeros(SHAPE, np.uint16)
    ids[30 : FOOT_ROW + 1, 10:20], ids[30 : FOOT_ROW + 1, 50:60] = 1, 2
    inv_depth = np.where(ids > 0, 2 * floor()[FOOT_ROW, 0], floor()).astype(np.float32)
    pair = Measured(inv_depth, np.full(SHAPE, 0.01, np.float32))
    monkeypatch.setattr(static_scene, "measure", lambda *_: agreed([pair, pair]))
    cameras = np.repeat(np.eye(3, 4)[None], NUM_FRAMES, 0)
    views = Views([np.zeros(SHAPE, np.uint8)] * NUM_FRAMES, np.tile(K, (NUM_FRAMES, 1, 1)), cameras)
    surfaces = solve_static_scene(
        views,
        [np.repeat((80 * ids).astype(np.uint8)[..., None], 3, 2)] * NUM_FRAMES,
        [ids] * NUM_FRAMES,
        moving,
        [SparseDepth(np.array([[40.5, 50.5]], np.float32), np.array([5.0]))] * NUM_FRAMES,
        [(0, 1)] * NUM_FRAMES,
    )
    assert all((s.inv_depth > 0).all() for s in surfaces)
    return [s.inv_depth.astype(np.float64) for s in surfaces]


def nearness(surface: F64, columns: slice) -> float:
    """Of an object's upper part, over what was measured there."""
    return float(np.median(surface[34:44, columns]) / (2 * floor()[FOOT_ROW, 0]))


def test_what_stands_still_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    surfaces = solved(monkeypatch, ())
    assert len(surfaces) == NUM_FRAMES
    for surface in surfaces:
        assert nearness(surface, slice(12, 18)) == pytest.approx(1, abs=0.05)
        assert nearness(surface, slice(52, 58)) == pytest.approx(1, abs=0.05)


def test_behind_what_moves_lies_the_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    for surface in solved(monkeypatch, (2,)):
        assert nearness(surface, slice(12, 18)) == pytest.approx(1, abs=0.05)
        assert nearness(surface, slice(52, 58)) < 0.6
