"""state.json: whether a run is under way, was stopped or is finished, and how far it came."""

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

from camvid.errors import ConfigError, StoreError
from camvid.plain import from_plain, to_plain
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.names import writable

STATE = "state.json"
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
    run: str = ""  # a name that no other command has

    @property
    def is_alive(self) -> bool:
        """Whether it runs now: a run that was killed could not say so."""
        if self.status != "running":
            return False
        if self.host == socket.gethostname():
            return os.path.exists(f"/proc/{self.pid}")
        return time.time() - self.updated_s < _SILENT_S

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
    """Keeps state.json true while a run lasts; a thread writes it now and then.

    Rows may be minutes apart, so the clock decides and not the rows.
    """

    def __init__(self, store: ClipStore, num_videos: int) -> None:
        self._store = store
        before = read_state(store)
        self.run = uuid.uuid4().hex
        self.stopped_before = before.run if before and before.status != "running" else ""
        self._state = RunState(
            num_videos=num_videos, host=socket.gethostname(), pid=os.getpid(), run=self.run
        )
        self._videos: set[str] = set()
        self._rows: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run state", daemon=True)

    def __enter__(self) -> Self:
        self._write(self._state)
        self._thread.start()
        return self

    def count(self, row: ClipRow) -> None:
        """Takes a finished row."""
        self._videos.add(row.video_uri)
        self._rows[row.status] += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if error is None:
            self._write(replace(self._state, status="finished"))
            return
        line = writable(" ".join(str(error).split())) or type(error).__name__
        try:
            self._write(replace(self._state, status="stopped", why=line))
        except StoreError:
            log.debug("state.json could not be written; the error that ends the run says more")

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                self._write(self._state)
            except StoreError as error:
                log.debug("state.json: %s", error)  # what matters is written by the run itself

    def _write(self, state: RunState) -> None:
        now = replace(
            state,
            videos_done=len(self._videos),
            rows=dict(self._rows),
            updated_s=time.time(),
        )
        self._store.write_bytes(STATE, json.dumps(to_plain(now), indent=1).encode())


def read_state(store: ClipStore) -> RunState | None:
    """The state; None in a run of an older version, or where it is damaged."""
    if not store.exists(STATE):
        return None
    try:
        return from_plain(RunState, json.loads(store.read_bytes(STATE)))
    except (ValueError, TypeError, ConfigError):
        return None
