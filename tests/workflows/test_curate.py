"""The whole graph on small generated videos: resume, refilter, replay, Ray, hostile names."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from camvid.books.index import read_index
from camvid.books.ledger import read_ledger
from camvid.camerawork.moves import CameraMove
from camvid.errors import StoreError
from camvid.plain import to_plain
from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import write_broken_video, write_video
from camvid.scenes.render import render
from camvid.shards.writer import verify_shards
from camvid.stage import ClipRow
from camvid.store import ClipStore
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.refilter import refilter
from workflows.replay import replay_stage
from workflows.reporting import write_report
from workflows.runs.run_toml import load_settings

HOSTILE = "<img src=x onerror=alert(1)>.mp4"
ROOT = Path(__file__).parents[2]
NUM_FRAMES = 40  # above the shortest clip that is kept (1.5 s)
ARTIFACTS = (ObjectMasks, Reconstruction, DepthMaps, PointTracks, MotionReport, Verdict)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An orbit with movers, a fixed camera with one, under a hostile name; and a broken file."""
    folder = tmp_path_factory.mktemp("videos")
    scenes = {spec.name: spec for spec in demo_scenes()}
    for name, file in (("orbit_movers", "orbit.mp4"), ("fixed_mover", HOSTILE)):
        spec = replace(scenes[name], num_frames=NUM_FRAMES, width_px=320, height_px=180)
        write_video(folder / file, render(spec).rgb, spec.fps)
    write_broken_video(folder / "broken.mp4")
    # Reached as `videos0/../videos0/...`: no name of a source may become a path of ours.
    return sorted(str(folder / ".." / folder.name / path.name) for path in folder.iterdir())


