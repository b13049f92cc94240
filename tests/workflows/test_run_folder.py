"""A run writes into its own folder alone, says how far it is, and is told apart when killed."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from camvid.books.index import write_index
from camvid.errors import ConfigError, StoreError
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.workflows.plain_videos import write_moving_square
from tests.workflows.test_cli import camvid
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.runs import run_state
from workflows.runs.run_folder import RUN_TOML, claim
from workflows.runs.run_state import STATE, StateWriter, read_state
from workflows.runs.run_status import run_status

FOREIGN = {"README.md": b"mine", "shards/4d-00000.parquet": b"mine", "scratch/notes.txt": b"mine"}


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ClipStore:
    root = tmp_path / "run" if request.param == "local" else f"memory://{tmp_path.name}/run"
    return ClipStore(str(root))


def contents(store: ClipStore) -> dict[str, bytes]:
    return {name: store.read_bytes(name) for name in FOREIGN if store.exists(name)}


def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(store: ClipStore) -> None:
    for name, data in FOREIGN.items():
        store.write_bytes(name, data)
    before = store.list_names("")
    with pytest.raises(ConfigError, match="--out must be a new or empty folder"):
        curate(["a.mp4"], store.root, CurateConfig(), in_process.run)
    assert store.list_names("") == before
    assert contents(store) == FOREIGN


def test_the_command_says_it_in_a_line(tmp_path: Path) -> None:
    write_moving_square(tmp_path / "a.mp4", num_frames=2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("mine")
    done = camvid("curate", "a.mp4", "--out", "out", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "out holds README.md" in done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["README.md"]
    done = camvid("curate", "a.mp4", "--out", "a.mp4", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_the_demo_leaves_videos_of_others_alone(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "broken.mp4").write_text("mine")
    done = camvid("demo", "--out", ".", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert [p.name for p in (tmp_path / "videos").iterdir()] == ["broken.mp4"]


def test_what_a_killed_run_left_is_a_run(store: ClipStore) -> None:
    claim(store)
    store.write_bytes(".part-xyz", b"[split]\nhalf of run.to")  # killed while writing run.toml
    claim(store)
    store.write_bytes(RUN_TOML, b"[provenance]\ncamvid = '1'\n")
    claim(store)
    store.write_bytes(RUN_TOML, b"")  # a disk that lost power
    with pytest.raises(ConfigError):
        claim(store)
    store.write_bytes("clips/ab/abc/clip.json", b"{}")
    store.write_bytes("videos/abc.json", b"{}")
    claim(store)
    store.write_bytes(RUN_TOML, b"version = 3\n")  # cut off between two lines
    with pytest.raises(ConfigError):
        claim(store)
    store.write_bytes("ledger/part-00000.parquet", b"")
    store.write_bytes("run_state.json", b"{}")
    claim(store)


def test_a_run_toml_of_somebody_else_is_no_run(store: ClipStore) -> None:
    store.write_bytes(RUN_TOML, b"[tool]\nname = 'other'\n")
    with pytest.raises(ConfigError, match=r"holds run\.toml"):
        claim(store)


def test_files_that_no_list_of_ours_names_are_kept(store: ClipStore, tmp_path: Path) -> None:
    """In the run's own folder too: a card edited by hand, tables and notes of somebody."""
    video = str(write_moving_square(tmp_path / "a.mp4"))
    store.write_bytes(RUN_TOML, b"[provenance]\ncamvid = '1'\n")
    for name, data in FOREIGN.items():
        store.write_bytes(name, data)
    store.write_bytes("ledger/mine.parquet", b"mine")
    index = curate([video], store.root, CurateConfig(), in_process.run)
    assert [row.kind for row in index] == ["video"]
    assert contents(store) == FOREIGN
    assert store.read_bytes("ledger/mine.parquet") == b"mine"

    store.remove("README.md")
    store.write_bytes("shards/video-00001.parquet", b"mine")
    strict = replace(CurateConfig().filter, min_motion_strength=0.9)
    curate([video], store.root, replace(CurateConfig(), filter=strict), in_process.run)
    assert store.list_names("shards") == [
        "4d-00000.parquet",
        "_manifest.json",
        "video-00001.parquet",
    ], "ours is gone, theirs are not"
    card = store.read_bytes("README.md")
    curate([video], store.root, CurateConfig(), in_process.run)
    assert store.read_bytes("README.md") != card, "our own card is written anew"
    store.write_bytes("README.md", store.read_bytes("README.md") + b"a note of mine\n")
    edited = store.read_bytes("README.md")
    curate([video], store.root, CurateConfig(), in_process.run)
    assert store.read_bytes("README.md") == edited


