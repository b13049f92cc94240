"""A run whose artifacts were taken away: what still works, and what says so in a line."""

import json
import shutil
from pathlib import Path

import pytest

from camvid.artifacts import Frames, ObjectMasks, Rigidity
from camvid.books.index import read_index
from camvid.errors import ConfigError, StoreError
from camvid.shards.writer import verify_shards
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.workflows.light_run import LightCurate, shard_hashes, write_videos
from workflows.cli import inspect
from workflows.curate import curate
from workflows.execution import in_process
from workflows.refilter import refilter
from workflows.replay import replay_stage
from workflows.reporting import ReportConfig, write_report
from workflows.runs.thinning import check_keep, thin


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_videos(tmp_path_factory.mktemp("videos"), (40, 44))


@pytest.fixture(scope="module")
def whole(videos: list[str], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    store = ClipStore(str(tmp_path_factory.mktemp("whole") / "run"))
    curate(videos, store.root, LightCurate(), in_process.run)
    return store


@pytest.fixture
def run(whole: ClipStore, tmp_path: Path) -> ClipStore:
    shutil.copytree(whole.full_path("."), tmp_path / "run")
    return ClipStore(str(tmp_path / "run"))


def test_shards_alone(run: ClipStore, videos: list[str]) -> None:
    before, clips = shard_hashes(run), list(run.clip_ids())
    assert len(clips) == 2
    mine = f"{run.clip_folder(clips[0])}/notes.txt"
    run.write_bytes(mine, b"mine")
    thin(run, "shards", read_index(run))
    assert list(run.clip_ids()) == clips[:1], "the folder that holds a file of somebody's"
    assert run.list_names(run.clip_folder(clips[0])) == ["notes.txt"]
    assert verify_shards(run) == []
    seen: list[ClipRow] = []
    curate(videos, run.root, LightCurate(), in_process.run, seen.append)
    assert [row.records for row in seen] == [(), ()], "passed over"
    assert shard_hashes(run) == before


def test_what_a_bucket_needs_again_is_made_anew(run: ClipStore, videos: list[str]) -> None:
    before = shard_hashes(run)
    thin(run, "shards", read_index(run))
    run.remove("shards/video-00000.parquet")
    index = curate(videos, run.root, LightCurate(), in_process.run)
    assert {row.status for row in index} == {"ok"}
    assert shard_hashes(run) == before


def test_evidence_is_shown_with_the_frames_of_the_shards(
    run: ClipStore, capsys: pytest.CaptureFixture[str]
) -> None:
    index = read_index(run)
    (first, _) = clips = list(run.clip_ids())
    jpegs = run.load_jpegs(first)
    thin(run, "evidence", index)
    assert not run.has(first, Frames)
    assert not run.has(first, Rigidity)
    assert run.has(first, ObjectMasks)
    write_report(run, ReportConfig(), index)
    pages = run.list_names("report/clips", ".html")
    assert pages == [f"{clip_id}.html" for clip_id in clips]
    assert run.exists(f"report/clips/{first}.jpg"), "drawn"
    assert len(jpegs) in (40, 44)
    inspect.command(run.root, first, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["kept"], found["verdict"]["kind"], found["damaged"]) == ("evidence", "video", [])


def test_who_needs_artifacts_says_so(
    run: ClipStore, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    index = read_index(run)
    thin(run, "shards", index)
    for refused in (
        lambda: refilter(run, (), dry_run=False),
        lambda: replay_stage(run, "filter", index[0].clip_id),
    ):
        with pytest.raises(ConfigError, match=r"needs all artifacts.* thinned \(--keep shards\)"):
            refused()
    assert refilter(run, (), dry_run=True).num_clips == 0, "the index is enough, and agrees"
    inspect.command(run.root, index[0].clip_id)
    assert "artifacts: thinned (--keep shards)" in capsys.readouterr().out
    write_report(run, ReportConfig(), index)
    assert "pages for 0 of 2 clips; the run was thinned" in caplog.text


def test_nothing_goes_while_a_shard_is_not_whole(run: ClipStore) -> None:
    path = Path(run.full_path("shards/video-00000.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="shards must be whole before artifacts go, but shards/"):
        thin(run, "shards", read_index(run))
    assert all(run.has(clip_id, Frames) for clip_id in run.clip_ids())
    with pytest.raises(ConfigError, match=r"--keep must be one of all, evidence, shards, got 'al'"):
        check_keep("al")
