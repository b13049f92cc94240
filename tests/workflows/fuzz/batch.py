"""Gives many inputs to one function in a process of its own, with limits on time and memory.

One process for all inputs of a kind: to start it takes longer than most inputs do.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from camvid.errors import CamvidError

MAX_INPUT_S = 20  # of one input; most take milliseconds
MAX_GROWTH_BYTES = 2 << 30  # of the address space, beyond what the libraries take
MAX_HELD_BYTES = 1 << 30  # torch and what it draws in hold half of it

Attempt = Callable[[int], str]  # seed -> the one line that a user sees, "" where all is well


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one input."""

    seed: int
    line: str
    traceback: str
    seconds: float


def run_batch(prepare: str, seeds: range, folder: Path) -> list[Outcome]:
    """The outcomes of the inputs; AssertionError where the process does not come back.

    Args:
        prepare: `module:function`, which makes an `Attempt` in a folder of its own.
    """
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import child; child()"],
        input=json.dumps([prepare, seeds.start, seeds.stop, str(folder)]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
    told = done.stderr[-2000:]
    last = seeds.start + len(outcomes)
    assert done.returncode == 0, f"seed {last}: exit {done.returncode}\n{told}"
    assert len(outcomes) == len(seeds)
    return outcomes


def assert_one_line_each(outcomes: list[Outcome]) -> None:
    """No input showed its user a traceback, or more than a line."""
    for outcome in outcomes:
        assert not outcome.traceback, f"seed {outcome.seed}: {outcome.traceback}"
        assert len(outcome.line.splitlines()) <= 1, f"seed {outcome.seed}: {outcome.line}"
        assert len(outcome.line) < 1000, f"seed {outcome.seed}: {outcome.line}"


def child() -> None:
    """Answers on what was stdout, a line an input; what else is printed goes elsewhere."""
    prepare, start, stop, folder = json.loads(sys.stdin.read())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.chdir(folder)
    module, _, function = prepare.partition(":")
    attempt = getattr(importlib.import_module(module), function)()
    _outcome(attempt, start)  # models are loaded
    _limit_memory()
    for seed in range(start, stop):
        signal.alarm(MAX_INPUT_S)  # a signal nobody handles ends native code, too
        print(json.dumps(_outcome(attempt, seed)), file=answers, flush=True)
    signal.alarm(0)
    held = _peak_rss_bytes()
    assert held < MAX_HELD_BYTES, f"held {held / 1e9:.2f} GB"


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MAX_GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _outcome(attempt: Attempt, seed: int) -> dict[str, object]:
    line, trace, start = "", "", time.perf_counter()
    try:
        line = attempt(seed)
    except CamvidError as error:
        line = " ".join(str(error).split())  # as the command prints it
    except BaseException:  # noqa: BLE001  (SystemExit and all else are what is looked for)
        trace = traceback.format_exc()
    return {
        "seed": seed,
        "line": line,
        "traceback": trace,
        "seconds": time.perf_counter() - start,
    }


def _peak_rss_bytes() -> int:
    """Of this program alone: rusage begins with the memory of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
