"""How many clips an hour a cluster makes, what they cost, and what saturates first.

    python -m benchmarks.scaling --write docs/SCALING.md
    python -m benchmarks.scaling --times RUN               what the clips of a finished run took

The model (benchmarks/simulation.py) is first held against real runs on Ray here, with 1, 2, ...
workers of one thread, as far as there are cores; then it is asked about clusters. All of it takes
less than ten minutes on two cores.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.performance import machine, markdown, section
from benchmarks.performance_parts import Bench
from benchmarks.simulation import Pools, Video, drawn, measured_videos, simulate
from benchmarks.timed_run import Job, timed_run
from camvid.store import ClipStore
from workflows.curate import CurateConfig
from workflows.execution.ray_plan import make_plan

NODES = (1, 8, 64, 512)
_WORKERS = (1, 2, 4)
_CLIPS_A_WORKER = 30  # simulated: with the first and last tenth left out, enough for a mean


def main() -> None:
    asked = parse()
    with tempfile.TemporaryDirectory(prefix="camvid-scaling-", dir=asked.scratch) as scratch:
        bench = Bench(
            Path(scratch),
            num_clips=asked.clips,
            num_frames=asked.frames,
            width_px=asked.width,
            repeats=1,
        )
        row_s = asked.row_ms / 1000 if asked.row_ms else measure_row_s(bench.folder)
        checked, times = check(bench, row_s)
        if asked.times:
            times = measured_videos(ClipStore(asked.times))
    lines = [cluster_line(times, nodes, asked, row_s) for nodes in NODES]
    page = render_page(asked, row_s, times, checked, lines)
    print(page)
    if asked.write:
        Path(asked.write).write_text(page)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", metavar="RUN", help="finished run; else the runs made here")
    parser.add_argument("--clips", type=int, default=8, help="of the real runs")
    parser.add_argument("--frames", type=int, default=48, help="of each clip")
    parser.add_argument("--width", type=int, default=480, help="of the images, in pixels")
    parser.add_argument("--cpus", type=int, default=16, help="of a node")
    parser.add_argument("--price", type=float, default=0.64, help="dollars for a node's hour")
    parser.add_argument("--row-ms", type=float, help="of Ray's driver for a row; else measured")
    parser.add_argument("--scratch", help="folder for temporary files")
    parser.add_argument("--write", help="Markdown file that takes the page")
    return parser.parse_args()


def check(bench: Bench, row_s: float) -> tuple[list[list[str]], list[Video]]:
    """Real runs beside the model, which knows what clips took with one worker; and those times."""
    times: list[Video] = []
    lines: list[list[str]] = []
    for workers in (n for n in _WORKERS if n <= len(os.sched_getaffinity(0))):
        out = bench.folder / f"{workers}-workers"
        took = timed_run(Job(where="ray", workers=workers, threads=1), bench.videos, out)
        times = times or measured_videos(ClipStore(str(out)))
        done_s = simulate(times, Pools(splitters=1, workers=workers), row_s=row_s).done_s
        real_s, model_s = took.row_s[-1] - took.row_s[0], done_s[-1] - done_s[0]
        error = 100 * (model_s / real_s - 1)
        lines.append([str(workers), f"{real_s:.1f}", f"{model_s:.1f}", f"{error:+.1f} %"])
    return lines, times


def measure_row_s(folder: Path) -> float:
    """What a row costs on Ray where there is nothing to do: files that are no video."""
    few, many = (_empty_files(folder / str(count), count) for count in (50, 350))
    took = [
        timed_run(Job(where="ray", threads=1), videos, folder / f"run-{time.monotonic_ns()}").row_s
        for videos in (few, many)
    ]
    spans = [rows[-1] - rows[0] for rows in took]
    return (spans[1] - spans[0]) / (len(many) - len(few))


def _empty_files(folder: Path, count: int) -> list[str]:
    folder.mkdir()
    paths = [folder / f"{number}.mp4" for number in range(count)]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]


def pools_of(nodes: int, cpus: int) -> Pools:
    """As a run lays itself over the cluster."""
    config = CurateConfig()
    total = nodes * cpus
    plan = make_plan(config.split, config.clip_stages(), workers=0, cpus=total, gpus=0.0)
    if len(plan.groups) != 1:
        raise SystemExit("the model knows one pool of workers; these stages need several")
    splitters = plan.split.max_size
    return Pools(splitters=splitters, workers=min(plan.groups[0][0].max_size, total - splitters))


def cluster_line(
    times: Sequence[Video], nodes: int, asked: argparse.Namespace, row_s: float
) -> list[str]:
    pools = pools_of(nodes, asked.cpus)
    made = simulate(drawn(times, _CLIPS_A_WORKER * pools.workers), pools, row_s=row_s)
    busiest = max(made.busy, key=lambda part: made.busy[part])
    if busiest == "stages":
        shares = stage_shares(times)
        busiest = max(shares, key=lambda stage: shares[stage])
    dollars = 1000 * nodes * asked.price / made.clips_per_hour
    busy = [f"{100 * made.busy[part]:.0f} %" for part in ("split", "stages", "driver")]
    counts = [f"{n:,}" for n in (nodes, pools.splitters, pools.workers)]
    return [*counts, f"{made.clips_per_hour:,.0f}", f"{dollars:.2f}", *busy, busiest]


def stage_shares(times: Sequence[Video]) -> dict[str, float]:
    """Of the workers' time."""
    spent: Counter[str] = Counter()
    for clip in (clip for video in times for clip in video):
        spent.update(clip.stages)
    return {stage: seconds / spent.total() for stage, seconds in spent.most_common()}


def render_page(
    asked: argparse.Namespace,
    row_s: float,
    times: Sequence[Video],
    checked: list[list[str]],
    lines: list[list[str]],
) -> str:
    return "".join(
        [
            f"# Scaling\n\nMade by `make scaling` on {machine()}. What it says of clusters is",
            " computed, not measured.\n",
            section(
                "Against real runs",
                CHECK_TEXT,
                markdown(["workers", "real s", "model s", "error"], checked),
            ),
            section("Clusters", assumptions(asked, row_s, times), markdown(CLUSTERS, lines)),
        ]
    )


CHECK_TEXT = """Seconds from the first row to the last, with workers of one thread. The model
knows the times of the run with one worker; what more workers lose to each other shows here."""
CLUSTERS = [
    *("nodes", "splitters", "workers", "clips an hour", "dollars for 1,000"),
    *("split busy", "stages busy", "driver busy", "saturates first"),
]


def assumptions(asked: argparse.Namespace, row_s: float, times: Sequence[Video]) -> str:
    """What the model was told."""
    clips = [clip for video in times for clip in video]
    whence = asked.times or "the real run with one worker"
    split, stages = (
        " / ".join(f"{value:.2f}" for value in np.quantile(seconds, (0.1, 0.5, 0.9)))
        for seconds in zip(*((clip.split_s, clip.stages_s) for clip in clips), strict=True)
    )
    shares = ", ".join(f"{s} {100 * share:.0f} %" for s, share in stage_shares(times).items())
    return f"""A node has {asked.cpus} CPUs and costs {asked.price} dollars an hour (both assumed);
a CPU runs as fast as one here. Clips take what those of {whence} took: {len(clips)} clips of
{len(times)} videos, split {split} s a clip, all later stages {stages} s (10 %, median, 90 %).
Of the workers' time: {shares}. Ray's driver, of which there is one, takes {1000 * row_s:.1f} ms a
row. Not in the model: nodes that come and go, slow disks and networks, the writing of shards."""


if __name__ == "__main__":
    main()
