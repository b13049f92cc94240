"""AUC of relative poses on cameras whose errors are known."""

import numpy as np
import pytest

from camvid.evaluation.pairwise import (
    area_under_accuracy,
    pair_errors_deg,
    pairwise_scores,
)
from camvid.geometry import invert_rigid


def about_y(angle_deg: float) -> np.ndarray:
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def cameras(places: list[tuple[float, float, float]], angles_deg: list[float]) -> np.ndarray:
    """cam_from_world [T, 3, 4] of cameras at these places, turned about y."""
    poses = [
        np.column_stack([about_y(angle), place])
        for place, angle in zip(places, angles_deg, strict=True)
    ]
    return invert_rigid(np.stack(poses))


TRUE = cameras([(0, 0, 0), (1, 0, 0), (2, 0, 1), (2, 0, 3)], [0, 10, 25, 30])
ALL = np.ones(4, bool)


def test_a_similarity_is_no_error() -> None:
    world_from_cam = invert_rigid(TRUE)
    turn = about_y(70)
    place = 0.2 * world_from_cam[:, :, 3] @ turn.T + [4, -2, 9]
    moved = np.concatenate([turn @ world_from_cam[:, :, :3], place[:, :, None]], axis=2)
    errors = pair_errors_deg(invert_rigid(moved), ALL, TRUE)
    np.testing.assert_allclose(errors, 0, atol=1e-5)
    scores = pairwise_scores(invert_rigid(moved), ALL, TRUE)
    assert scores.auc_3 == scores.auc_30 == 1.0


def test_one_camera_turned_wrongly_spoils_its_pairs() -> None:
    wrong = TRUE.copy()
    wrong[3, :, :3] = about_y(2.5) @ TRUE[3, :, :3]
    wrong[3, :, 3] = about_y(2.5) @ TRUE[3, :, 3]  # it stays in its place
    errors = pair_errors_deg(wrong, ALL, TRUE)
    # pairs 01 02 03 12 13 23: the direction, in the first camera's axes, is right all the same
    np.testing.assert_allclose(errors, [0, 0, 2.5, 0, 2.5, 2.5], atol=1e-5)
    scores = pairwise_scores(wrong, ALL, TRUE)
    assert scores.auc_3 == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert scores.auc_30 == pytest.approx((0.5 + 0.5 + 28) / 30)


def test_a_path_run_backwards_is_wrong() -> None:
    true = cameras([(0, 0, 0), (0, 0, 1), (0, 0, 2)], [0, 0, 0])
    back = cameras([(0, 0, 0), (0, 0, -1), (0, 0, -2)], [0, 0, 0])
    np.testing.assert_allclose(pair_errors_deg(back, ALL[:3], true), 180)
    still = cameras([(0, 0, 0)] * 3, [0, 0, 0])
    np.testing.assert_allclose(pair_errors_deg(still, ALL[:3], true), 180)


def test_a_direction_off_by_forty_five_degrees() -> None:
    true = cameras([(0, 0, 0), (0, 0, 1)], [0, 0])
    found = cameras([(0, 0, 0), (1, 0, 1)], [0, 0])
    np.testing.assert_allclose(pair_errors_deg(found, ALL[:2], true), 45)
    assert pairwise_scores(found, ALL[:2], true).auc_30 == 0.0


def test_frames_without_a_pose_count_as_wrong() -> None:
    registered = np.array([True, True, True, False])
    found = TRUE.copy()
    found[3] = np.nan
    errors = pair_errors_deg(found, registered, TRUE)
    np.testing.assert_array_equal(np.isinf(errors), [False, False, True, False, True, True])
    assert pairwise_scores(found, registered, TRUE).auc_30 == 0.5
    nothing = pairwise_scores(np.full_like(TRUE, np.nan), ~ALL, TRUE)
    assert nothing.auc_3 == nothing.auc_30 == 0.0


def test_cameras_in_one_place_are_judged_by_their_turns() -> None:
    true = cameras([(1, 2, 3)] * 3, [0, 10, 20])
    found = cameras([(0, 0, 0)] * 3, [0, 10, 24])
    np.testing.assert_allclose(pair_errors_deg(found, ALL[:3], true), [0, 4, 4], atol=1e-5)


def test_area_under_the_curve() -> None:
    assert area_under_accuracy(np.array([0.5, 1.5, 2.5, 9.0]), 3) == pytest.approx(
        (0.25 + 0.5 + 0.75) / 3
    )
    assert area_under_accuracy(np.array([np.inf, 0.0]), 30) == 0.5
    assert np.isnan(area_under_accuracy(np.zeros(0), 3))
    assert np.isnan(pairwise_scores(TRUE[:1], ALL[:1], TRUE[:1]).auc_3)