def test_a_foreign_shard_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    video = str(write_moving_square(tmp_path / "a.mp4"))
    store = ClipStore(str(tmp_path / "run"))
    store.write_bytes(RUN_TOML, b"[provenance]\ncamvid = '1'\n")
    store.write_bytes("shards/video-00000.parquet", b"mine")
    with pytest.raises(StoreError, match=r"video-00000.parquet must be a shard of this run"):
        curate([video], store.root, CurateConfig(), in_process.run)
    assert store.read_bytes("shards/video-00000.parquet") == b"mine"
    state = read_state(store)
    assert state
    assert state.status == "stopped"


def test_shards_of_a_run_killed_while_writing_them_are_replaced(tmp_path: Path) -> None:
    video = str(write_moving_square(tmp_path / "a.mp4"))
    store = ClipStore(str(tmp_path / "run"))
    store.write_bytes(RUN_TOML, b"[provenance]\ncamvid = '1'\n")
    store.write_bytes("shards/writing.json", b'{"shards": [{"name": "video-00000.parquet"}]}')
    store.write_bytes("shards/video-00000.parquet", b"of before")
    curate([video], store.root, CurateConfig(), in_process.run)
    assert store.list_names("shards") == ["_manifest.json", "video-00000.parquet"]


# ---- how far it is ---------------------------------------------------------------------------


def test_status_sees_the_first_clip_and_a_second_run(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_state, "HEARTBEAT_S", 0.05)
    store.write_bytes(RUN_TOML, b"[provenance]\n")
    write_index(store, [])  # of a run before
    row = ClipRow(clip_id="a", video_uri="a.mp4", status="rejected")
    with StateWriter(store, 3) as writer:
        assert run_status(store).render_text() == "under way: 0 of 3 videos, no row yet"
        writer.count(row)
        deadline = time.monotonic() + 10
        while "1 of 3 videos, 1 rejected" not in run_status(store).render_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert not run_status(store).finished
    assert run_status(store).finished
    assert run_status(store).render_text().startswith("finished: 1 of 3 videos, 1 rejected")


def test_a_run_that_ended_early_says_why(store: ClipStore) -> None:
    store.write_bytes(RUN_TOML, b"[provenance]\n")

    def end() -> None:
        with StateWriter(store, 3):
            raise StoreError("the disk\nis full")

    with pytest.raises(StoreError):
        end()
    assert "stopped before its end (the disk is full)" in run_status(store).render_text()
    assert not run_status(store).finished


def test_a_killed_run_is_not_under_way(tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    store.write_bytes(RUN_TOML, b"[provenance]\n")
    code = (
        "import sys, time\nfrom camvid.store import ClipStore\n"
        "from workflows.runs.run_state import StateWriter\n"
        "with StateWriter(ClipStore(sys.argv[1]), 2):\n    print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, store.root], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    assert "under way" in run_status(store).render_text()
    process.kill()
    process.wait()
    assert "stopped before its end (it was killed)" in run_status(store).render_text()
    state = read_state(store)
    assert state
    elsewhere = replace(state, host="another", pid=os.getpid())
    assert replace(elsewhere, updated_s=time.time()).is_alive
    assert not replace(elsewhere, updated_s=time.time() - 3600).is_alive


def test_a_damaged_state_is_none(store: ClipStore) -> None:
    store.write_bytes(STATE, b"{")
    assert read_state(store) is None


def test_the_ledger_shows_the_first_clip_at_once(store: ClipStore) -> None:
    from camvid.books.ledger import LedgerWriter, read_ledger
    from camvid.store import StageRecord

    record = StageRecord(
        clip_id="a", stage="split", version=1, artifact="Clip", fingerprint="f", status="ok"
    )
    ledger = LedgerWriter(store, part_s=3600)
    ledger.append([record])
    assert len(read_ledger(store)) == 1
    ledger.append([record])
    assert len(read_ledger(store)) == 1, "then parts are written now and then"
    ledger.flush()
    assert store.list_names("ledger") == ["part-00000.parquet", "part-00001.parquet"]
    soon = LedgerWriter(store, part_s=0)
    soon.append([record])
    soon.append([record])
    assert len(store.list_names("ledger")) == 4
