"""The benchmark on real footage: what it takes, that a failure is a cell, and what it writes."""

import importlib
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from camvid.evaluation.joints import JointScores
from camvid.evaluation.pairwise import PairwiseScores
from camvid.evaluation.regions import RegionScores
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.trajectory import TrajectoryError
from camvid.models.checkpoints import locate_optional
from camvid.record import ClipRecord
from camvid.scenes.demo import demo_scenes
from camvid.scenes.render import render

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "real"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("real")


def scores_of(name: str, **known: object) -> ClipScores:
    return ClipScores(
        **{  # pyright: ignore[reportArgumentType]
            "name": name,
            "clip_id": name,
            "num_frames": 40,
            "kind": "4d",
            "true_kind": "4d",
            "camera": "moving",
            "true_camera": "moving",
            "trajectory": TrajectoryError(),
            **known,
        }
    )


CLIPS = (
    scores_of(
        "davis_dog",
        regions=RegionScores(num_frames=38, j_moving=0.5, f_moving=0.4, j_all=0.3, f_all=0.2),
        joints=JointScores(num_joints=9, pck=0.7, pck_at_rest=0.1),
    ),
    scores_of("davis_kite_surf", true_kind="video", true_camera="rotating", invented_path=True),
    scores_of(
        "gt_kitti_street",
        kind="none",
        true_kind="3d",
        trajectory=TrajectoryError(
            path_length=50.0, travels=True, registered_fraction=1.0, ate_rmse=0.4, ate_percent=0.8
        ),
        pairs=PairwiseScores(auc_3=0.25, auc_30=0.75),
    ),
)


@pytest.fixture
def text(module: ModuleType, tmp_path: Path) -> str:
    for clip in CLIPS:
        (tmp_path / clip.name / "masks").mkdir(parents=True)
    for k in range(40):
        (tmp_path / "davis_dog" / "masks" / f"{k:02d}.png").touch()
    index = [
        ClipRecord(
            clip_id=c.name, source_uri=f"{tmp_path}/{c.name}/frames", status="ok", kind="video"
        )
        for c in CLIPS
    ]
    cells = {
        ("davis_dog", "u2netp"): {"j": 0.61, "f": 0.59},
        ("davis_kite_surf", "stock"): {"registered": 1.0},
        ("davis_kite_surf", "stock-masked"): "over 150 s",
        ("gt_kitti_street", "stock"): {"registered": 0.5, "ate_rmse": 1.25, "auc_3": 0.125},
        ("gt_kitti_street", "stock-masked"): "failed",
    }
    truths = {c.name: tmp_path / c.name for c in CLIPS}
    lines = module.make_lines(CLIPS, index, truths, cells)
    assert [line.half for line in lines] == ["development", "published", "development"]
    return importlib.import_module("real_page").page(lines, 60.0, 120.0, 2)


def row(text: str, section: str, *starts: str) -> list[str]:
    """The words of a row of a section."""
    lines = text.split(f"## {section}")[1].split("```")[1].splitlines()
    return next(line.split() for line in lines if line.split()[: len(starts)] == list(starts))


def test_the_page_sums_up_each_half(text: str) -> None:
    assert row(text, "In short", "development")[1:7] == ["2", "1", "1", "0", "0", "0.500"]
    assert row(text, "In short", "published")[1:6] == ["1", "0", "0", "1", "1"]
    assert row(text, "In short", "all")[1:5] == ["3", "1", "1", "1"]
    assert "not seen" not in text.split("## In short")[1].split("##")[0]
    assert "nan" not in text


def test_baselines_stand_beside_it(text: str) -> None:
    assert row(text, "Masks", "davis_dog")[-2:] == ["0.610", "0.590"]
    street = text.split("## Cameras with known poses")[1].split("```")[1].splitlines()
    stock = next(line for line in street if line.split()[:1] == ["COLMAP"])
    masked = next(line for line in street if line.split()[:1] == ["COLMAP,"])
    assert stock.split()[1:3] == ["50", "1.250"]
    assert "12.5" in stock
    assert masked.split()[3:] == ["failed"] * 8
    kite = row(text, "Stock COLMAP where no pose is known", "davis_kite_surf")
    assert " ".join(kite[3:]) == "100 over 150 s travels: made up"


def test_anchors_name_their_source(text: str) -> None:
    assert row(text, "Published on DAVIS-2016", "MATNet")[-3:] == ["0.824", "0.807", "[1]"]
    assert "camvid, 1 of the 20 sequences" in text


