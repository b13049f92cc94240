"""Depth of movers from the parallax that the camera's hand shake gives them."""

import numpy as np
import pytest

from camvid.artifacts import F64
from camvid.depth import hand_shake
from camvid.depth.hand_shake import parallax

K = np.tile([[256.0, 0, 160], [0, 256.0, 90], [0, 0, 1]], (48, 1, 1))
FRAMES = np.arange(48)
DEPTH_M = 2.0


def camera(shake_m: float) -> F64:
    """Centres [T, 3]: sideways at an even speed, and shaking every 12 frames."""
    shake = shake_m * np.sin(2 * np.pi * FRAMES / 12)
    return np.stack([0.01 * FRAMES + shake, 0.7 * shake, 0.02 * FRAMES], axis=1, dtype=np.float64)


def seen(centres: F64, own_way_m: float) -> tuple[F64, F64]:
    """(path_px [T, 2], cam_from_world [T, 3, 4]) of a thing that swings slowly to its own beat."""
    own = own_way_m * np.cos(2 * np.pi * FRAMES / 40)
    place = np.stack([own, 0.005 * FRAMES, DEPTH_M + centres[:, 2]], axis=1)
    rays = (place - centres) @ K[0].T
    noise = np.random.default_rng(0).normal(0, 0.05, (len(FRAMES), 2))
    turn = np.tile(np.eye(3), (len(FRAMES), 1, 1))
    return rays[:, :2] / rays[:, 2:] + noise, np.concatenate([turn, -centres[..., None]], axis=2)


@pytest.mark.parametrize("guess_m", [1.6, 2.0, 4.0])
def test_hand_shake_tells_the_depth_whatever_was_guessed(guess_m: float) -> None:
    path_px, cam_from_world = seen(camera(0.02), 0.1)
    told = parallax(path_px, np.full(48, 1 / guess_m), K, cam_from_world)
    assert told is not None
    assert told.factor == pytest.approx(guess_m / DEPTH_M, rel=0.1)
    assert told.sigma < 0.25


def test_a_camera_that_goes_smoothly_tells_nothing() -> None:
    path_px, cam_from_world = seen(camera(0.0), 0.3)
    assert parallax(path_px, np.full(48, 0.5), K, cam_from_world) is None


def test_a_mover_that_shakes_itself_is_told_less_surely_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path_px, cam_from_world = seen(camera(0.02), 0.1)
    shaking = path_px + 4 * np.sin(2 * np.pi * FRAMES / 7)[:, None]
    assert parallax(shaking, np.full(48, 0.5), K, cam_from_world) is None
    monkeypatch.setattr(hand_shake, "_MAX_SIGMA", 10.0)
    quiet, told = (parallax(p, np.full(48, 0.5), K, cam_from_world) for p in (path_px, shaking))
    assert quiet is not None
    assert told is not None
    assert told.sigma > 2 * quiet.sigma


def test_too_few_frames_in_a_row_tell_nothing() -> None:
    path_px, cam_from_world = seen(camera(0.02), 0.1)
    path_px[::10] = np.nan
    assert parallax(path_px, np.full(48, 0.5), K, cam_from_world) is None
