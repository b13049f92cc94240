"""The process in which stages run; its arguments are a descriptor and its parent's id.

`stage_process` starts it, sends it a `Setup` and then one task after another: a video to split, or
a clip's row to take through the stages. It answers with what it begins (`At`), with finished rows,
and with `Done`; an error that ends the run is sent as it is.
"""

import ctypes
import logging
import logging.handlers
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from camvid.attempts import Attempts
from camvid.errors import CamvidError, ConfigError
from camvid.stage import ClipRow, Stage, StageConfig, pack_if_over, run_stage
from camvid.store import ClipStore
from camvid.video.source import Source
from stages.run_split import run_split
from stages.split import Split, SplitConfig

_PR_SET_PDEATHSIG = 1
# pycolmap's logging library installs handlers that print a native stack.
_DEADLY = (
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGTERM,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the process is for; its models load once."""

    split: SplitConfig | None
    stages: tuple[StageConfig, ...]
    root: str
    attempts: Attempts = Attempts()
    log_level: int = logging.WARNING


@dataclass(frozen=True, slots=True)
class At:
    """The stage that begins now, and the clip as it comes to it."""

    stage: str
    row: ClipRow


@dataclass(frozen=True, slots=True)
class Done:
    """The task, or at first the loading of models, is over."""


class Outbox:
    """Sends messages to the parent, from any thread."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def put_nowait(self, message: object) -> None:  # the name that QueueHandler calls
        with self._lock:
            self._connection.send(message)


class Worker:
    """The stages with their models."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._split: Split | None = setup.split and setup.split.build()
        self._stages: list[Stage] = [config.build() for config in setup.stages]
        self._store = ClipStore(setup.root)

    def run(self, task: Source | ClipRow) -> Iterator[At | ClipRow]:
        attempts = self._setup.attempts
        if isinstance(task, Source):
            assert self._split
            yield from run_split(self._split, self._store, task, attempts)
            return
        if task.status == "ok":
            store = self._store.of_clip(task.clip_id)
            for stage in self._stages:
                yield At(stage.name, task)
                task = run_stage(stage, store, task, attempts=attempts)
            pack_if_over(store, task)
        yield task


def main() -> None:
    descriptor, parent = map(int, sys.argv[1:])
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    connection: Connection[Any, Any] = Connection(descriptor)
    outbox = Outbox(connection)
    try:
        worker = Worker(_receive_setup(connection, outbox))
        for number in _DEADLY:
            signal.signal(number, signal.SIG_DFL)
        outbox.put_nowait(Done())
        while True:
            for message in worker.run(connection.recv()):
                outbox.put_nowait(message)
            outbox.put_nowait(Done())
    except CamvidError as error:
        outbox.put_nowait(error)
    except (EOFError, BrokenPipeError):
        return  # the parent is through, or gone


def _receive_setup(connection: "Connection[Any, Any]", outbox: Outbox) -> Setup:
    try:
        setup = connection.recv()
    except (AttributeError, ImportError) as error:
        message = f"stages must come from modules that a new process can import: {error}"
        raise ConfigError(message) from error
    root = logging.getLogger()
    root.addHandler(logging.handlers.QueueHandler(outbox))  # pyright: ignore[reportArgumentType]
    root.setLevel(setup.log_level)
    return setup


def _die_with(parent: int) -> None:
    """This process ends when its parent does, also in the middle of native code."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(0)
    try:  # where memory runs out, the kernel takes this process and not the run's own
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        return