@pytest.fixture(scope="module")
def run(videos: list[str], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    root = tmp_path_factory.mktemp("runs") / "whole"
    index = curate(videos, str(root), CurateConfig(), in_process.run)
    write_report(ClipStore(str(root)), CurateConfig().report, index)
    return ClipStore(str(root))


def shard_hashes(store: ClipStore) -> dict[str, str]:
    names = store.list_names("shards", ".parquet")
    return {n: hashlib.sha256(store.read_bytes(f"shards/{n}")).hexdigest() for n in names}


def comparable(store: ClipStore) -> list[dict[str, Any]]:
    rows = to_plain(list(read_index(store)))  # NaN becomes None, which equals itself
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_every_video_ends_in_one_place(run: ClipStore, videos: list[str]) -> None:
    rows = {Path(row.source_uri).name: row for row in read_index(run)}
    assert len(rows) == len(videos)
    assert (rows["orbit.mp4"].kind, rows["orbit.mp4"].measures.camera) == ("4d", "moving")
    assert (rows[HOSTILE].kind, rows[HOSTILE].measures.camera) == ("video", "fixed")
    assert (rows["orbit.mp4"].camera_moves, rows[HOSTILE].camera_moves) == (
        (CameraMove.ARC_RIGHT,),
        (CameraMove.STATIC,),
    )
    said = rows["orbit.mp4"].caption or ""
    assert re.match(
        "The camera arcs right around the scene by 3[4-7] degrees; 2 objects move", said
    )
    assert rows["broken.mp4"].status == "failed"
    assert "broken.mp4" in rows["broken.mp4"].error
    assert "\n" not in rows["broken.mp4"].error
    assert verify_shards(run) == []


def test_the_ledger_holds_every_stage_of_every_clip(run: ClipStore) -> None:
    records = read_ledger(run).to_pylist()
    assert len(records) == 2 * 10 + 1
    assert len({(r["clip_id"], r["stage"]) for r in records if r["clip_id"]}) == 20
    assert all(r["seconds"] > 0 for r in records if r["status"] == "ok")


def test_hostile_names_harm_nothing(run: ClipStore) -> None:
    root = Path(run.full_path("."))
    assert not [p for p in root.rglob("*") if "<" in p.name]
    pages = list(root.rglob("*.html"))
    assert len(pages) >= 3
    for page in pages:
        assert "<img src=x" not in page.read_text()


def test_a_second_run_reuses_everything(run: ClipStore, videos: list[str]) -> None:
    before, rows = shard_hashes(run), comparable(run)
    seen: list[ClipRow] = []
    lines = read_ledger(run).num_rows
    curate(videos, run.root, CurateConfig(), in_process.run, seen.append)
    assert [row.status for row in seen if not row.records] == ["ok", "ok"], "no stage saw them"
    assert (shard_hashes(run), comparable(run)) == (before, rows)
    assert read_ledger(run).num_rows == lines + 1, "only the broken video was tried again"


def test_without_its_list_a_run_reuses_everything_too(
    run: ClipStore, videos: list[str], tmp_path: Path
) -> None:
    store = ClipStore(str(tmp_path / "run"))
    shutil.copytree(run.full_path("."), store.root, ignore=shutil.ignore_patterns("finished"))
    seen: list[ClipRow] = []
    curate(videos, store.root, CurateConfig(), in_process.run, seen.append)
    assert all(r.reused for row in seen if row.status == "ok" for r in row.records)
    assert (shard_hashes(store), comparable(store)) == (shard_hashes(run), comparable(run))


def test_killed_and_started_again_gives_the_same_shards(
    run: ClipStore, videos: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "workflows.cli", "curate", *videos, "--out", str(tmp_path)]
    for stage in ("segment", "align_depth"):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        _wait_for(tmp_path, f"clips/*/*/{stage}.record.json", process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "index.parquet").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, "a video failed, and the exit status says so"
    store = ClipStore(str(tmp_path))
    assert shard_hashes(store) == shard_hashes(run)
    assert comparable(store) == comparable(run)


def _wait_for(root: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not list(root.glob(pattern)):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, f"no {pattern} after five minutes"
        time.sleep(0.05)


def test_new_thresholds_measure_nothing_again(
    run: ClipStore, videos: list[str], tmp_path: Path
) -> None:
    store = ClipStore(str(tmp_path / "run"))
    shutil.copytree(run.full_path("."), store.root)
    high = ["filter.min_motion_strength=0.9"]
    planned = refilter(store, high, dry_run=True)
    assert {(c.before, c.after, c.clips) for c in planned.counts} == {
        ("4d", "3d", 1),
        ("video", "none", 1),
    }
    assert {(c.before, c.after) for c in planned.examples} == {("4d", "3d"), ("video", "none")}
    assert shard_hashes(store) == shard_hashes(run), "a dry run changes nothing"

    seen: list[ClipRow] = []
    config = CurateConfig(filter=replace(CurateConfig().filter, min_motion_strength=0.9))
    assert refilter(store, high, dry_run=False) == planned
    refiltered = shard_hashes(store)
    assert list(refiltered) == ["3d-00000.parquet"]
    assert verify_shards(store) == []
    curate(videos, store.root, config, in_process.run, seen.append)
    records = [r for row in seen if row.clip_id for r in row.records]
    assert not records, "refilter has left what curate would have made, and listed it"
    assert shard_hashes(store) == refiltered

    seen.clear()
    curate(videos, store.root, CurateConfig(), in_process.run, seen.append)
    again = {r.stage for row in seen if row.clip_id for r in row.records if not r.reused}
    assert again == {"filter"}
    assert shard_hashes(store) == shard_hashes(run)


def test_a_stage_can_be_replayed(run: ClipStore) -> None:
    clip_id = next(r.clip_id for r in read_index(run) if r.kind == "4d")
    before = run.load(clip_id, Reconstruction)
    row = replay_stage(run, "reconstruct", clip_id[:9])
    assert row.records[-1].stage == "reconstruct"
    assert not row.records[-1].reused
    after = run.load(clip_id, Reconstruction)
    np.testing.assert_array_equal(before.cam_from_world, after.cam_from_world)


def test_ray_gives_equal_rows_and_equal_artifacts(
    run: ClipStore, videos: list[str], tmp_path: Path, local_ray: None
) -> None:
    from workflows.execution.on_ray import RayExecutor

    curate(videos, str(tmp_path), CurateConfig(), RayExecutor(workers=2))
    store = ClipStore(str(tmp_path))
    assert comparable(store) == comparable(run)
    assert shard_hashes(store) == shard_hashes(run)
    for clip_id in run.clip_ids():
        for kind in ARTIFACTS:
            name = run.artifact_name(clip_id, kind)
            assert store.read_bytes(name) == run.read_bytes(name), kind.__name__


def test_what_the_pages_do_with_a_run_can_be_done(run: ClipStore) -> None:
    pytest.importorskip("torch")
    for page in ("README.md", "docs/TRAIN.md", "docs/AUDIT.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
        (code,) = [block for block in blocks if '"RUN' in block]
        exec(code.replace('"RUN', f'"{run.root}'), {})


def test_run_toml_reproduces_the_run(run: ClipStore, videos: list[str], tmp_path: Path) -> None:
    config = load_settings(CurateConfig(), run.full_path("run.toml"))
    assert config == CurateConfig()
    with open(run.full_path("run.toml"), encoding="utf-8") as file:
        text = file.read()
    assert "[provenance.packages]" in text
    assert json.dumps(videos[0])[1:-1] in text


def test_what_ends_a_run_on_ray_is_one_of_our_errors(
    run: ClipStore, videos: list[str], tmp_path: Path, local_ray: None
) -> None:
    from workflows.execution.on_ray import RayExecutor

    blocked = tmp_path / "run"
    shutil.copytree(run.full_path("."), blocked, ignore=shutil.ignore_patterns("clips", "videos"))
    (blocked / "clips").write_text("a file where a folder must be")
    with pytest.raises(StoreError, match="must be writeable"):
        curate(videos, str(blocked), CurateConfig(), RayExecutor(workers=1))


def test_a_run_may_lie_on_any_filesystem(run: ClipStore, videos: list[str], tmp_path: Path) -> None:
    fixed = [video for video in videos if video.endswith(HOSTILE)]
    store = ClipStore(f"memory://{tmp_path.name}/run")
    index = curate(fixed, store.root, CurateConfig(), in_process.run)
    write_report(store, CurateConfig().report, index)
    assert verify_shards(store) == []
    assert store.list_names("shards", ".parquet") == ["video-00000.parquet"]
    assert store.exists("report/index.html")
    assert refilter(store, ["filter.min_motion_strength=0.9"], dry_run=False).num_clips == 1
    assert store.list_names("shards", ".parquet") == []
