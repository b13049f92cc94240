"""A run's scores: what counts, what does not, and by which ingredient."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import MotionReport, ObjectMasks, ObjectMotion
from camvid.evaluation.calibration_plot import calibration_plot
from camvid.evaluation.maps import ConfidenceBin, pool_bins
from camvid.evaluation.objects import object_scores
from camvid.evaluation.scores import ClipScores, focal_error, score_stopped
from camvid.evaluation.summary import score_run, summarise
from camvid.evaluation.trajectory import TrajectoryError
from camvid.evaluation.truth import read_truth
from camvid.scenes.demo import demo_scenes
from camvid.scenes.fairness import Observable
from camvid.scenes.files import write_scene
from camvid.scenes.render import render

TOLD = Observable(camera=True, motion=True)


def path_error(ate_percent: float) -> TrajectoryError:
    return TrajectoryError(
        path_length=1.0, travels=True, registered_fraction=1.0, ate_percent=ate_percent
    )


def turn_error(rotation_rmse_deg: float) -> TrajectoryError:
    return TrajectoryError(
        path_length=0.0,
        travels=False,
        registered_fraction=1.0,
        rotation_rmse_deg=rotation_rmse_deg,
    )


RIGHT = ClipScores(
    name="right",
    clip_id="1",
    ingredients=("orbit", "noise"),
    observable=TOLD,
    kind="4d",
    true_kind="4d",
    camera="moving",
    true_camera="moving",
    trajectory=path_error(0.2),
    motion_strength=0.02,
    true_motion_strength=0.018,
    motion_error=1 / 9,
    interval_holds=1.0,
)
WRONG_PATH = replace(
    RIGHT,
    name="wrong",
    ingredients=("orbit",),
    trajectory=path_error(9.0),
    interval_holds=0.0,
)
PAN = replace(
    RIGHT,
    name="pan",
    ingredients=("pan", "noise"),
    kind="video",
    true_kind="none",
    camera="rotating",
    true_camera="rotating",
    trajectory=turn_error(0.03),
    motion_strength=0.001,
    true_motion_strength=0.0,
    interval_holds=np.nan,
)


def test_a_run_is_summed_up_as_a_whole_and_by_ingredient() -> None:
    scores = score_run([RIGHT, WRONG_PATH, PAN])
    assert set(scores.by_ingredient) == {"orbit", "noise", "pan"}
    assert scores.overall.right_kind == pytest.approx(2 / 3)
    assert scores.overall.num_wrong_kinds == 1, "a video in which nothing moves"
    assert scores.overall.confusion == {"4d -> 4d": 2, "none -> video": 1}
    assert scores.overall.cameras == {"moving -> moving": 2, "rotating -> rotating": 1}
    assert scores.overall.num_wrong_paths == 1
    assert scores.overall.within_1_percent == 0.5
    assert scores.overall.pan_rotation_deg == scores.overall.worst_pan_rotation_deg == 0.03
    assert scores.overall.still_moving_auc == 1.0
    assert scores.overall.interval_coverage == 0.5
    assert scores.by_ingredient["noise"].num_wrong_paths == 0
    assert scores.by_ingredient["noise"].num_clips == 2


def test_what_the_images_do_not_tell_is_not_held_against_the_run() -> None:
    unclear = replace(RIGHT, kind="3d", observable=Observable(camera=True, motion=False))
    tiny = replace(WRONG_PATH, kind="video", observable=Observable(camera=False, motion=True))
    summary = summarise([RIGHT, unclear, tiny])
    assert summary.right_kind == 1.0
    assert summary.num_observable == 1
    assert summary.within_1_percent == 1.0


def test_a_failed_clip_is_a_wrong_kind_and_no_crash(tmp_path: Path) -> None:
    spec = replace(demo_scenes()[2], num_frames=4, width_px=96, height_px=54)
    write_scene(render(spec), tmp_path / "scene")
    stopped = score_stopped(read_truth(tmp_path / "scene"), "", "failed")
    assert (stopped.true_kind, stopped.true_camera) == ("video", "fixed")
    assert not stopped.trajectory.travels
    summary = summarise([stopped, RIGHT])
    assert (summary.right_kind, summary.num_failed) == (0.5, 1)
    assert not np.isnan(summary.motion_median_error)


def test_a_camera_that_stays_shows_only_how_far_it_zooms() -> None:
    true_px = np.linspace(400, 500, 11)
    assert focal_error(1.1 * true_px, true_px, up_to_scale=False) == pytest.approx(0.1)
    assert focal_error(1.1 * true_px, true_px, up_to_scale=True) == pytest.approx(0)
    assert focal_error(np.full(11, 440.0), true_px, up_to_scale=True) > 0.03


def test_nothing_to_score_is_no_crash() -> None:
    summary = summarise([])
    assert summary.num_clips == 0
    assert np.isnan(summary.right_kind)
    assert score_run([]).depth_by_confidence == ()


def confidence_bin(num_pixels: int, abs_rel: float, num_movers: int = 0) -> ConfidenceBin:
    return ConfidenceBin(
        low=0,
        high=31,
        num_pixels=num_pixels,
        abs_rel=abs_rel,
        num_movers=num_movers,
        abs_rel_movers=abs_rel if num_movers else float("nan"),
    )


def test_bins_of_confidence_are_pooled_by_their_pixels() -> None:
    empty = confidence_bin(0, float("nan"))
    pooled = pool_bins([(confidence_bin(10, 0.1),), (confidence_bin(30, 0.3, 5),), (empty,), ()])
    assert len(pooled) == 1
    assert (pooled[0].num_pixels, pooled[0].num_movers) == (40, 5)
    assert pooled[0].abs_rel == pytest.approx((10 * 0.1 + 30 * 0.3) / 40)
    assert pooled[0].abs_rel_movers == pytest.approx(0.3)


def test_the_calibration_plot_has_a_bar_for_each_bin_that_is_not_empty() -> None:
    bins = [confidence_bin(10, 0.1), confidence_bin(0, float("nan")), confidence_bin(5, 0.2, 5)]
    svg = calibration_plot(bins)
    assert svg.startswith("<svg")
    assert svg.count("<rect") == 3
    assert "nan" not in svg


def test_found_objects_are_held_against_the_true_ones_they_lie_on() -> None:
    spec = replace(demo_scenes()[0], num_frames=2, width_px=96, height_px=54)
    scene = render(spec)
    found = np.where(scene.object_id == 2, 7, 0).astype(np.uint16)
    found[:, :4, :4] = 9  # on the wall
    scores = object_scores(
        ObjectMasks(object_id=found, objects=()),
        report(measured(7, 0.04), measured(9, 0.001), measured(8, 0.5)),
        scene,
        scene.object_id,
        {1: 0.02, 2: 0.05},
    )
    assert [s.true_name for s in scores] == ["blue_ball", "background"]  # 8 has no pixel
    assert [s.true_motion_strength for s in scores] == [0.05, 0.0]
    assert all(s.is_sure for s in scores)


def measured(object_id: int, strength: float) -> ObjectMotion:
    return ObjectMotion(
        object_id=object_id,
        label="",
        motion_strength=strength,
        lower_bound=0.0,
        low=0.0,
        high=1.0,
        num_tracks=9,
        num_pairs=9,
        area_fraction=0.1,
    )


def report(*objects: ObjectMotion) -> MotionReport:
    return MotionReport(
        motion_strength=max(o.motion_strength for o in objects),
        lower_bound=0.0,
        background=0.0,
        confidence=1.0,
        pair_gap_s=1 / 12,
        method="depth",
        per_object=objects,
        pair_frames=np.zeros((1, 2), np.int32),
        pair_strength=np.zeros((1, 1 + len(objects))),
        num_tracks=9,
    )
