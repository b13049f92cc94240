"""The camera's kind, from tracks of scenes whose camera is known."""

import numpy as np
import pytest

from camvid.sfm.camera_motion import CameraMotionOptions, classify_camera

OPTIONS = CameraMotionOptions()
T = np.linspace(0, 1, 24)
STILL = np.zeros((24, 3))


def kind(scene, options=OPTIONS):
    return classify_camera(scene.tracks, 640, 360, options)


def test_a_fixed_camera_is_fixed_whatever_a_few_movers_do(scene_of):
    motion = kind(scene_of(STILL, 0 * T, moving_fraction=0.3))
    assert motion.camera == "fixed"
    assert motion.flow_px < OPTIONS.max_fixed_flow_px


@pytest.mark.parametrize("moving_fraction", [0.0, 0.25])
def test_a_pan_is_rotating_whatever_a_few_movers_do(scene_of, moving_fraction):
    motion = kind(scene_of(STILL, 25 * T, moving_fraction=moving_fraction))
    assert motion.camera == "rotating"
    assert motion.flow_px > 50
    assert motion.residual_px < motion.limit_px
    assert motion.focal_px == pytest.approx(500, rel=0.1)


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
