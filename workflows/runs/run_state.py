"""run_state.json: whether a run is under way, was stopped or is finished, and how far it came.

It is also the lease on the folder: who writes it holds the run, and renews it every ten seconds. A
second command refuses; once the holder is dead, or silent for a minute, it takes over, and a
holder that was only asleep stops when it finds the lease another's.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self

from camvid.errors import ConfigError, RunAborted, StoreError
from camvid.plain import from_plain, to_plain
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.addresses import without_secrets
from camvid.video.names import writable

STATE = "run_state.json"
STATE_BEFORE = "state.json"  # up to shard schema 1.5: by that name `datasets` refuses the folder
HEARTBEAT_S = 10.0
_SILENT_S = 6 * HEARTBEAT_S  # after which a run on another machine is taken for dead

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How far the last command over a run came."""

    status: Literal["running", "stopped", "finished"] = "running"
    why: str = ""  # it was stopped
    num_videos: int = 0
    videos_done: int = 0  # of which a row came out
    rows: dict[str, int] = field(default_factory=dict[str, int])  # ok, rejected, failed
    updated_s: float = 0.0  # Unix time
    host: str = ""
    pid: int = 0
    pid_started: str = ""  # ids are used again: when this one began, in ticks since boot
    run: str = ""  # a name that no other command has

    @property
    def is_alive(self) -> bool:
        """Whether it runs now: a run that was killed could not say so."""
        if self.status != "running":
            return False
        if self.host == socket.gethostname():
            started = _started(self.pid)
            return bool(started) and self.pid_started in ("", started)
        return time.time() - self.updated_s < _SILENT_S

    def render_holder(self) -> str:
        """Who it is."""
        return f"the command with process id {self.pid} on {self.host}"

    def render_text(self) -> str:
        """One line."""
        parts = [f"{count} {status}" for status, count in self.rows.items()]
        done = f"{self.videos_done} of {self.num_videos} videos, {', '.join(parts) or 'no row yet'}"
        if self.is_alive:
            return f"under way: {done}"
        if self.status == "finished":
            return f"finished: {done}"
        why = self.why or "it was killed"
        return f"stopped before its end ({why}): {done}; the same command resumes"


class StateWriter:
    """Keeps run_state.json true while a run lasts; a thread writes it now and then.

    Rows may be minutes apart, so the clock decides and not the rows.
    """

    def __init__(self, store: ClipStore, num_videos: int) -> None:
        self._store = store
        refuse_while_running(store)
        before = read_state(store)
        self.run = uuid.uuid4().hex
        self.stopped_before = before.run if before and before.status != "running" else ""
        self._state = RunState(
            num_videos=num_videos,
            host=socket.gethostname(),
            pid=os.getpid(),
            pid_started=_started(os.getpid()),
            run=self.run,
        )
        self._holder: RunState | None = None  # who took the lease from us
        self._videos: set[int] = set()  # hashes of their names, which may be a million
        self._rows: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run state", daemon=True)

    def __enter__(self) -> Self:
        self._write(self._state)
        self._store.remove(STATE_BEFORE)
        self._renew(write=False)  # another may have begun in the same moment
        self.check()
        self._thread.start()
        return self

    def check(self) -> None:
        """Raises RunAborted where another command holds the run by now."""
        if self._holder:
            raise RunAborted(f"this command stops: {self._holder.render_holder()} has taken over")

    def count(self, row: ClipRow) -> None:
        """Takes a finished row; RunAborted where another command holds the run by now."""
        self.check()
        self._videos.add(hash(row.video_uri))
        self._rows[row.status] += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._holder:
            return
        if error is None:
            self._write(replace(self._state, status="finished"))
            return
        line = without_secrets(writable(" ".join(str(error).split()))) or type(error).__name__
        try:
            self._write(replace(self._state, status="stopped", why=line))
        except StoreError:
            log.debug("the state could not be written; the error that ends the run says more")

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                self._renew()
            except StoreError as error:
                log.debug("%s: %s", STATE, error)  # what matters is written by the run itself
            if self._holder:
                return

    def _renew(self, *, write: bool = True) -> None:
        now = read_state(self._store)
        if now and now.run != self.run:
            self._holder = now
        elif write:
            self._write(self._state)

    def _write(self, state: RunState) -> None:
        now = replace(
            state,
            videos_done=len(self._videos),
            rows=dict(self._rows),
            updated_s=time.time(),
        )
        self._store.write_bytes(STATE, json.dumps(to_plain(now), indent=1).encode())


def refuse_while_running(store: ClipStore) -> None:
    """ConfigError where another command works on the run now."""
    state = read_state(store)
    ours = state and (state.host, state.pid) == (socket.gethostname(), os.getpid())
    if state is None or ours or not state.is_alive:
        return
    silent_s = time.time() - state.updated_s
    there = state.host != socket.gethostname()
    later = f", or is silent for {_SILENT_S:.0f} s" if there else ""
    raise ConfigError(
        f"one command at a time may work on {store.root}: {state.render_holder()} does, last heard"
        f" of {silent_s:.0f} s ago; try again once it has ended{later}"
    )


def _started(pid: int) -> str:
    """When the process began, in ticks since boot; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def read_state(store: ClipStore) -> RunState | None:
    """The state; None in a run of an older version, or where it is damaged."""
    names = [name for name in (STATE, STATE_BEFORE) if store.exists(name)]
    if not names:
        return None
    try:
        return from_plain(RunState, json.loads(store.read_bytes(names[0])))
    except (ValueError, TypeError, ConfigError):
        return None
