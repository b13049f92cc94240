"""Ctrl-C, SIGTERM and SIGHUP: a run stops in order, says how to go on, and exits 128 + the signal.

What is in flight is dropped, not finished: a stage may take many minutes, and begins anew when the
run is resumed. What is finished is in the run's books.
"""

import logging
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from workflows.cli.console import say

GRACE_S = 30.0  # for what has to be written; after it the process ends in any case
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):  # not an Exception: no barrier may take it for a clip's failure
    """Someone asked the run to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stoppable() -> Generator[None, None, None]:
    """Raises `Stopped` in the main thread where one of the signals comes.

    One that is ignored stays so: under nohup a run outlasts its terminal.
    """
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # asked once is enough: what ends the run must not end
    timer = threading.Timer(GRACE_S, os._exit, [128 + number])
    timer.daemon = True
    timer.start()
    raise Stopped(number)


def print_stopped(stopped: Stopped) -> None:
    """The one line on stderr."""
    say(logging.WARNING, f"stopped by {stopped}; the same command goes on from there")
