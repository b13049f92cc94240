"""Runs stages in a process of their own, so that a clip that kills it or hangs harms no other.

The standard library's subprocess and Connection do it. Pools do not: concurrent.futures and loky
know no time limit and break as a whole when a worker dies; pebble has limits, per call and not per
stage, none on memory, and multiprocessing's start methods run the caller's main module again.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from camvid.attempts import CRASHED, MAX_ATTEMPTS, MEMORY, TIMEOUT
from camvid.errors import CamvidError, RunAborted
from camvid.memory import machine_bytes, num_oom_kills, rss_bytes
from camvid.stage import ClipRow, attempt_ended
from camvid.store import ClipStore
from camvid.video.source import Source
from stages.run_split import split_ended
from stages.split import Split
from workflows.execution.limits import SPLIT_FACTOR, LimitsConfig
from workflows.execution.stage_worker import At, Done, Setup

POLL_S = 0.1  # how often memory is looked at; answers are taken at once
_GRACE_S = 5.0  # for a process that has cut its connection
_LOAD_S = 1800.0  # for models to load, be it over a network
# A process that shall end with its parent ends with the thread that launched it: here, a thread
# that lasts as long as we do. Ray calls from threads of its own.
_LAUNCHER = ThreadPoolExecutor(1, "launcher")
# Not -m: what it sends has a module.
_CHILD = "from workflows.execution.stage_worker import main; main()"


class Lost(Exception):
    """The process ended, or was ended, before the task was done.

    Args:
        cause: crashed, timeout or memory.
        what: the stage must do, and did.
        at: the clip and the stage; None in split, and where no stage had begun.
    """

    def __init__(self, cause: str, what: str, at: At | None) -> None:
        super().__init__(what)
        self.cause, self.what, self.at = cause, what, at


class StageProcess:
    """A process that holds stages with their models; started anew where it dies."""

    def __init__(self, setup: Setup, limits: LimitsConfig) -> None:
        self._setup, self._limits = setup, limits
        self._store = ClipStore(setup.root)
        self._most_bytes = limits.memory_bytes(machine_bytes())
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._oom_kills = 0
        self.on_begin: Callable[[str], object] = lambda what: None  # "" when a task is over

    def start(self) -> None:
        """Returns once the models are loaded; raises what their loading raised."""
        for left in reversed(range(MAX_ATTEMPTS)):
            self._launch()
            try:
                for _ in self._answers(_LOAD_S):
                    pass
                return
            except Lost as lost:
                self.stop()
                if not left:
                    raise RunAborted(f"loading the models of a run {lost.what}") from lost

    def split(self, source: Source) -> Iterator[ClipRow]:
        """The video's clips, each as soon as it is cut."""
        limit_s = SPLIT_FACTOR * self._limits.stage_s
        cut: dict[str, ClipRow] = {}

        def note(lost: Lost) -> ClipRow | None:
            return split_ended(self._store, source.name, list(cut.values()), lost.cause, lost.what)

        for row in self._attempt(source, limit_s, note):
            if row.clip_id not in cut:  # an attempt before may have cut it already
                cut[row.clip_id] = row
                yield row

    def run(self, row: ClipRow) -> ClipRow:
        """The clip after the stages."""

        def note(lost: Lost) -> ClipRow | None:
            at = lost.at
            return at and attempt_ended(self._store, at.row, at.stage, lost.cause, lost.what)

        (done,) = self._attempt(row, self._limits.stage_s, note)
        return done

    def stop(self) -> None:
        """Ends the process, whatever it does: all that it writes is written atomically."""
        if self._process and self._connection:
            self._process.kill()
            self._process.wait()
            self._connection.close()
        self._process = self._connection = None

    def __del__(self) -> None:
        self.stop()

    def _attempt(
        self, task: Source | ClipRow, limit_s: float, note: Callable[[Lost], ClipRow | None]
    ) -> Iterator[ClipRow]:
        """The task's rows. Where the process is lost the task begins again, and `note` writes down
        why; it gives the failed row once that was the last attempt.
        """
        lives = MAX_ATTEMPTS * (len(self._setup.stages) + 1)
        while True:
            try:
                yield from self._ask(task, limit_s)
                return
            except Lost as lost:
                if failed := note(lost):
                    yield failed
                    return
                lives -= 1
                if not lives:
                    message = f"the process of the stages ends before they begin: it {lost.what}"
                    raise RunAborted(message) from lost

    def _ask(self, task: Source | ClipRow, limit_s: float) -> Iterator[ClipRow]:
        """Sends the task and gives its rows as they come."""
        _, connection = self._running()
        done = False
        if isinstance(task, Source):
            self.on_begin(f"{task.name}: {Split.name}")
        try:
            try:
                connection.send(task)
            except OSError:  # it died while it had nothing to do
                raise self._death(None) from None
            yield from self._answers(limit_s)
            done = True
        finally:
            self.on_begin("")
            if not done:  # also where nobody wants the rest of the rows
                self.stop()

    def _answers(self, limit_s: float) -> Iterator[ClipRow]:
        """Rows until the task is done, each within the limit; the process is watched meanwhile."""
        process, connection = self._running()
        at: At | None = None
        deadline_s = time.monotonic() + limit_s
        while True:
            if connection.poll(POLL_S):
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    raise self._death(at) from None
                if isinstance(message, logging.LogRecord):
                    if at:
                        vars(message).update(clip=at.row.clip_id, stage=at.stage)
                    logging.getLogger(message.name).handle(message)
                    continue
                if isinstance(message, Done):
                    return
                if isinstance(message, CamvidError):
                    raise message
                if isinstance(message, At):
                    at = message
                    self.on_begin(f"clip {at.row.clip_id}: {at.stage}")
                else:
                    yield message
                deadline_s = time.monotonic() + limit_s
            elif time.monotonic() > deadline_s:
                what = f"must end within {limit_s:g} s (limits.stage_s), but did not"
                raise Lost(TIMEOUT, what, at)
            elif (held_bytes := rss_bytes(process.pid)) > self._most_bytes:
                most, held = self._most_bytes / 1e9, held_bytes / 1e9
                what = f"must stay within {most:.3g} GB (limits.memory_gb), but held {held:.3g} GB"
                raise Lost(MEMORY, what, at)

    def _death(self, at: At | None) -> Lost:
        """Why the process ended."""
        process, _ = self._running()
        try:
            status = process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return Lost(CRASHED, "must answer, but cut its connection", at)
        if status == -signal.SIGKILL and num_oom_kills() > self._oom_kills:
            return Lost(MEMORY, "must fit into the machine's memory, but did not", at)
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return Lost(CRASHED, f"must come back, but ended its process ({how})", at)

    def _launch(self) -> None:
        self.stop()
        ours, theirs = Pipe()
        self._oom_kills = num_oom_kills()
        with theirs:
            self._process = _LAUNCHER.submit(
                subprocess.Popen[bytes],
                [sys.executable, "-c", _CHILD, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # a terminal's Ctrl-C is the run's own to take
            ).result()
        self._connection = ours
        ours.send(self._setup)

    def _running(self) -> "tuple[subprocess.Popen[bytes], Connection[Any, Any]]":
        if self._process is None or self._connection is None:
            self.start()
        assert self._process
        assert self._connection
        return self._process, self._connection
