"""The camera's kind, from tracks of scenes whose camera is known."""

import numpy as np
import pytest

from camvid.sfm.camera_motion import MAX_FIXED_FLOW_PX, classify_camera

T = np.linspace(0, 1, 24)
STILL = np.zeros((24, 3))


def kind(scene):
    return classify_camera(scene.tracks, (640, 360))


def test_a_fixed_camera_is_fixed_whatever_a_few_movers_do(scene_of):
    motion = kind(scene_of(STILL, 0 * T, moving_fraction=0.3))
    assert motion.camera == "fixed"
    assert motion.flow_px < MAX_FIXED_FLOW_PX


@pytest.mark.parametrize("moving_fraction", [0.0, 0.25])
def test_a_pan_is_rotating_whatever_a_few_movers_do(scene_of, moving_fraction):
    motion = kind(scene_of(STILL, 25 * T, moving_fraction=moving_fraction))
    assert motion.camera == "rotating"
    assert motion.flow_px > 50
    assert motion.residual_px < motion.limit_px
    assert motion.rotating.K[0, 0] == pytest.approx(500, rel=0.01)


def test_a_growing_focal_length_is_zooming(scene_of):
    assert kind(scene_of(STILL, 5 * T, focal_px=500 + 100 * T)).camera == "zooming"


def test_cameras_with_a_path_are_moving(scene_of, walk):
    assert kind(walk).camera == "moving"
    forward = scene_of(np.stack([0 * T, 0 * T, 2 * T], axis=1), 0 * T)
    assert kind(forward).camera == "moving"


def test_a_clip_that_pans_and_then_walks_is_moving(scene_of):
    position = np.stack([np.maximum(T - 0.5, 0) * 4, 0 * T, 0 * T], axis=1)
    assert kind(scene_of(position, np.minimum(T, 0.5) * 20)).camera == "moving"


def test_too_few_tracks_say_nothing(scene_of):
    assert kind(scene_of(STILL, 25 * T, num_points=20)).camera == "unknown"


@pytest.mark.parametrize(
    ("travel", "camera"), [(0.0, "rotating"), (0.01, "rotating"), (0.2, "moving")]
)
def test_between_pan_and_walk_parallax_against_noise_decides(scene_of, travel, camera):
    """Points are 4 to 10 away: 0.01 shifts them by 0.5 px of parallax, 0.2 by ten."""
    position = np.stack([travel * T, 0 * T, 0 * T], axis=1)
    scene = scene_of(position, 20 * (T - 0.5), num_points=1200, lifetime=16)
    assert kind(scene).camera == camera


def test_the_same_parallax_in_more_noise_is_no_walk(scene_of):
    position = np.stack([0.02 * T, 0 * T, 0 * T], axis=1)
    scene = scene_of(position, 20 * (T - 0.5), num_points=1200, noise_px=0.5)
    assert kind(scene).camera == "rotating"


@pytest.mark.parametrize("moving_fraction", [0.0, 0.25])
def test_a_zoom_is_a_zoom_whatever_a_few_movers_do(scene_of, moving_fraction):
    scene = scene_of(STILL, 2 * T, focal_px=500 + 150 * T, moving_fraction=moving_fraction)
    motion = kind(scene)
    assert motion.camera == "zooming"
    assert motion.rotating.zoom[-1] == pytest.approx(1.3, rel=0.005)


@pytest.mark.parametrize("travel", [0.5, 1.0, 3.0])
def test_a_walk_straight_ahead_is_no_zoom(scene_of, travel):
    assert kind(scene_of(np.stack([0 * T, 0 * T, travel * T], axis=1), 0 * T)).camera == "moving"


def test_of_a_walk_that_is_nearly_a_pan_the_pan_is_known_too(scene_of, walk):
    position = np.stack([0.1 * T, 0 * T, 0 * T], axis=1)
    nearly = kind(scene_of(position, 25 * (T - 0.5), num_points=1200, lifetime=16))
    assert nearly.camera == "moving"
    assert nearly.residual_flow_fraction < 0.02
    assert nearly.rotating.K[0, 0] == pytest.approx(500, rel=0.05)
    assert kind(walk).residual_flow_fraction > 0.05
