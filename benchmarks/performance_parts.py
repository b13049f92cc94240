"""The parts of the performance page: times side by side, and what their ratio must be."""

import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from benchmarks.export_speed import ExportBench
from benchmarks.stock_sfm import solve_stock
from benchmarks.timed_run import Job, timed_run
from camvid.artifacts import Frames, ObjectMasks
from camvid.parallel import num_threads
from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import read_video, write_video
from camvid.scenes.render import render
from camvid.scenes.truth import SceneTruth
from camvid.store import ClipStore
from camvid.video.source import Source
from stages.run_split import run_split
from stages.split import SplitConfig

Measured = TypeVar("Measured", float, tuple[float, float])

_IN_PROCESS = Job(where="process")
_HD = (1280, 720)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One time over another."""

    what: str
    seconds: tuple[float, float]
    limit: float | None = None
    at_least: bool = False  # else at most

    @property
    def value(self) -> float:
        return self.seconds[0] / self.seconds[1]

    @property
    def verdict(self) -> str:
        """Whether the limit is met."""
        if self.limit is None:
            return "-"
        met = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "yes" if met else "NO"


class Bench:
    """Videos to measure on, of the size that was asked for.

    Args:
        num_clips: videos of one clip each.
        repeats: of every measure; the best counts.
    """

    def __init__(
        self, folder: Path, *, num_clips: int, num_frames: int, width_px: int, repeats: int
    ) -> None:
        self.folder, self.num_clips, self._num_frames = folder, num_clips, num_frames
        self._width_px, self._repeats = width_px, repeats
        self._scratch = 0

    @cached_property
    def truth(self) -> SceneTruth:
        """A scene in which objects move and the camera travels: that of the first video."""
        return self._scene(0)

    @cached_property
    def videos(self) -> list[str]:
        """The same scene under other noise each."""
        paths = [self.folder / f"{number}.mp4" for number in range(self.num_clips)]
        for number, path in enumerate(paths):
            truth = self._scene(number)
            write_video(path, truth.rgb, truth.fps)
        return [str(path) for path in paths]

    def fastest(self, *measures: Callable[[], Measured], repeats: int = 0) -> list[Measured]:
        """The best of each by turns: what else the machine does is then in all of them.

        A measure is one number of seconds, or several, of which each has its best.
        """
        rounds = [[measure() for measure in measures] for _ in range(repeats or self._repeats)]
        return np.min(rounds, axis=0).tolist()

    def run(self, job: Job, num_videos: int | None = None) -> float:
        """Seconds that the whole graph takes for all videos, or for the first ones."""
        return self.run_and_pace(job, num_videos)[0]

    def run_and_pace(self, job: Job, num_videos: int | None = None) -> tuple[float, float]:
        """The same, and the seconds per clip once every worker has its first one through."""
        self._scratch += 1
        videos = self.videos[:num_videos]
        took = timed_run(job, videos, self.folder / f"run-{self._scratch}")
        if not len(videos) == len(took.row_s) == took.num_whole:
            raise SystemExit(f"each video must give one clip, {took.num_whole} went all the way")
        rest = took.row_s[job.workers - 1 :]
        return took.seconds, float(np.mean(np.diff(rest))) if len(rest) > 1 else np.nan

    def run_apart(self, num_processes: int) -> float:
        """Seconds that processes of one thread take for all videos, which share nothing."""
        job = Job(where="process", threads=1)
        parts = [self.videos[n::num_processes] for n in range(num_processes)]
        folders = [self.folder / f"apart-{self._scratch}-{n}" for n in range(num_processes)]
        self._scratch += 1
        begun_s = time.perf_counter()
        with ThreadPoolExecutor(num_processes) as pool:
            list(pool.map(partial(timed_run, job), parts, folders))
        return time.perf_counter() - begun_s

    def _scene(self, seed: int) -> SceneTruth:
        height_px = self._width_px * 9 // 32 * 2
        spec = replace(demo_scenes()[0], width_px=self._width_px, height_px=height_px)
        return render(replace(spec, seed=seed, num_frames=self._num_frames))


def workers(bench: Bench) -> list[Ratio]:
    """What a second worker brings, and whether two bring more than threads do.

    And what the machine itself gives to two processes that share nothing. Measured once: one worker
    of one thread takes longer than all else, and the goals are coarse.
    """
    alone, two, threads = bench.fastest(
        partial(bench.run_and_pace, Job(where="ray", workers=1, threads=1)),
        partial(bench.run_and_pace, Job(where="ray", workers=2, threads=1)),
        partial(bench.run_and_pace, _IN_PROCESS),
        repeats=1,
    )
    apart = bench.fastest(partial(bench.run_apart, 1), partial(bench.run_apart, 2), repeats=1)
    return [
        Ratio(
            what="one process of one thread / two that share nothing, without Ray",
            seconds=(apart[0], apart[1]),
        ),
        *_whole_and_pace("one worker of one thread / two of them", alone, two, 1.8, at_least=True),
        *_whole_and_pace(
            "in process with threads / two workers of one thread", threads, two, 1.15, at_least=True
        ),
    ]


def executors(bench: Bench) -> list[Ratio]:
    """What a process of its own costs, and what Ray costs where it brings nothing."""
    apart, on_ray, here = bench.fastest(
        partial(bench.run_and_pace, Job(where="isolated")),
        partial(bench.run_and_pace, Job(where="ray", threads=num_threads())),
        partial(bench.run_and_pace, _IN_PROCESS),
    )
    return [
        *_whole_and_pace("isolated / in process", apart, here, 1.03),
        *_whole_and_pace("Ray with one worker / in process", on_ray, here, 1.05),
    ]


def _whole_and_pace(
    what: str,
    first: tuple[float, float],
    second: tuple[float, float],
    limit: float,
    *,
    at_least: bool = False,
) -> list[Ratio]:
    """With what starts once, and without it."""
    return [
        Ratio(what=f"{what}{part}", seconds=seconds, limit=limit, at_least=at_least)
        for part, seconds in zip(("", ", per clip"), zip(first, second, strict=True), strict=True)
    ]


def split(bench: Bench) -> list[Ratio]:
    """Splitting a video of several shots against reading it once."""
    path = _several_shots(bench)
    cut, decode = bench.fastest(partial(_split, bench, path), partial(_decode, path))
    return [Ratio(what="split / one PyAV decode (720p)", seconds=(cut, decode), limit=1.5)]


def export(bench: Bench) -> list[Ratio]:
    """Clips cut again from their source video against FFmpeg's re-encode of the same spans."""
    clips = ExportBench(bench.folder / "export", bench.num_clips)
    ours, theirs = bench.fastest(clips.ours, clips.reference)
    what = "export / FFmpeg's own re-encode, CPU time (81 frames, 1080p to 832x480 at 16 fps)"
    return [Ratio(what=what, seconds=(ours, theirs), limit=1.3)]


