"""Where the time of one clip goes: seconds per stage, and the functions that take most."""

import cProfile
import os
import pstats
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.performance_parts import Bench
from camvid.stage import ClipRow
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process

_NUM_FUNCTIONS = 15


def profile_clip(bench: Bench) -> str:
    """Two tables, in Markdown."""
    seconds = _stage_seconds(bench.videos[0], bench.folder / "profiled")
    total = sum(seconds.values())
    stages = ["| stage | s | share |", "| --- | --- | --- |"]
    stages += [
        f"| {stage} | {spent:.2f} | {100 * spent / total:.1f} % |"
        for stage, spent in seconds.items()
    ]
    functions = ["| function | calls | own s | s |", "| --- | --- | --- | --- |"]
    functions += _functions(bench.videos[0], bench.folder / "profiled-again")
    return "\n".join([*stages, "", *functions])


def _stage_seconds(video: str, out: Path) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)

    def book(row: ClipRow) -> None:
        for record in row.records:
            seconds[record.stage] += record.seconds

    _run(video, out, book)
    return seconds


def _functions(video: str, out: Path) -> list[str]:
    """Those with most time of their own; the profiler itself takes time, so only shares count."""
    profile = cProfile.Profile()
    profile.runcall(_run, video, out, lambda row: None)
    entries: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # pyright: ignore
    longest = sorted(entries.items(), key=lambda entry: -entry[1][2])[:_NUM_FUNCTIONS]
    return [
        f"| `{_place(file, name)}` | {calls} | {own_s:.2f} | {all_s:.2f} |"
        for (file, _, name), (_, calls, own_s, all_s, _) in longest
    ]


def _place(file: str, name: str) -> str:
    """A built-in function has no file; one of a library is named from its package on."""
    path = file.rpartition("site-packages/")[2].removeprefix(f"{Path.cwd()}/")
    return name.strip("<>") if file == "~" else f"{path}: {name}"


def _run(video: str, out: Path, on_row: Callable[[ClipRow], None]) -> None:
    before = os.environ.get("CAMVID_THREADS")
    os.environ["CAMVID_THREADS"] = "1"  # cProfile sees the thread that calls it
    try:
        curate([video], str(out), CurateConfig(), in_process.run, on_row)
    finally:
        os.environ.pop("CAMVID_THREADS")
        if before is not None:
            os.environ["CAMVID_THREADS"] = before
