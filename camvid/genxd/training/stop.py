"""Stops a run after the current step, with a checkpoint: by a signal, or by a file."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

STOP_FILE = "stop"  # OUT/stop asks for the same where no signal arrives, as in a worker of Ray
# SIGUSR1: a scheduler's warning that a job's time is about to end.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopSignal:
    """A context in which the signals are noted instead of obeyed; a second Ctrl-C is obeyed.

    The others may come twice: from a scheduler that signals every process of a job, and from the
    launcher that passes its own on.

    A process that has heard one must not leave the loop alone, or the others would wait for it:
    all agree at the end of a step.
    """

    def __init__(self, file: Path | None = None) -> None:
        """`file`: asks for a stop as well, once it is there."""
        self.agreed = False  # set by the loop, in all processes at the same step
        self._heard = False
        self._file = file
        self._before: dict[signal.Signals, Any] = {}

    @property
    def heard(self) -> bool:
        """Whether this process was asked to stop."""
        return self._heard or (self._file is not None and self._file.exists())

    def __enter__(self) -> "StopSignal":
        # Python hears signals on its main thread. Ray runs the loop on another.
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._note) for each in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._file is not None:
            self._file.unlink(missing_ok=True)  # or the next run would stop too

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._heard = True
        if number == signal.SIGINT:
            signal.signal(number, self._before[signal.SIGINT])
