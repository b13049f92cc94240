"""One command at a time on a folder, and what failed in one is tried last in the next."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from camvid.errors import ConfigError, RunAborted, VideoError
from camvid.plain import to_plain
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.source import Source
from tests.workflows.light_run import LightCurate, write_videos
from tests.workflows.test_breaker import row as row_of
from tests.workflows.test_cli import camvid
from workflows.curate import curate
from workflows.execution import in_process
from workflows.runs import run_state
from workflows.runs.breaker import BreakerConfig
from workflows.runs.run_state import STATE, RunState, StateWriter, read_state, refuse_while_running
from workflows.runs.tried_last import FAILED, in_order


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore(str(tmp_path / "run"))


def leave(store: ClipStore, **changes: object) -> None:
    """The state of a command over this folder."""
    state = replace(RunState(host="elsewhere", pid=7, updated_s=time.time(), run="theirs"))
    state = replace(state, **changes)  # pyright: ignore[reportArgumentType]
    store.write_bytes(STATE, json.dumps(to_plain(state)).encode())


def test_the_second_refuses_and_says_who_holds_it(store: ClipStore, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, stdout=nowhere)
    try:
        write_videos(tmp_path, (40,))
        curate([str(tmp_path / "40.mp4")], store.root, LightCurate(), in_process.run)
        leave(store, host=socket.gethostname(), pid=other.pid)
        before = store.read_bytes(STATE)
        for command in (
            ("curate", "a.mp4", "--out", "run"),
            ("refilter", "run", "--set", "filter.min_points=1"),
            ("stage", "filter", "run", "--clip", "0"),
        ):
            done = camvid(*command, cwd=tmp_path)
            assert done.returncode == 2, done.stderr
            assert f"the command with process id {other.pid} on {socket.gethostname()}" in (
                done.stderr
            )
            assert len(done.stderr.splitlines()) == 1
        assert store.read_bytes(STATE) == before
    finally:
        other.kill()
        other.wait()
    refuse_while_running(store)


def test_who_is_dead_or_silent_has_lost_its_hold(store: ClipStore) -> None:
    leave(store)
    with pytest.raises(ConfigError, match=r"or is silent for 60 s"):
        StateWriter(store, 1)
    leave(store, updated_s=time.time() - 61)
    refuse_while_running(store)
    mine = {"host": socket.gethostname(), "pid": os.getppid()}
    leave(store, **mine)
    with pytest.raises(ConfigError):
        refuse_while_running(store)
    leave(store, **mine, pid_started="1")  # another process has that id by now
    refuse_while_running(store)


def test_a_command_that_was_asleep_stops_when_another_took_over(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_state, "HEARTBEAT_S", 0.02)

    def work() -> None:
        with StateWriter(store, 1) as state:
            leave(store)
            deadline_s = time.monotonic() + 10
            while time.monotonic() < deadline_s:
                state.count(ClipRow(clip_id="c", video_uri="a.mp4"))
                time.sleep(0.01)

    with pytest.raises(RunAborted, match="process id 7 on elsewhere has taken over"):
        work()
    now = read_state(store)
    assert now
    assert now.run == "theirs", "it leaves the other's state as it is"


def test_two_that_begin_in_the_same_moment(store: ClipStore) -> None:
    first, second = StateWriter(store, 1), StateWriter(store, 1)
    with first, second:
        first._renew()  # what its thread does every ten seconds
        with pytest.raises(RunAborted):
            first.check()
        second.check()


def test_known_failures_are_tried_last(store: ClipStore) -> None:
    """A breaker that opens on the first ten reaches the others when the command is run again."""
    videos = [f"{i:02}.mp4" for i in range(15)]
    error = OSError("libcuda.so.1: cannot open shared object file")
    seen: list[str] = []

    def execute(some: Iterable[Source], *_: object) -> list[ClipRow]:
        names = [source.name for source in some]
        seen.extend(names)
        return [
            replace(row_of("split", error if name < "10" else VideoError("x")), video_uri=name)
            for name in names
        ]

    config = LightCurate(breaker=BreakerConfig(after_machine_faults=10))
    with pytest.raises(RunAborted):
        curate(videos, store.root, config, execute)  # pyright: ignore[reportArgumentType]
    again = in_order(store, map(Source.of, videos))
    assert [source.name for source in again] == videos[10:] + videos[:10]
    index = curate(videos, store.root, config, execute)  # pyright: ignore[reportArgumentType]
    assert len(index) == 15
    assert seen[15:] == videos[10:] + videos[:10]
    store.write_bytes(FAILED, b"{")
    assert [source.name for source in in_order(store, map(Source.of, videos))] == videos
