"""Runs whose clips lie in one file each: left, resumed, refiltered, and damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from camvid.artifacts import DepthMaps, Frames, Verdict
from camvid.books.index import read_index
from camvid.clip_files import ARCHIVE
from camvid.shards.manifest import MANIFEST
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.workflows.light_run import LightCurate, shard_hashes, write_videos
from workflows.curate import curate
from workflows.execution import in_process
from workflows.refilter import refilter
from workflows.repair import repair_shards
from workflows.replay import replay_stage


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_videos(tmp_path_factory.mktemp("videos"), (40, 44))


def run_anew(root: Path, videos: list[str]) -> list[ClipRow]:
    rows: list[ClipRow] = []
    curate(videos, str(root), LightCurate(), in_process.run, rows.append)
    assert [row.status for row in rows] == ["ok"] * len(videos)
    return rows


@pytest.fixture(scope="module")
def whole(videos: list[str], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    root = tmp_path_factory.mktemp("whole") / "run"
    run_anew(root, videos)
    return ClipStore(str(root))


@pytest.fixture
def run(whole: ClipStore, tmp_path: Path) -> ClipStore:
    shutil.copytree(whole.full_path("."), tmp_path / "run")
    return ClipStore(str(tmp_path / "run"))


def beside(store: ClipStore) -> list[list[str]]:
    """Names of the files of each clip."""
    return [store.list_names(store.clip_folder(clip_id)) for clip_id in store.clip_ids()]


def archive_of(store: ClipStore) -> Path:
    return Path(store.full_path(f"{store.clip_folder(next(store.clip_ids()))}/{ARCHIVE}"))


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut_off, emptied, None])
def test_a_damaged_archive_is_made_anew(
    damage: Callable[[bytes], bytes] | None, run: ClipStore, whole: ClipStore, videos: list[str]
) -> None:
    path = archive_of(run)
    data = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage(data))
    rows = run_anew(Path(run.root), videos)
    assert sorted(len(row.records) for row in rows) == [0, 10], "the other clip is passed over"
    assert beside(run) == [[ARCHIVE]] * 2
    for kind in (Frames, DepthMaps, Verdict):
        name = run.artifact_name(next(run.clip_ids()), kind)
        assert run.read_bytes(name) == whole.read_bytes(name)
    assert all(not row.records for row in run_anew(Path(run.root), videos))


def test_an_altered_byte_is_made_anew_once_it_is_read(
    run: ClipStore, whole: ClipStore, videos: list[str]
) -> None:
    path = archive_of(run)
    data = bytearray(path.read_bytes())
    data[data.index(b'"limits"') + 2] ^= 1  # of the verdict
    data[data.index(b"depth_maps.npz") + 40] ^= 1
    path.write_bytes(data)
    assert all(not row.records for row in run_anew(Path(run.root), videos)), "nobody read it"
    shard = f"shards/{run.list_names('shards', '.parquet')[0]}"
    run.write_bytes(shard, b"")
    assert "clip.zip must be as it was written" in repair_shards(run)[1][0]
    run.remove(MANIFEST)
    index = curate(videos, run.root, LightCurate(), in_process.run)
    assert [row.status for row in index] == ["ok"] * 2
    assert shard_hashes(run) == shard_hashes(whole)
    assert beside(run) == [[ARCHIVE]] * 2


@pytest.mark.parametrize("step", ["pack", "remove_all"])
def test_killed_while_it_packs_and_started_again(
    step: str, whole: ClipStore, videos: list[str], tmp_path: Path
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipStore, step, killed)
        with pytest.raises(KeyboardInterrupt):
            run_anew(tmp_path, videos)
    store = ClipStore(str(tmp_path))
    assert [len(names) >= 20 for names in beside(store)] == [True]
    (first, _) = run_anew(tmp_path, videos)
    assert all(record.reused for record in first.records)
    assert beside(store) == [[ARCHIVE]] * 2
    assert shard_hashes(store) == shard_hashes(whole)


def test_a_run_of_an_older_version_is_resumed(
    whole: ClipStore, videos: list[str], tmp_path: Path
) -> None:
    """It has each file by itself; where nothing is left to do, that stays so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipStore, "pack", lambda *_: None)
        run_anew(tmp_path, videos)
    store = ClipStore(str(tmp_path))
    before = beside(store)
    assert all(not row.records for row in run_anew(tmp_path, videos))
    assert beside(store) == before
    shutil.rmtree(tmp_path / "finished")
    assert all(record.reused for row in run_anew(tmp_path, videos) for record in row.records)
    assert beside(store) == [[ARCHIVE]] * 2
    assert shard_hashes(store) == shard_hashes(whole)


def test_what_is_decided_again_lies_beside_until_the_stages_come(
    run: ClipStore, videos: list[str]
) -> None:
    """New thresholds do not write gigabytes anew."""
    refilter(run, ["filter.min_motion_strength=0.9"], dry_run=False)
    assert beside(run) == [[ARCHIVE, "filter.record.json", "verdict.json"]] * 2
    assert {row.kind for row in read_index(run)} == {"none"}
    clip_id = next(run.clip_ids())
    assert run.load(clip_id, Verdict).kind == "none"
    assert replay_stage(run, "describe", clip_id).status == "ok"
    run_anew(Path(run.root), videos)
    assert {row.kind for row in read_index(run)} == {"video"}
    assert beside(run) == [[ARCHIVE]] * 2
    assert run.load(clip_id, Verdict).kind == "video"
