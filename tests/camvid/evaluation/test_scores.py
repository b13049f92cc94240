"""Depth, mask and motion scores against cases worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import Clip, DepthMaps, ObjectMasks
from camvid.errors import ConfigError
from camvid.evaluation.maps import ause, depth_scores, mask_scores
from camvid.evaluation.summary import area_under_curve, rank_correlation
from camvid.evaluation.truth import find_truths, match_truth, read_truth, world_from_cam_of_tum


def depth_maps(depth: np.ndarray) -> DepthMaps:
    num_frames = len(depth)
    return DepthMaps(
        depth=depth.astype(np.float32),
        valid=depth > 0,
        confidence=np.full(depth.shape, 255, np.uint8),
        scale=np.ones(num_frames),
        shift=np.zeros(num_frames),
        residual=np.zeros(num_frames),
        source="geometric",
    )


def test_depth_is_compared_after_one_scale() -> None:
    true = np.full((1, 4, 4), 6.0, np.float32)
    found = true / 3
    found[0, 0, :2] *= 1.5  # movers, half as far again: AbsRel 0.5, outside a factor of 1.25
    found[0, 3, 3] = 0  # not valid: counts nowhere
    movers = np.zeros((1, 4, 4), bool)
    movers[0, 0, :2] = True
    scores = depth_scores(depth_maps(found), true, movers)
    assert scores.abs_rel_static == pytest.approx(0)
    assert scores.delta_static == 1
    assert scores.abs_rel_movers == pytest.approx(0.5)
    assert scores.delta_movers == 0


def test_depth_errors_are_sorted_by_confidence() -> None:
    true = np.full((1, 4, 4), 6.0, np.float32)
    found = depth_maps(true.copy())
    confidence = np.full((1, 4, 4), 255, np.uint8)
    confidence[0, 0, :2] = 3
    depth = true.copy()
    depth[0, 0, :2] *= 1.2
    movers = np.zeros((1, 4, 4), bool)
    movers[0, 0, 0] = True
    scores = depth_scores(replace(found, depth=depth, confidence=confidence), true, movers)
    lowest, highest = scores.by_confidence[0], scores.by_confidence[-1]
    assert (lowest.low, lowest.high, highest.high) == (0, 31, 255)
    assert (lowest.num_pixels, lowest.num_movers, highest.num_pixels) == (2, 1, 14)
    assert lowest.abs_rel == pytest.approx(0.2)
    assert lowest.abs_rel_movers == pytest.approx(0.2)
    assert highest.abs_rel == pytest.approx(0)
    assert np.isnan(scores.by_confidence[1].abs_rel)


def test_confidence_is_judged_by_how_it_sorts_errors() -> None:
    error = np.random.default_rng(0).exponential(size=4000).astype(np.float32)
    order = error.argsort().argsort()
    sorting = (255 - order * 255 // len(order)).astype(np.uint8)
    assert ause(sorting, error) == pytest.approx(0, abs=0.01)
    by_chance = ause(np.full(len(error), 255, np.uint8), error)
    assert by_chance == pytest.approx(np.pi**2 / 6 - 1, abs=0.03)  # errors are exponential
    assert ause(255 - sorting, error) > by_chance
    assert np.isnan(ause(sorting, np.zeros_like(error)))


def test_masks_count_what_was_judged_to_move(clip: Clip) -> None:
    ids = np.zeros((1, 2, 8), np.uint16)
    ids[0, 0, :4], ids[0, 1, :] = 1, 2
    movers = np.zeros((1, 2, 8), bool)
    movers[0, 0, :] = True
    scores = mask_scores(ObjectMasks(object_id=ids, objects=()), (1,), movers)
    assert (scores.iou, scores.precision, scores.recall) == (0.5, 1.0, 0.5)
    both = mask_scores(ObjectMasks(object_id=ids, objects=()), (1, 2), movers)
    assert (both.iou, both.precision) == (4 / 16, 4 / 12)
    assert scores.covered == both.covered == 0.5


def test_curves() -> None:
    assert rank_correlation(np.array([1.0, 2, 3, 9]), np.array([0.1, 0.2, 0.3, 0.4])) == 1
    assert rank_correlation(np.array([3.0, 2, 1]), np.array([1.0, 2, 3])) == -1
    assert area_under_curve(np.array([0.0, 1.0]), np.array([2.0, 1.0])) == 0.875
    assert np.isnan(area_under_curve(np.zeros(0), np.ones(2)))


def test_truth_is_found_by_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "groundtruth_tum.txt").write_text("0 1 2 3 0 0 0 1\n1 1 2 4 0 0 0 1\n")
    truths = find_truths(tmp_path)
    assert match_truth("videos/a.mp4", truths) == tmp_path / "a"
    assert match_truth("clips/b/video.mp4", truths) == tmp_path / "b"
    assert match_truth("clips/c/video.mp4", truths) is None
    truth = read_truth(tmp_path / "a")
    np.testing.assert_allclose(truth.cam_from_world[1, :, 3], [-1, -2, -4])
    assert truth.K_per_frame is None
    with pytest.raises(ConfigError, match=r"must hold folders with groundtruth_tum\.txt"):
        find_truths(tmp_path / "a" / "none")


def test_quaternions_are_xyzw() -> None:
    half = np.sqrt(0.5)
    pose = world_from_cam_of_tum(np.array([[0, 1, 2, 3, 0, 0, half, half]]))[0]
    np.testing.assert_allclose(pose[:, :3] @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(pose[:, 3], [1, 2, 3])
