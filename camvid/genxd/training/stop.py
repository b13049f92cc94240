"""Stops a run on SIGTERM after the current step, with a checkpoint."""

import signal
import threading
from types import FrameType
from typing import Any


class StopSignal:
    """A context in which SIGTERM is noted instead of obeyed."""

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> "StopSignal":
        # Python hears signals on its main thread. Ray runs the loop on another, and ends a worker
        # in ways of its own.
        self._previous: Any = None
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            self._previous = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._listens:
            signal.signal(signal.SIGTERM, self._previous)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.wanted = True
