"""`camvid evaluate` against what is known of a real clip: files beside it, and labels."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import (
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.books.index import stopped_record, verdict_record, write_index
from camvid.errors import ConfigError
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.summary import RunScores
from camvid.evaluation.truth import Labels
from camvid.geometry import invert_rigid
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.factories import make_clip
from workflows.cli.evaluate import clip_table, footage_table, run_lines
from workflows.evaluate import EVALUATION, evaluate

Artifacts = tuple[DepthMaps, ObjectMasks, MotionReport, Verdict]


@pytest.fixture
def artifacts(
    depth: DepthMaps, masks: ObjectMasks, motion: MotionReport, verdict: Verdict
) -> Artifacts:
    return depth, masks.verified(), motion, verdict


def save(
    store: ClipStore,
    artifacts: Artifacts,
    reconstruction: Reconstruction,
    tracks: PointTracks,
    uri: str,
):
    clip = make_clip(Path(uri).parent.name[0] * 16, uri=uri)
    for artifact in (clip, reconstruction, tracks, *artifacts):
        store.save(clip.clip_id, artifact)
    row = ClipRow(clip_id=clip.clip_id, video_uri=uri)
    return verdict_record(row, clip, artifacts[-1])


def write_masks(folder: Path, ids: np.ndarray, moving: tuple[int, ...]) -> None:
    for name in ("masks", "frames"):
        (folder / name).mkdir(parents=True)
    for t, frame in enumerate(np.isin(ids, moving)):
        cv2.imwrite(str(folder / "masks" / f"{t:05d}.png"), 255 * frame.astype(np.uint8))
        (folder / "frames" / f"{t:05d}.jpg").touch()


def write_poses(folder: Path, reconstruction: Reconstruction) -> None:
    """The same path at ten times the scale; of the frame without a pose too."""
    folder.mkdir()
    place = np.zeros((6, 3))
    place[:5] = 10 * invert_rigid(reconstruction.cam_from_world[:5])[:, :, 3]
    place[5] = 2 * place[4] - place[3]
    rows = [f"{t} {x} {y} {z} 0 0 0 1" for t, (x, y, z) in enumerate(place)]
    (folder / "groundtruth_tum.txt").write_text("\n".join(rows))
    (folder / "K.json").write_text(json.dumps({"fx": 25.0, "fy": 25.0, "cx": 16, "cy": 12}))


@pytest.fixture
def scores(
    tmp_path: Path, artifacts: Artifacts, reconstruction: Reconstruction, tracks: PointTracks
) -> RunScores:
    """Of a clip with masks and joints, one with poses, and one that failed."""
    truth = tmp_path / "truth"
    write_masks(truth / "goat", artifacts[1].object_id, (1,))
    frames = [
        {"image_path": f"{t:05d}.jpg", "joints": [[540, 960]], "visibility": [True]} for t in (1, 4)
    ]
    (truth / "goat" / "badja_joints.json").write_text(json.dumps(frames))
    write_poses(truth / "street", reconstruction)
    write_masks(truth / "lost", artifacts[1].object_id, (1,))
    (truth / "lost" / "labels.json").write_text('{"kind": "video", "camera": "fixed"}')

    store = ClipStore(str(tmp_path / "run"))
    still = replace(
        tracks,
        xy_px=np.full_like(tracks.xy_px, 8),  # on an object
        visible=np.ones_like(tracks.visible),
    )
    rows = [
        save(store, artifacts, reconstruction, still, f"{truth}/goat/frames"),
        save(store, artifacts, reconstruction, tracks, f"{truth}/street/video.mp4"),
    ]
    failed = ClipRow(clip_id="", video_uri=f"{truth}/lost/frames", status="failed", stopped_at="")
    labels = {
        "goat": Labels(kind="4d", camera="rotating"),
        "lost": Labels(kind="4d", camera="moving"),  # its own file says otherwise
    }
    write_index(store, [*rows, stopped_record(failed, None)])
    found = evaluate(store, truth, labels)
    assert len(json.loads(store.read_bytes(EVALUATION))["clips"]) == 3
    return found


def clip_named(scores: RunScores, name: str) -> ClipScores:
    return next(clip for clip in scores.clips if clip.name == name)


def test_masks_of_what_was_judged_to_move(scores: RunScores) -> None:
    clip = clip_named(scores, "goat")
    assert (clip.num_frames, clip.regions.num_frames) == (6, 4)
    assert clip.regions.j_moving == clip.regions.f_moving == 1.0
    assert clip.regions.j_all == pytest.approx(64 / (64 + 60))  # the other object is 6 x 10
    assert scores.overall.j_moving == 1.0


def test_joints_stay_with_tracks_that_stay(scores: RunScores) -> None:
    joints = clip_named(scores, "goat").joints
    assert (joints.num_joints, joints.pck, joints.pck_at_rest) == (1, 1.0, 1.0)


def test_a_path_given_to_a_camera_that_is_known_to_turn_is_invented(scores: RunScores) -> None:
    clip = clip_named(scores, "goat")
    assert (clip.true_kind, clip.camera, clip.true_camera) == ("4d", "moving", "rotating")
    assert clip.invented_path
    assert not clip.trajectory.known
    assert np.isnan([clip.pairs.auc_3, clip.focal_error]).all()


def test_poses_in_metres(scores: RunScores) -> None:
    clip = clip_named(scores, "street")
    assert clip.trajectory.ate_rmse == pytest.approx(0, abs=1e-9)
    assert clip.trajectory.scale == pytest.approx(10)
    assert clip.pairs.auc_3 == pytest.approx(10 / 15)  # one frame of six has no pose
    assert (clip.focal_px, clip.true_focal_px) == (30.0, 25.0)
    assert clip.focal_error == pytest.approx(0.2)
    assert not clip.invented_path
    assert (clip.true_kind, clip.true_camera) == ("", "moving")


def test_a_failed_clip_keeps_its_labels(scores: RunScores) -> None:
    clip = clip_named(scores, "lost")
    assert (clip.kind, clip.true_kind, clip.true_camera) == ("failed", "video", "fixed")
    assert clip.num_frames == clip.regions.num_frames == 0
    assert scores.overall.num_failed == 1
    assert scores.overall.right_kind == pytest.approx(0.5)


def test_tables_have_a_dash_where_nothing_is_known(scores: RunScores) -> None:
    lines = clip_table(scores).splitlines()
    goat = next(line for line in lines if line.startswith("goat"))
    assert "no path" not in goat
    assert "1.000" in next(ln for ln in footage_table(scores).splitlines() if "goat" in ln)
    assert "nan" not in clip_table(scores) + footage_table(scores) + run_lines(scores)


def test_truths_of_other_videos_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "truth" / "goat").mkdir(parents=True)
    (tmp_path / "truth" / "goat" / "labels.json").write_text("{}")
    store = ClipStore(str(tmp_path / "run"))
    row = ClipRow(clip_id="", video_uri="sheep.mp4", status="failed", stopped_at="split")
    write_index(store, [stopped_record(row, None)])
    with pytest.raises(ConfigError, match=r"must be named like a video of the run.* among goat"):
        evaluate(store, tmp_path / "truth")
