"""One run of the whole graph in a process of its own: what it took, as JSON.

A process of its own, so that each starts without another's warm models, threads and caches.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from camvid.stage import ClipRow
from workflows.curate import CurateConfig, Executor, curate
from workflows.execution import in_process
from workflows.execution.isolated import Isolated


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How to run."""

    where: str  # "process", "isolated" or "ray"
    workers: int = 1
    threads: int = 0  # of each worker; 0: as `camvid curate` gives them


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What it took; models and Ray's start are part of it, unless threads were asked for."""

    seconds: float
    row_s: list[float]  # when each row came out
    num_whole: int  # clips that went through every stage


def timed_run(job: Job, videos: list[str], out: Path) -> Took:
    """Curates the videos into a new folder."""
    request = json.dumps({"job": asdict(job), "videos": videos, "out": str(out)})
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        input=request,
        env={
            **os.environ,
            **({"CAMVID_THREADS": str(job.threads)} if job.threads else {}),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """The child."""
    request = json.loads(sys.stdin.read())
    job = Job(**request["job"])
    row_s: list[float] = []
    whole: list[str] = []
    with _ray_with_threads(job):
        start = time.perf_counter()

        def note(row: ClipRow) -> None:
            row_s.append(time.perf_counter() - start)
            whole.extend([row.clip_id] if row.status == "ok" else [])

        curate(request["videos"], request["out"], CurateConfig(), _executor(job), note)
        seconds = time.perf_counter() - start
    print(json.dumps(asdict(Took(seconds=seconds, row_s=row_s, num_whole=len(whole)))))


def _executor(job: Job) -> Executor:
    if job.where == "ray":
        from workflows.execution.on_ray import RayExecutor

        return RayExecutor(workers=job.workers)
    return in_process.run if job.where == "process" else Isolated()


@contextlib.contextmanager
def _ray_with_threads(job: Job) -> Generator[None, None, None]:
    """A cluster whose workers have our number of threads, which `RayExecutor` then joins."""
    if not job.threads or job.where != "ray":
        yield
        return
    import ray

    cpus = 2 * max(job.workers, len(os.sched_getaffinity(0)))  # room for splitters and workers
    ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
