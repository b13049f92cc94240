"""Cameras that turn in place: rotations, focal length and zoom from tracks of known scenes."""

import numpy as np
import pytest

from camvid.artifacts import PointTracks, ReconstructionQuality
from camvid.geometry import rotation_angle_deg
from camvid.outcome import Reason
from camvid.sfm import rotating_camera
from camvid.sfm.camera_motion import classify_camera
from camvid.sfm.in_place import reconstruct_in_place
from camvid.sfm.rotating_camera import solve_rotating_camera

WIDTH, HEIGHT, FOCAL = 640, 360, 500.0
T = np.linspace(0, 1, 32)
STILL = np.zeros((32, 3))


def solved(scene, *, first_guess_px=600.0, zooms=False):
    return solve_rotating_camera(
        scene.tracks, (WIDTH, HEIGHT), focal_px=first_guess_px, zooms=zooms
    )


def rotation_error_deg(found, scene):
    """RMSE over the solved frames, each relative to the first of them."""
    known = np.flatnonzero(found.solved)
    truth = scene.cameras.cam_from_world[known, :, :3]
    relative = truth @ truth[0].T
    off = rotation_angle_deg(found.rotation[known] @ np.swapaxes(relative, 1, 2))
    return float(np.sqrt((off**2).mean()))


@pytest.mark.parametrize("moving_fraction", [0.0, 0.3])
@pytest.mark.parametrize("turn_deg", [2.0, 25.0, 70.0])
def test_rotations_and_focal_length_of_a_pan(scene_of, turn_deg, moving_fraction):
    scene = scene_of(
        STILL, turn_deg * (T - 0.5), num_points=1200, lifetime=16, moving_fraction=moving_fraction
    )
    found = solved(scene)
    assert found.solved.mean() > 0.9
    assert rotation_error_deg(found, scene) < 0.03
    assert found.K[0, 0] == pytest.approx(FOCAL, rel=max(0.005, 3 * found.focal_uncertainty))
    assert found.focal_uncertainty < 0.05
    assert (found.zoom == 1).all()


def test_a_zoom_is_a_focal_length_per_frame(scene_of):
    focal_px = FOCAL * np.exp(0.3 * T)
    scene = scene_of(STILL, 10 * (T - 0.5), num_points=1200, focal_px=focal_px)
    found = solved(scene, zooms=True)
    assert found.solved.all()
    assert found.K[0, 0] == pytest.approx(focal_px[0], rel=0.01)
    np.testing.assert_allclose(found.zoom, focal_px / focal_px[0], rtol=0.002)
    assert rotation_error_deg(found, scene) < 0.03


def test_no_step_is_longer_than_allowed(scene_of, monkeypatch):
    """Where no camera fits, steps would grow until numbers overflow."""
    scene = scene_of(STILL, 25 * (T - 0.5), num_points=1200, lifetime=16)
    monkeypatch.setattr(rotating_camera, "_MAX_STEP", 1e-4)
    found = solve_rotating_camera(scene.tracks, (WIDTH, HEIGHT), focal_px=600.0, zooms=False)
    assert found.K[0, 0] != pytest.approx(600, rel=1e-5)
    assert found.K[0, 0] == pytest.approx(600, rel=1.01e-4 * rotating_camera._MAX_ITERATIONS)


def test_a_turn_too_small_for_the_focal_length_says_so(scene_of):
    scene = scene_of(STILL, 0.2 * T, num_points=1200)
    found = solved(scene)
    assert found.focal_uncertainty > 0.05
    assert rotation_error_deg(found, scene) < 0.03


def test_the_same_tracks_give_the_same_bits(scene_of):
    scene = scene_of(STILL, 10 * T)
    first, second = solved(scene), solved(scene)
    np.testing.assert_array_equal(first.rotation, second.rotation)
    assert first.focal_uncertainty == second.focal_uncertainty


def test_frames_without_tracks_stay_unsolved(scene_of):
    scene = scene_of(STILL, 10 * T)
    visible = scene.tracks.visible.copy()
    visible[10:14] = False
    tracks = PointTracks(
        xy_px=scene.tracks.xy_px,
        visible=visible,
        object_id=scene.tracks.object_id,
        query_frame=scene.tracks.query_frame,
    )
    found = solve_rotating_camera(tracks, (WIDTH, HEIGHT), focal_px=600, zooms=False)
    assert np.flatnonzero(~found.solved).tolist() == [10, 11, 12, 13]
    assert np.isnan(found.rotation[10:14]).all()


def test_no_tracks_give_no_camera(scene_of):
    assert solved(scene_of(STILL, 10 * T, num_points=8)) is None


@pytest.mark.parametrize(
    ("turn_deg", "zoom", "camera"),
    [(0.0, 0.0, "fixed"), (20.0, 0.0, "rotating"), (5.0, 0.2, "zooming")],
)
def test_what_is_known_of_a_camera_in_place(scene_of, turn_deg, zoom, camera):
    scene = scene_of(STILL, turn_deg * T, focal_px=FOCAL * (1 + zoom * T), num_points=800)
    motion = classify_camera(scene.tracks, (WIDTH, HEIGHT))
    assert motion.camera == camera
    found = reconstruct_in_place(
        motion, 32, quality=ReconstructionQuality(), reasons=(Reason(f"camera_{camera}"),)
    )
    assert found.camera == camera
    assert found.registered.all()
    assert not found.has_trajectory
    assert (found.cam_from_world[:, :, 3] == 0).all()
    assert np.isfinite(found.K).all() == (camera != "fixed")
    assert (found.zoom == 1).all() == (camera != "zooming")
