"""A clip that kills its process, hangs or takes all memory fails alone, by name, after three."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from camvid.books.index import read_index
from camvid.books.ledger import read_ledger
from camvid.errors import ConfigError, RunAborted
from camvid.record import ClipRecord
from camvid.store import ClipStore
from stages.split import SplitConfig
from tests.workflows.light_run import LightCurate, shard_hashes, wait_for, write_videos
from tests.workflows.light_stages import FAULTS, Unbuildable, plan_fault
from workflows.cli.stopping import Stopped, print_stopped, stoppable
from workflows.curate import curate
from workflows.execution import in_process
from workflows.execution.isolated import Isolated
from workflows.execution.limits import LimitsConfig
from workflows.execution.stage_process import StageProcess
from workflows.execution.stage_worker import Setup
from workflows.refilter import refilter
from workflows.runs.run_state import read_state

LIMITS = LimitsConfig(stage_s=60.0, memory_gb=1.0)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals_as_usual() -> Iterator[None]:
    """Whoever runs the tests in the background may have had them ignored."""
    usual = {n: signal.SIG_DFL for n in SIGNALS} | {signal.SIGINT: signal.default_int_handler}
    before = {n: signal.signal(n, handler) for n, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv(FAULTS, str(folder))
    return folder


@pytest.fixture(scope="module")
def whole(videos: list[str], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """The run without a fault."""
    store = ClipStore(str(tmp_path_factory.mktemp("whole") / "run"))
    curate(videos, store.root, LightCurate(), in_process.run)
    return store


def run(
    videos: list[str], root: Path, *, retry_failed: bool = False, limits: LimitsConfig = LIMITS
) -> dict[str, ClipRecord]:
    execute = Isolated(limits=limits)
    index = curate(videos, str(root), LightCurate(), execute, retry_failed=retry_failed)
    assert len(index) == len(videos), "nothing lost, nothing doubled"
    return {Path(row.source_uri).name: row for row in index}


FOUND = {
    "exit": ("crashed", r"must come back, but ended its process \(exit status 3\), 3 times"),
    "abort": ("crashed", r"ended its process \(SIGABRT\), 3 times"),
    "segfault": ("crashed", r"ended its process \(SIGSEGV\), 3 times"),
    "allocate": ("memory", r"must stay within 1 GB \(limits.memory_gb\), but held"),
    "hang": ("timeout", r"must end within 2 s \(limits.stage_s\), but did not, 3 times"),
}


@pytest.mark.parametrize("fault", FOUND)
def test_a_clip_that_harms_fails_alone(
    fault: str, videos: list[str], faults: Path, tmp_path: Path
) -> None:
    plan_fault(faults, 40, fault)  # the first in order
    limits = replace(LIMITS, stage_s=2.0) if fault == "hang" else LIMITS
    rows = run(videos[:2], tmp_path / "run", limits=limits)
    assert {name: row.status for name, row in rows.items()} == {"40.mp4": "failed", "44.mp4": "ok"}
    cause, message = FOUND[fault]
    bad = rows["40.mp4"]
    assert (bad.cause, bad.stopped_at) == (cause, "reconstruct")
    assert re.search(rf"^clip {bad.clip_id}: reconstruct .*{message}", bad.error), bad.error


def test_what_was_given_up_is_left_out_until_asked_for(
    videos: list[str], whole: ClipStore, faults: Path, tmp_path: Path
) -> None:
    plan = faults / "44.json"
    plan_fault(faults, 44, "exit")
    bad = run(videos, tmp_path / "run")["44.mp4"]
    assert num_left(plan) == 1000 - 3
    assert run(videos, tmp_path / "run")["44.mp4"].error == bad.error
    assert num_left(plan) == 1000 - 3, "it was not tried again"
    assert run(videos, tmp_path / "run", retry_failed=True)["44.mp4"].error == bad.error
    assert num_left(plan) == 1000 - 6, "again three times"
    plan.unlink()
    assert run(videos, tmp_path / "run", retry_failed=True)["44.mp4"].status == "ok"
    assert shard_hashes(ClipStore(str(tmp_path / "run"))) == shard_hashes(whole)


def num_left(plan: Path) -> int:
    return json.loads(plan.read_text())[1]


def test_what_happens_twice_leaves_no_trace_in_the_shards(
    videos: list[str], whole: ClipStore, faults: Path, tmp_path: Path
) -> None:
    plan_fault(faults, 0, "segfault", times=2)  # in split, once a clip was cut
    plan_fault(faults, 48, "exit", times=2)
    rows = run(videos, tmp_path / "run")
    assert {row.status for row in rows.values()} == {"ok"}
    assert shard_hashes(ClipStore(str(tmp_path / "run"))) == shard_hashes(whole)


def test_a_video_on_which_split_dies(videos: list[str], faults: Path, tmp_path: Path) -> None:
    plan_fault(faults, 0, "abort", times=3)
    root = tmp_path / "run"
    index = curate(videos[:2], str(root), LightCurate(), Isolated(limits=LIMITS))
    names = [(Path(row.source_uri).name, row.status, row.stopped_at) for row in index]
    cut = ("40.mp4", "ok", "")  # before it died
    assert names == [("40.mp4", "failed", "split"), cut, ("44.mp4", "ok", "")]
    assert index[0].error.startswith(f"{videos[0]}: split must come back, but ended")
    refilter(ClipStore(str(root)), [], dry_run=False)
    again = curate(videos[:2], str(root), LightCurate(), Isolated(limits=LIMITS))
    for rows in (read_index(ClipStore(str(root))), again):
        assert [(row.status, row.error) for row in rows] == [(r.status, r.error) for r in index]
    tried = run(videos[:2], root, retry_failed=True)
    assert {row.status for row in tried.values()} == {"ok"}


def test_models_that_cannot_load(videos: list[str], tmp_path: Path) -> None:
    """Nothing is written, and the error is that of a run in one process."""
    config = LightCurate(split=SplitConfig(backend="nosuch"))
    with pytest.raises(ConfigError, match="nosuch"):
        curate(videos, str(tmp_path / "run"), config, Isolated())
    setup = Setup(split=None, stages=(Unbuildable(),), root=str(tmp_path))
    with pytest.raises(RunAborted, match=r"ended its process \(exit status 3\)"):
        StageProcess(setup, LIMITS).start()
    assert not (tmp_path / "run").exists()


def test_what_the_stages_log_comes_from_the_run(
    videos: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        curate(videos[:1], str(tmp_path / "run"), LightCurate(), Isolated(limits=LIMITS))
    assert any("segment ok" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("number", [signal.SIGKILL, *SIGNALS], ids=lambda n: n.name)
def test_a_run_that_is_stopped_in_the_middle_of_a_stage(
    number: signal.Signals, videos: list[str], faults: Path, tmp_path: Path
) -> None:
    """It leaves nobody behind, and where it could, it flushed its books and said how to go on."""
    plan_fault(faults, 44, "hang")
    command = [sys.executable, "-c", f"from {__name__} import command as c; c()", *videos]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    driver = subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        wait_for((faults / "pid").exists)
        driver.send_signal(number)
        _, said = driver.communicate(timeout=300)
    finally:
        driver.kill()
    child = (faults / "pid").read_text()
    wait_for(lambda: not Path("/proc", child).exists())
    if number == signal.SIGKILL:
        return
    assert driver.returncode == 128 + number
    assert said == f"camvid: stopped by {number.name}; the same command goes on from there\n"
    store = ClipStore(str(tmp_path / "run"))
    assert len(set(read_ledger(store)["clip_id"].to_pylist())) == 1, "the clip that was finished"
    state = read_state(store)
    assert state
    assert (state.status, state.why) == ("stopped", number.name)


def test_a_signal_that_is_ignored_stays_so() -> None:
    """As SIGHUP is under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_a_stopped_run_dropped_is_no_attempt(
    videos: list[str], faults: Path, tmp_path: Path
) -> None:
    plan_fault(faults, 40, "hang")
    for _ in range(4):
        (faults / "pid").unlink(missing_ok=True)
        with pytest.raises(KeyboardInterrupt), interrupted_at(faults / "pid"):
            run(videos[:1], tmp_path / "run")
    (faults / "40.json").unlink()
    assert run(videos[:1], tmp_path / "run")["40.mp4"].status == "ok"


@contextmanager
def interrupted_at(mark: Path) -> Generator[None, None, None]:
    """As by Ctrl-C, once the file is there."""

    def interrupt() -> None:
        wait_for(mark.exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    yield
    thread.join()


def command() -> None:
    """What `camvid curate` does, with the light stages."""
    try:
        with stoppable():
            curate(sys.argv[1:], "run", LightCurate(), Isolated())
    except Stopped as stopped:
        print_stopped(stopped)
        sys.exit(stopped.exit_code)