def test_every_known_clip_has_a_half_and_labels(module: ModuleType) -> None:
    facts = importlib.import_module("real_facts")
    assert set(facts.HALVES) <= set(facts.LABELS)
    davis = [label for name, label in facts.LABELS.items() if name.startswith("davis_")]
    assert len(davis) == 20
    assert all((label.kind == "4d") == (label.camera == "moving") for label in davis)
    if not REAL.exists():
        pytest.skip("needs ../shared/real")
    assert {path.name for path in REAL.iterdir() if path.is_dir()} == set(facts.HALVES)
    assert len(module.sources(REAL, [])) == 12


def test_what_an_earlier_method_left_is_not_scored(module: ModuleType, tmp_path: Path) -> None:
    for name in ("run", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").touch()
    (tmp_path / "run" / "run.toml").touch()
    assert not module.fresh_store(tmp_path / "run").exists("notes.txt")
    assert module.fresh_store(tmp_path / "mine").exists("notes.txt")  # no run: not ours to delete


def test_sources_are_videos_or_else_frames_and_never_masks(
    module: ModuleType, tmp_path: Path
) -> None:
    for name in ("a/frames", "a/masks", "b", "c/frames", "d/masks"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("b/video.mkv", "c/video.mp4"):
        (tmp_path / name).touch()
    found = [str(Path(video).relative_to(tmp_path)) for video in module.sources(tmp_path, [])]
    assert found == ["a/frames", "b/video.mkv", "c/video.mp4"]
    assert module.sources(tmp_path, ["b"]) == [str(tmp_path / "b" / "video.mkv")]
    with pytest.raises(SystemExit, match="must hold folders with video"):
        module.sources(tmp_path / "d", [])


def test_a_baseline_that_fails_or_hangs_is_a_cell(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "goat" / "masks").mkdir(parents=True)
    rows = [ClipRecord(clip_id="x", source_uri=f"{tmp_path}/goat/frames", status="ok", kind="4d")]
    truths, run = {"goat": tmp_path / "goat"}, module.ClipStore(str(tmp_path / "run"))
    cells = module.run_baselines(run, rows, truths, ["stock"], 1)
    assert cells == {("x", "stock"): "failed"}  # there is no such clip
    monkeypatch.setattr(module, "TIMEOUT_S", 0.01)
    assert module.run_baselines(run, rows, truths, ["stock"], 1) == {("x", "stock"): "over 0 s"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose camera travels past movers, as images with masks and poses; one broken."""
    folder = tmp_path_factory.mktemp("data")
    small = replace(demo_scenes()[0], num_frames=40, width_px=320, height_px=180)
    scene = render(small)
    clip = folder / "scene"
    for name in ("frames", "masks"):
        (clip / name).mkdir(parents=True)
    moving = np.isin(scene.object_id, scene.moving_ids)
    for t in range(scene.num_frames):
        cv2.imwrite(str(clip / "frames" / f"{t:05d}.jpg"), scene.rgb[t, ..., ::-1])
        cv2.imwrite(str(clip / "masks" / f"{t:05d}.png"), 255 * moving[t].astype(np.uint8))
    (clip / "labels.json").write_text('{"kind": "4d", "camera": "moving"}')
    (folder / "broken" / "masks").mkdir(parents=True)
    (folder / "broken" / "video.mp4").write_bytes(b"no video")
    for t in range(5):
        cv2.imwrite(str(folder / "broken" / "masks" / f"{t}.png"), np.full((4, 4), 255, np.uint8))
    return folder


def test_one_command_from_clips_to_the_page(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "real.py"), str(data), "--jobs", "1"]
    command += ["--out", str(tmp_path), "--baselines", "u2netp"]
    command += ["--write", str(tmp_path / "REAL.md"), "--json", str(tmp_path / "real.json")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=env, capture_output=True, text=True)
    text = (tmp_path / "REAL.md").read_text()
    assert "not seen" in text
    lines = {
        line["scores"]["name"]: line for line in json.loads((tmp_path / "real.json").read_text())
    }
    scene, broken = lines["scene"]["scores"], lines["broken"]["scores"]
    assert (scene["kind"], scene["judgement"]) == ("4d", "right")
    assert scene["regions"]["j_moving"] > 0.6
    if locate_optional("u2netp"):
        assert 0 <= lines["scene"]["baselines"]["u2netp"]["j"] <= 1
    assert (broken["kind"], broken["judgement"]) == ("failed", "")
    assert broken["regions"]["num_frames"] == 3
    assert broken["regions"]["j_moving"] == 0.0
    assert broken["motion_strength"] is None or math.isnan(broken["motion_strength"])
    assert lines["broken"]["reasons"]
