"""`camvid evaluate` over a run whose answers are made from the truth: most scores are known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import (
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    ObjectMotion,
    Reconstruction,
    ReconstructionQuality,
    Video,
)
from camvid.books.index import stopped_record, verdict_record, write_index
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.summary import RunScores
from camvid.geometry import invert_rigid
from camvid.record import measure
from camvid.scenes.demo import demo_scenes
from camvid.scenes.files import write_scene
from camvid.scenes.render import render
from camvid.scenes.truth import SceneTruth, true_motion_strength
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.verdict import Policy, decide
from workflows.cli.evaluate import clip_table, confidence_table, ingredient_table, run_lines
from workflows.evaluate import CALIBRATION, EVALUATION, evaluate

SCALE = 0.25  # scene units per metre: what SfM cannot know
GAP_S = 1 / 12


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, SceneTruth]]:
    """Three small scenes on disk: a moving camera, a rotating one, and one that failed."""
    folder = tmp_path_factory.mktemp("truth")
    truths: dict[str, SceneTruth] = {}
    for spec in (demo_scenes()[0], demo_scenes()[3], demo_scenes()[2]):
        small = replace(spec, num_frames=8, width_px=160, height_px=90, ingredients=("box",))
        truths[spec.name] = render(small)
        write_scene(truths[spec.name], folder / spec.name)
    return folder, truths


@pytest.fixture(scope="module")
def scores(scenes: tuple[Path, dict[str, SceneTruth]], tmp_path_factory: pytest.TempPathFactory):
    folder, truths = scenes
    store = ClipStore(str(tmp_path_factory.mktemp("run")))
    rows = [save_answers(store, name, truths[name]) for name in ("orbit_movers", "pan_mover")]
    failed = ClipRow(clip_id="", video_uri="fixed_mover.mp4", status="failed", stopped_at="split")
    write_index(store, [*rows, stopped_record(failed, None)])
    found = evaluate(store, folder)
    assert store.exists(CALIBRATION)
    written = json.loads(store.read_bytes(EVALUATION))
    assert len(written["clips"]) == 3
    assert written["overall"]["num_clips"] == 3
    return found


def save_answers(store: ClipStore, name: str, truth: SceneTruth):
    """What a perfect pipeline would have found, in a world of its own scale and direction."""
    clip = make_clip(name, truth)
    reconstruction, masks = known_cameras(truth), ObjectMasks(object_id=truth.object_id, objects=())
    depth = known_depth(truth)
    motion = known_motion(truth)
    verdict = decide(measure(reconstruction, motion), Policy(max_depth_residual=1.0))
    for artifact in (clip, reconstruction, masks, depth, motion, verdict):
        store.save(clip.clip_id, artifact)
    row = ClipRow(clip_id=clip.clip_id, video_uri=clip.video.uri)
    return verdict_record(row, clip, verdict)


def make_clip(name: str, truth: SceneTruth) -> Clip:
    height_px, width_px = truth.depth.shape[1:]
    video = Video(
        video_id=name,
        uri=f"videos/{name}.mp4",
        sha256="0" * 64,
        width_px=width_px,
        height_px=height_px,
        fps=truth.fps,
        num_frames=truth.num_frames,
        duration_s=truth.num_frames / truth.fps,
    )
    return Clip(
        clip_id=(name + "0" * 16)[:16],
        video=video,
        start_s=0.0,
        end_s=video.duration_s,
        timestamps_s=np.arange(truth.num_frames) / truth.fps,
        source_frame_index=np.arange(truth.num_frames, dtype=np.int32),
        width_px=width_px,
        height_px=height_px,
        crop_px=(0, 0, width_px, height_px),
    )


def known_cameras(truth: SceneTruth) -> Reconstruction:
    """Of a moving camera as SfM gives it, of a rotating one by its rotations."""
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # another world
    quality = ReconstructionQuality(
        registered_fraction=1.0,
        mean_reprojection_error_px=0.3,
        median_triangulation_angle_deg=5.0,
        focal_uncertainty=0.01,
    )
    if truth.camera == "rotating":
        return Reconstruction.rotation_only(
            "rotating",
            truth.cam_from_world[:, :, :3] @ turned,
            K=truth.K,
            zoom=np.ones(truth.num_frames),
            quality=quality,
            reasons=(),
        )
    world_from_cam = invert_rigid(truth.cam_from_world)
    world_from_cam[:, :, 3] *= SCALE
    empty = Reconstruction.without_trajectory(
        "moving", truth.num_frames, quality=quality, reasons=()
    )
    return replace(
        empty,
        K=truth.K * np.array([[1.02, 1, 1], [1, 1.02, 1], [1, 1, 1]]),
        cam_from_world=invert_rigid(world_from_cam),
        registered=np.ones(truth.num_frames, bool),
    )


def known_depth(truth: SceneTruth) -> DepthMaps:
    if truth.camera != "moving":
        return DepthMaps.none(*truth.depth.shape)
    none = np.zeros(truth.num_frames)
    return DepthMaps(
        depth=truth.depth * np.float32(SCALE),
        valid=truth.depth > 0,
        confidence=np.full(truth.depth.shape, 200, np.uint8),
        scale=none + 1,
        shift=none,
        residual=none,
        source="geometric",
    )


def known_motion(truth: SceneTruth) -> MotionReport:
    objects = tuple(
        ObjectMotion(
            object_id=object_id,
            label="",
            motion_strength=strength,
            lower_bound=strength,
            low=strength,
            high=strength,
            num_tracks=50,
            num_pairs=6,
            area_fraction=0.05,
        )
        for object_id, strength in true_motion_strength(truth, GAP_S).items()
    )
    return MotionReport(
        motion_strength=max(o.motion_strength for o in objects),
        lower_bound=0.0,
        background=0.0,
        confidence=1.0,
        pair_gap_s=GAP_S,
        method="depth",
        per_object=objects,
        pair_frames=np.zeros((1, 2), np.int32),
        pair_strength=np.zeros((1, 1 + len(objects))),
        num_tracks=100,
        interval_low=0.9 * max(o.motion_strength for o in objects),
        interval_high=1.1 * max(o.motion_strength for o in objects),
        depth_residual=0.01,
        unmeasured_fraction=0.0,
    )


def clip_named(scores: RunScores, name: str) -> ClipScores:
    return next(clip for clip in scores.clips if clip.name == name)


def test_true_answers_get_full_marks_in_any_world(scores: RunScores):
    clip = clip_named(scores, "orbit_movers")
    assert (clip.kind, clip.true_kind, clip.camera) == ("4d", "4d", "moving")
    assert clip.trajectory.ate_rmse == pytest.approx(0, abs=1e-9)
    assert clip.trajectory.scale == pytest.approx(1 / SCALE)
    assert clip.focal_error == pytest.approx(0.02)
    assert clip.depth.abs_rel_static == pytest.approx(0, abs=1e-3)  # truth is kept in millimetres
    assert clip.depth.delta_movers == 1.0
    assert clip.masks.iou == clip.masks.precision == clip.masks.recall == 1.0
    assert clip.motion_error == pytest.approx(0, abs=0.02)
    assert {o.true_name for o in clip.objects} == {"red_box", "blue_ball"}


def test_a_camera_that_turns_in_place_is_scored_by_its_turns(scores: RunScores):
    clip = clip_named(scores, "pan_mover")
    assert (clip.kind, clip.camera, clip.true_camera) == ("video", "rotating", "rotating")
    assert not clip.trajectory.travels
    assert not clip.invented_path
    assert np.isnan(clip.trajectory.ate_rmse)
    assert clip.trajectory.rotation_rmse_deg == pytest.approx(0, abs=1e-5)
    assert clip.focal_error == pytest.approx(0)


def test_a_failure_counts_against_the_run(scores: RunScores):
    assert clip_named(scores, "fixed_mover").kind == "failed"
    assert scores.overall.right_kind == pytest.approx(2 / 3)
    assert scores.overall.num_failed == 1


def test_tables_say_what_has_no_path_and_what_was_not_measured(scores: RunScores):
    lines = clip_table(scores).splitlines()
    pan = next(line for line in lines if line.startswith("pan_mover"))
    assert "no path" in pan
    assert "nan" not in clip_table(scores) + ingredient_table(scores) + run_lines(scores)
    assert "192-223" in confidence_table(scores)
    assert "66.7 % (3 of 3 clips' images decide it)" in run_lines(scores)
