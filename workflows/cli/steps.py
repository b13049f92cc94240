"""Progress of a known number of steps: a bar on a terminal, a line now and then otherwise."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

LOG_EVERY_S = 30.0


@contextmanager
def steps_bar(total: int, what: str = "steps") -> Generator[Callable[[int], None], None, None]:
    """Gives a callback that takes the number of steps done."""
    if not sys.stderr.isatty():
        yield _LogLines(total, what)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


class _LogLines:
    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        if time.monotonic() - self._last >= LOG_EVERY_S:
            self._last = time.monotonic()
            print(f"camvid: {done} of {self._total} {self._what}", file=sys.stderr, flush=True)
