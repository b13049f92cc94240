"""Trajectory errors against cases worked out by hand."""

import numpy as np
import pytest

from camvid.evaluation.trajectory import trajectory_error
from camvid.geometry import align_sim3, invert_rigid


def rotation_about_z(angle_deg: float) -> np.ndarray:
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def path(num: int = 12) -> np.ndarray:
    """cam_from_world of a camera on a curved path that turns as it goes."""
    t = np.linspace(0, 1, num)
    center = np.stack([3 * t, t**2, 0.3 * np.sin(5 * t)], axis=1)
    rotation = np.stack([rotation_about_z(20 * x) for x in t])
    return invert_rigid(np.concatenate([rotation, center[:, :, None]], axis=2))


def moved_by_similarity(cam_from_world: np.ndarray, scale: float) -> np.ndarray:
    """The same cameras in a world that is turned, shifted and scaled."""
    world_from_cam = invert_rigid(cam_from_world)
    turn = rotation_about_z(70)
    rotation = turn @ world_from_cam[:, :, :3]
    center = scale * world_from_cam[:, :, 3] @ turn.T + [4, -2, 9]
    return invert_rigid(np.concatenate([rotation, center[:, :, None]], axis=2))


def test_alignment_recovers_a_similarity() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(20, 3))
    target = 2.5 * source @ rotation_about_z(33).T + [1, 2, 3]
    scale, rotation, translation = align_sim3(source, target)
    assert scale == pytest.approx(2.5)
    np.testing.assert_allclose(rotation, rotation_about_z(33), atol=1e-12)
    np.testing.assert_allclose(translation, [1, 2, 3], atol=1e-12)


def test_a_similarity_is_no_error() -> None:
    truth = path()
    error = trajectory_error(moved_by_similarity(truth, 0.2), np.ones(12, bool), truth)
    assert error.ate_rmse == pytest.approx(0, abs=1e-12)
    assert error.rpe_translation == pytest.approx(0, abs=1e-12)
    assert error.rpe_rotation_deg == pytest.approx(0, abs=1e-5)
    assert error.scale == pytest.approx(5)


def test_noise_in_positions_is_measured_in_units_of_the_truth() -> None:
    rng = np.random.default_rng(1)
    truth = path(400)
    world_from_cam = invert_rigid(truth)
    world_from_cam[:, :, 3] += rng.normal(0, 0.01, (400, 3))
    found = moved_by_similarity(invert_rigid(world_from_cam), 7.0)
    error = trajectory_error(found, np.ones(400, bool), truth)
    assert error.ate_rmse == pytest.approx(0.01 * np.sqrt(3), rel=0.1)
    assert error.rpe_translation == pytest.approx(0.01 * np.sqrt(6), rel=0.1)


def test_a_wrong_turn_shows_in_the_rotation_error() -> None:
    truth = path(3)
    world_from_cam = invert_rigid(truth)
    world_from_cam[1, :, :3] = world_from_cam[1, :, :3] @ rotation_about_z(2.0)
    error = trajectory_error(invert_rigid(world_from_cam), np.ones(3, bool), truth)
    assert error.rpe_rotation_deg == pytest.approx(2.0, rel=1e-6)


def test_a_still_camera_and_too_few_frames_are_no_crash() -> None:
    still = np.tile(np.eye(3, 4), (5, 1, 1))
    error = trajectory_error(np.full((5, 3, 4), np.nan), np.zeros(5, bool), still)
    assert error.path_length == 0
    assert error.registered_fraction == 0
    assert np.isnan(error.ate_rmse)
    assert not error.travels
    error = trajectory_error(path(5), np.ones(5, bool), still)
    assert np.isnan([error.ate_rmse, error.ate_percent, error.rpe_translation]).all()


def test_turns_in_place_are_compared_after_one_turn_of_the_world() -> None:
    truth = np.tile(np.eye(3, 4), (9, 1, 1))
    truth[:, :, :3] = [rotation_about_z(3.0 * t) for t in range(9)]
    found = truth.copy()
    found[:, :, :3] = truth[:, :, :3] @ rotation_about_z(50)  # another world
    error = trajectory_error(found, np.ones(9, bool), truth)
    assert not error.travels
    assert error.rotation_rmse_deg == pytest.approx(0, abs=1e-5)
    assert error.rpe_rotation_deg == pytest.approx(0, abs=1e-5)
    for t, off in enumerate([0.3, -0.3, 0.3, -0.3, 0.0, 0.3, -0.3, 0.3, -0.3]):
        found[t, :, :3] = found[t, :, :3] @ rotation_about_z(off)
    error = trajectory_error(found, np.ones(9, bool), truth)
    assert error.rotation_rmse_deg == pytest.approx(0.3 * np.sqrt(8 / 9), rel=1e-6)
