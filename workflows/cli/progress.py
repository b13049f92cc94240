"""One progress bar per run on a terminal; a log line now and then otherwise."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from camvid.columns import counted
from camvid.stage import ClipRow
from workflows.cli.console import logs_json, say

LOG_EVERY_S = 30.0


class OnRow(Protocol):
    def __call__(self, row: ClipRow) -> None: ...


@contextmanager
def progress(num_videos: int) -> Generator[OnRow, None, None]:
    """Gives a callback that takes each finished row."""
    if sys.stderr.isatty() and not logs_json():
        with _bar(num_videos) as on_row:
            yield on_row
    else:
        yield _LogLines(num_videos)


class _Counts:
    def __init__(self, num_videos: int) -> None:
        self.num_videos = num_videos
        self.videos: set[int] = set()  # hashes of their names
        self.statuses: Counter[str] = Counter()

    def add(self, row: ClipRow) -> None:
        self.videos.add(hash(row.video_uri))
        self.statuses[row.status] += 1

    def __str__(self) -> str:
        clips = sum(self.statuses.values())
        parts = [counted(clips, "clip")]
        parts += [f"{n} {word}" for word, n in self.statuses.items() if word != "ok"]
        return ", ".join(parts)


@contextmanager
def _bar(num_videos: int) -> Generator[OnRow, None, None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    counts = _Counts(num_videos)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("videos", total=num_videos, counts="")

        def on_row(row: ClipRow) -> None:
            counts.add(row)
            bar.update(task, completed=len(counts.videos), counts=str(counts))

        yield on_row


class _LogLines:
    def __init__(self, num_videos: int) -> None:
        self._counts = _Counts(num_videos)
        self._last = time.monotonic()

    def __call__(self, row: ClipRow) -> None:
        self._counts.add(row)
        if time.monotonic() - self._last >= LOG_EVERY_S:
            self._last = time.monotonic()
            done, all_videos = len(self._counts.videos), self._counts.num_videos
            say(logging.INFO, f"{done} of {all_videos} videos, {self._counts}")
