"""A run on Ray of which something is killed every minute, against one that is left alone.

    python -m benchmarks.kill_run DATA --out DIR [--clips 300] [--every 60]

Videos are cut from those in DATA. A random one of a worker of Ray, a process of stages or the
driver with its whole cluster is killed (SIGKILL); where the command ends by that it is given again.
At the end nothing may be lost or doubled, and the shards must be the other run's, byte for byte.
300 clips take more than an hour on two cores, 30 of them some ten minutes.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.kill_run_videos import write_videos
from camvid.books.index import read_index
from camvid.store import ClipStore
from workflows.runs.run_state import read_state

_DRIVER = "driver"
_VICTIMS = {"worker": b"ray::", "stage process": b"workflows.execution.stage_worker"}
_MAX_ABORTED = 10  # beyond which the run does not come on
_GRACE_S = 30.0  # for a cluster to go down with its driver


def main() -> None:
    asked = parse()
    out = Path(asked.out)
    videos = write_videos(asked.data, out / "videos", asked.clips, asked.width)
    settings = [word for text in asked.set for word in ("--set", text)]
    calm, killed = (
        Run([*videos, "--workers", str(asked.workers), *settings], out / name)
        for name in ("undisturbed", "killed")
    )
    calm.finish()
    killed.finish(every_s=asked.every, seed=asked.seed)
    given_up = _crashed(killed)
    if given_up:  # the same clip was hit three times
        killed.finish("--retry-failed")
    faults = differences(calm, killed)
    print(f"{len(videos)} videos, {calm.summary()}")
    print(f"undisturbed   {calm.seconds:.0f} s")
    kills = ", ".join(f"{count} {what}" for what, count in sorted(killed.kills.items()))
    print(f"killed        {killed.seconds:.0f} s, {killed.starts} starts; killed: {kills or '-'}")
    print(f"aborted       {killed.aborted} starts, by the command itself")
    print(f"given up      {given_up} clips, then tried again" if given_up else "given up      none")
    print("\n".join(faults) if faults else "nothing lost, nothing doubled, all shards equal")
    sys.exit(1 if faults else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA", help="folder with videos to cut clips from")
    parser.add_argument("--out", required=True, help="folder for videos and both runs")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--every", type=float, default=60.0, help="seconds from kill to kill")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--width", type=int, default=320, help="of the images, in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    parser.add_argument("--set", action="append", default=[], help="as that of `camvid curate`")
    return parser.parse_args()


@dataclass(slots=True)
class Run:
    """The command over a folder, given until it comes to its end."""

    arguments: Sequence[str]
    out: Path
    seconds: float = 0.0
    starts: int = 0
    aborted: int = 0  # starts that ended by themselves before the run was finished
    kills: Counter[str] = field(default_factory=Counter[str])

    def finish(self, *options: str, every_s: float = 0.0, seed: int = 0) -> None:
        """Runs it; with `every_s`, kills something whenever so many seconds have passed."""
        random = np.random.default_rng(seed)
        begun_s = time.monotonic()
        while True:
            if self.aborted > _MAX_ABORTED:
                raise SystemExit(f"the run must come to its end: see {self.out}.log")
            driver = self._start(options)
            while driver.poll() is None:
                try:
                    driver.wait(every_s * random.uniform(0.5, 1.5) if every_s else None)
                except subprocess.TimeoutExpired:
                    self._kill(driver, random)
            state = read_state(self.store())
            if state and state.status == "finished":
                break
            if driver.returncode != -signal.SIGKILL:
                self.aborted += 1
        self.seconds += time.monotonic() - begun_s

    def store(self) -> ClipStore:
        return ClipStore(str(self.out))

    def summary(self) -> str:
        """How many clips of each kind."""
        outcomes = Counter(row.outcome for row in read_index(self.store()))
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))

    def _start(self, options: Sequence[str]) -> "subprocess.Popen[bytes]":
        self.starts += 1
        command = [sys.executable, "-m", "workflows.cli", "curate", *self.arguments]
        with open(f"{self.out}.log", "ab") as log:
            return subprocess.Popen(
                [*command, "--out", str(self.out), *options], stdout=log, stderr=log
            )

    def _kill(self, driver: "subprocess.Popen[bytes]", random: np.random.Generator) -> None:
        below = {pid: _command_line(pid) for pid in descendants(driver.pid)}
        choices = {_DRIVER: [driver.pid]}
        for what, mark in _VICTIMS.items():
            choices[what] = [pid for pid, command in below.items() if mark in command]
        there = [what for what, pids in choices.items() if pids]
        what = there[random.integers(len(there))]
        pid = choices[what][random.integers(len(choices[what]))]
        self.kills[what] += 1
        _kill(pid)
        if what == _DRIVER:
            driver.wait()
            _end(below)


def descendants(pid: int) -> list[int]:
    """Processes that this one started, and those that they started."""
    parents = {child: parent for child in _pids() if (parent := _parent(child))}
    found = [pid]
    for process in found:  # which grows meanwhile
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _end(processes: Mapping[int, bytes]) -> None:
    """A cluster ends with its driver, sooner or later: a new one beside it would be slow."""
    deadline_s = time.monotonic() + _GRACE_S
    while left := [
        pid for pid, command in processes.items() if command == _command_line(pid) != b""
    ]:
        if time.monotonic() > deadline_s:
            for pid in left:
                _kill(pid)
        time.sleep(0.2)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, signal.SIGKILL)


def _crashed(run: Run) -> int:
    return sum(row.cause == "crashed" for row in read_index(run.store()))


def differences(calm: Run, killed: Run) -> list[str]:
    """A line for each clip or shard that differs."""
    faults: list[str] = []
    ours, theirs = (_outcomes(run) for run in (killed, calm))
    faults += [f"doubled: {clip}" for clip, rows in ours.items() if len(rows) > 1]
    faults += [f"lost: {clip}" for clip in theirs if clip not in ours]
    faults += [f"added: {clip}" for clip in ours if clip not in theirs]
    faults += [
        f"{clip}: {rows[0]}, undisturbed {theirs[clip][0]}"
        for clip, rows in ours.items()
        if clip in theirs and rows[0] != theirs[clip][0]
    ]
    hashes, wanted = (_shard_hashes(run) for run in (killed, calm))
    names = sorted({*hashes, *wanted})
    return [*faults, *(f"shards/{n} differs" for n in names if hashes.get(n) != wanted.get(n))]


def _outcomes(run: Run) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By video and clip: outcome, and the cause or stage."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in read_index(run.store()):
        name = Path(row.source_uri).name
        found.setdefault((name, row.clip_id), []).append((row.outcome, row.cause or row.stopped_at))
    return found


def _shard_hashes(run: Run) -> dict[str, str]:
    store = run.store()
    names = store.list_names("shards", ".parquet")
    return {n: hashlib.sha256(store.read_bytes(f"shards/{n}")).hexdigest() for n in names}


if __name__ == "__main__":
    main()
