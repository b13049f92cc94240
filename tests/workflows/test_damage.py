"""Files of a run that were cut off, emptied or altered: made anew, never used, never the end."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from camvid.artifacts import (
    Clip,
    DepthMaps,
    Frames,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.books.index import INDEX, read_index
from camvid.books.ledger import read_ledger
from camvid.clip_files import ARCHIVE
from camvid.pipeline import CLIP_STAGES
from camvid.shards.manifest import MANIFEST
from camvid.shards.writer import verify_shards
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.workflows.plain_videos import write_moving_square
from tests.workflows.test_cli import camvid
from workflows.curate import CurateConfig, Executor, curate
from workflows.execution import in_process
from workflows.refilter import refilter
from workflows.repair import repair_shards
from workflows.replay import replay_stage
from workflows.reporting import write_report
from workflows.runs.run_status import run_status

Damage = Callable[[bytes], bytes]


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    return b""


def altered(data: bytes) -> bytes:
    """As long as before, and where it is JSON, it can still be read."""
    at = next(i for i in reversed(range(len(data))) if data[i : i + 1].isdigit())
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def of_another_schema(data: bytes) -> bytes:
    return b'{"made_by": "somebody else"}'


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_moving_square(tmp_path_factory.mktemp("video") / "a.mp4"))


@pytest.fixture(scope="module")
def whole(video: str, tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """Each file by itself, as while the stages work on a clip, and as older versions left it."""
    store = ClipStore(str(tmp_path_factory.mktemp("runs") / "whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipStore, "pack", lambda *_: None)
        curate([video], store.root, CurateConfig(), in_process.run)
    return store


@pytest.fixture
def run(whole: ClipStore, tmp_path: Path) -> ClipStore:
    """A copy of the whole run, to be damaged."""
    shutil.copytree(whole.full_path("."), tmp_path / "run")
    return ClipStore(str(tmp_path / "run"))


def clip_of(store: ClipStore) -> str:
    return next(iter(store.clip_ids()))


def harm(store: ClipStore, kind: type, damage: Damage) -> None:
    name = store.artifact_name(clip_of(store), kind)
    store.write_bytes(name, damage(store.read_bytes(name)))


def assert_as_before(store: ClipStore, whole: ClipStore) -> None:
    assert verify_shards(store) == []
    assert [row.status for row in read_index(store)] == ["ok"]
    names = [f"shards/{name}" for name in whole.list_names("shards", ".parquet")]
    kinds = (Clip, Frames, ObjectMasks, Reconstruction, DepthMaps, PointTracks, MotionReport)
    names += [whole.artifact_name(clip_of(whole), kind) for kind in (*kinds, Verdict)]
    for name in names:
        assert store.read_bytes(name) == whole.read_bytes(name), name


def ray_executor(request: pytest.FixtureRequest) -> Executor:
    request.getfixturevalue("local_ray")
    from workflows.execution.on_ray import RayExecutor

    return RayExecutor(workers=1)


@pytest.mark.parametrize("where", ["process", "ray"])
def test_what_was_damaged_is_made_anew(
    where: str, run: ClipStore, whole: ClipStore, video: str, request: pytest.FixtureRequest
) -> None:
    harm(run, DepthMaps, cut_off)
    harm(run, MotionReport, emptied)
    harm(run, PointTracks, altered)  # of the right size: found when verify reads it
    run.remove(run.artifact_name(clip_of(run), ObjectMasks))
    rows: list[ClipRow] = []
    execute = in_process.run if where == "process" else ray_executor(request)
    curate([video], run.root, CurateConfig(), execute, rows.append)
    assert [row.status for row in rows] == ["ok"], "the clip is one row, however often tried"
    made = {record.stage for record in rows[0].records if not record.reused}
    lost = {"track", "verify", "align_depth", "measure_motion"}
    assert made == lost, "the others are whole"
    assert_as_before(run, whole)
    assert run.list_names(run.clip_folder(clip_of(run))) == [ARCHIVE]


@pytest.mark.parametrize(
    ("kind", "damage"),
    [(Clip, of_another_schema), (Clip, emptied), (Frames, cut_off), (Frames, altered)],
    ids=lambda x: x.__name__,
)
def test_a_damaged_clip_is_cut_again(
    kind: type, damage: Damage, run: ClipStore, whole: ClipStore, video: str
) -> None:
    harm(run, kind, damage)
    run.remove(run.artifact_name(clip_of(run), ObjectMasks))  # so that a stage reads the frames
    curate([video], run.root, CurateConfig(), in_process.run)
    assert_as_before(run, whole)


def test_an_altered_verdict_is_not_used(run: ClipStore, whole: ClipStore, video: str) -> None:
    """No stage reads it: the index is of what was listed, and whoever does read it has it made."""
    name = run.artifact_name(clip_of(run), Verdict)
    text = run.read_bytes(name)
    assert b'"video"' in text
    run.write_bytes(name, text.replace(b'"video"', b'"movie"', 1))
    (row,) = curate([video], run.root, CurateConfig(), in_process.run)
    assert (row.status, row.kind) == ("ok", "video")
    run.remove(MANIFEST)  # so that the shards are written again
    curate([video], run.root, CurateConfig(), in_process.run)
    assert_as_before(run, whole)


@pytest.mark.parametrize("kind", [ObjectMasks, Frames, Verdict], ids=lambda x: x.__name__)
def test_what_only_the_shards_read_is_made_anew(
    kind: type, run: ClipStore, whole: ClipStore, video: str
) -> None:
    harm(run, kind, altered)
    run.remove(MANIFEST)
    curate([video], run.root, CurateConfig(), in_process.run)
    assert_as_before(run, whole)


def test_a_clip_that_stays_damaged_is_a_failed_row(
    run: ClipStore, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that gives back other bytes than were written."""
    run.remove(MANIFEST)
    harm(run, ObjectMasks, altered)
    remove = ClipStore.remove
    kept = run.artifact_name(clip_of(run), ObjectMasks)
    monkeypatch.setattr(
        ClipStore, "remove", lambda store, name: None if name == kept else remove(store, name)
    )
    (row,) = curate([video], run.root, CurateConfig(), in_process.run)
    assert (row.status, row.stopped_at, row.cause) == ("failed", "write_shards", "DamagedArtifact")
    assert verify_shards(run) == []
    assert run_status(run).failures == (row.error,)
    assert run_status(run).failed_by_cause == {"DamagedArtifact": 1}


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("damage", [cut_off, emptied, of_another_schema], ids=lambda x: x.__name__)
def test_damaged_books_are_written_anew(
    damage: Damage, listed: bool, run: ClipStore, whole: ClipStore, video: str
) -> None:
    books = [MANIFEST, INDEX, "ledger/part-00000.parquet", "run_state.json", "run.toml"]
    books += [f"videos/{name}" for name in run.list_names("videos")]
    books += [f"{run.clip_folder(clip_of(run))}/segment.record.json"]
    books += ["finished/part-00000.parquet"] if listed else []
    for name in books:
        run.write_bytes(name, damage(run.read_bytes(name)))
    curate([video], run.root, CurateConfig(), in_process.run)
    assert_as_before(run, whole)
    status = run_status(run)
    assert status.finished
    lines = read_ledger(run)
    assert len(lines) == len(set(lines["stage"].to_pylist())) == 1 + len(CLIP_STAGES)