def stock(bench: Bench) -> list[Ratio]:
    """All stages against stock masked SfM alone, which is given the true masks."""
    ours, theirs = bench.fastest(
        partial(bench.run, _IN_PROCESS, 1), partial(_solve_stock, bench.truth)
    )
    return [Ratio(what="all stages / stock SfM alone", seconds=(ours, theirs))]


def neighbour(bench: Bench) -> list[Ratio]:
    """Beside a process that keeps a core busy: threads that wait for each other show there."""
    beside, idle = bench.fastest(
        partial(_beside_busy_process, partial(bench.run, _IN_PROCESS, 1)),
        partial(bench.run, _IN_PROCESS, 1),
    )
    return [Ratio(what="beside a busy process / idle", seconds=(beside, idle), limit=2.2)]


PARTS: Mapping[str, Callable[[Bench], list[Ratio]]] = {
    "workers": workers,
    "executors": executors,
    "split": split,
    "export": export,
    "stock": stock,
    "neighbour": neighbour,
}


def _several_shots(bench: Bench) -> Path:
    """All videos one after another, each a shot."""
    path = bench.folder / "shots.mp4"
    if not path.exists():
        rgb = np.concatenate([read_video(Path(video)) for video in bench.videos])
        write_video(path, np.stack([cv2.resize(image, _HD) for image in rgb]), bench.truth.fps)
    return path


def _split(bench: Bench, path: Path) -> float:
    stage = SplitConfig().build()
    out = bench.folder / f"split-{time.monotonic_ns()}"
    start = time.perf_counter()
    rows = list(run_split(stage, ClipStore(str(out)), Source.of(str(path))))
    seconds = time.perf_counter() - start
    if any(row.status != "ok" for row in rows):
        raise SystemExit(f"split must take every shot, got {[row.reason for row in rows]}")
    return seconds


def _decode(path: Path) -> float:
    start = time.perf_counter()
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1  # as split does it
        for _ in container.decode(video=0):
            pass
    return time.perf_counter() - start


def _solve_stock(truth: SceneTruth) -> float:
    masks = ObjectMasks(object_id=truth.object_id, objects=())
    return solve_stock(Frames(rgb=truth.rgb), masks).seconds


def _beside_busy_process(measure: Callable[[], float]) -> float:
    with _busy_process():
        return measure()


@contextmanager
def _busy_process() -> Generator[None, None, None]:
    """A process of our own that burns one core meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