def test_other_commands_say_it_in_a_line(run: ClipStore) -> None:
    clip_id = clip_of(run)
    harm(run, ObjectMasks, cut_off)
    write_report(run, CurateConfig().report, read_index(run))
    assert run.exists(f"report/clips/{clip_id}.html")
    harm(run, MotionReport, emptied)
    refilter(run, ["filter.min_motion_strength=0.9"], dry_run=False)
    (index_row,) = read_index(run)
    assert (index_row.status, index_row.stopped_at) == ("failed", "filter")

    row = replay_stage(run, "measure_motion", clip_id)
    assert (row.status, row.cause) == ("failed", "DamagedArtifact")
    assert "object_masks.npz" in row.error

    for name in (MANIFEST, INDEX):
        run.write_bytes(name, b"[]")
    for command in (["shards", "verify"], ["report"], ["refilter", "--set", "filter.x=1"]):
        done = camvid(*command, run.root)
        assert done.returncode in (2, 4), done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_refilter_loses_no_row_whose_record_is_lost(run: ClipStore) -> None:
    for name in run.list_names("videos"):
        run.write_bytes(f"videos/{name}", b"{")
    refilter(run, [], dry_run=False)
    (row,) = read_index(run)
    assert row.status == "failed"
    assert "the record of split must be readable" in row.error


@pytest.mark.parametrize("damage", [altered, cut_off, emptied], ids=lambda x: x.__name__)
def test_a_damaged_shard_is_repaired_to_the_byte(
    damage: Damage, run: ClipStore, whole: ClipStore
) -> None:
    name = "shards/video-00000.parquet"
    run.write_bytes(name, damage(run.read_bytes(name)))
    assert camvid("shards", "verify", run.root).returncode == 4
    done = camvid("shards", "verify", run.root, "--repair")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [f"repaired: {name}", "1 shard, 1 clip: all well"],
    )
    assert run.read_bytes(name) == whole.read_bytes(name)


def test_a_shard_that_cannot_be_repaired_is_left_with_a_line(run: ClipStore) -> None:
    name = "shards/video-00000.parquet"
    damaged = altered(run.read_bytes(name))
    run.write_bytes(name, damaged)
    whole = run.read_bytes(run.artifact_name(clip_of(run), ObjectMasks))
    harm(run, ObjectMasks, altered)
    repaired, failed = repair_shards(run)
    assert repaired == []
    assert "object_masks.npz" in failed[0]
    assert "`camvid curate` makes it anew" in failed[0]
    run.write_bytes(run.artifact_name(clip_of(run), ObjectMasks), whole)
    text = run.read_bytes("run.toml").replace(b"weights = [", b'weights = ["another", ')
    run.write_bytes("run.toml", text)
    repaired, failed = repair_shards(run)
    assert repaired == []
    assert "must give the bytes that the manifest names" in failed[0]
    assert run.read_bytes(name) == damaged
    assert not [n for n in run.list_names("shards") if n.startswith(".part")]
