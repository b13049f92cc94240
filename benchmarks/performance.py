"""What a run costs: ratios of times in one run, the books at any size, and where the time goes.

    python -m benchmarks.performance                      all of it, printed
    python -m benchmarks.performance --only isolation     one part
    python -m benchmarks.performance --write docs/PERFORMANCE.md

Machines differ and are noisy: read the ratios, on a machine that has nothing else to do. All of it
takes some twenty minutes on two cores.
"""

import argparse
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.books import COMMANDS, make_books, measure
from benchmarks.performance_parts import PARTS, Bench, Ratio
from benchmarks.profile_clip import profile_clip

BOOKS, PROFILE = "books", "profile"
_MOST_FILES = 2_600_000  # of the books
_PACKAGES = ("av", "numpy", "opencv-python-headless", "onnxruntime", "pycolmap", "ray", "pyarrow")


def main() -> None:
    asked = parse()
    text = [preface(asked)]
    with tempfile.TemporaryDirectory(prefix="camvid-bench-", dir=asked.scratch) as scratch:
        bench = Bench(
            Path(scratch),
            num_clips=asked.clips,
            num_frames=asked.frames,
            width_px=asked.width,
            repeats=asked.repeats,
        )
        ratios: list[Ratio] = []
        for name in (name for name in PARTS if name in asked.only):
            found = PARTS[name](bench)
            print(ratio_table(found), file=sys.stderr, flush=True)
            ratios += found
        if ratios:
            text.append(section("Ratios", RATIOS, ratio_table(ratios)))
        if BOOKS in asked.only:
            lines = [line for rows in asked.rows for line in book_lines(scratch, rows)]
            header = ["command", "clips", "s", "CPU s", "peak MB", "lines printed"]
            text.append(section("A run's books", BOOKS_TEXT, markdown(header, lines)))
        if PROFILE in asked.only:
            text.append(section("A clip", PROFILE_TEXT, profile_clip(bench)))
    page = "\n".join(text)
    print(page)
    if asked.write:
        Path(asked.write).write_text(page)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = [*PARTS, BOOKS, PROFILE]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=40, help="of each clip")
    parser.add_argument("--width", type=int, default=480, help="of the images, in pixels")
    parser.add_argument("--repeats", type=int, default=2, help="of each measure; the best counts")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="of the books"
    )
    parser.add_argument("--scratch", help="folder for temporary files")
    parser.add_argument("--write", help="Markdown file that takes the page")
    return parser.parse_args()


def preface(asked: argparse.Namespace) -> str:
    """What was measured, how, and on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"""# Performance

Made by `make bench`, that is `python -m benchmarks.performance --write docs/PERFORMANCE.md`
(with {asked.clips} clips of {asked.frames} frames, {asked.width} px wide; the best of \
{asked.repeats}). Each run is a process of its own. Seconds are one machine's; read the ratios.

- {machine()}
- {platform.platform()}, Python {platform.python_version()}
- {packages}
- load average when it began: {load}
"""


RATIOS = """Everything that stands in one line was measured by turns. Times are of the whole
command, with the loading of models, where nothing else is said; Ray was there before, as its start
takes seconds and not hours of a run. *Per clip* leaves out what starts once, which is what a long
run costs: from the clip with which every worker has one through to the last."""
BOOKS_TEXT = """Commands over the made-up books of a finished run, each in a process of its own;
`curate` finds that all is done. Their files lie in memory."""
PROFILE_TEXT = """The first clip, in process with one thread."""


def section(title: str, text: str, body: str) -> str:
    return f"\n## {title}\n\n{text}\n\n{body}\n"


def machine() -> str:
    """Processor, cores that may be used, and memory."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(": ")[2] for line in facts if line.startswith("model name")]
    total_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.machine()}, {cores} cores, {total_gb:.0f} GB"


def ratio_table(ratios: list[Ratio]) -> str:
    header = ["what", "s", "s", "ratio", "goal", "met"]
    return markdown(header, [_ratio_line(ratio) for ratio in ratios])


def _ratio_line(ratio: Ratio) -> list[str]:
    bound = "at least" if ratio.at_least else "at most"
    goal = "-" if ratio.limit is None else f"{bound} {ratio.limit}"
    times = [f"{seconds:.2f}" for seconds in ratio.seconds]
    return [ratio.what, *times, f"{ratio.value:.2f}", goal, ratio.verdict]


def book_lines(scratch: str, rows: int) -> list[list[str]]:
    """A line per command."""
    lines: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="camvid-books-", dir=_many_files(scratch)) as folder:
        root = os.path.join(folder, "run")
        make_books(root, rows)
        for name, command in COMMANDS.items():
            took = measure(root, command)
            if took["exit"]:
                raise SystemExit(f"{name}: {took['stderr']}")
            numbers = [str(took[key]) for key in ("seconds", "cpu_seconds", "peak_mb", "lines")]
            lines.append([f"`{name}`", f"{rows:,}", *numbers])
            print(rows, name, *numbers, file=sys.stderr, flush=True)
    return lines


def _many_files(scratch: str) -> str:
    """Where two million files are soon made: in memory they take 5 us each, on a disk 100."""
    memory = "/dev/shm"
    room = os.path.isdir(memory) and os.statvfs(memory).f_favail > _MOST_FILES
    return memory if room else scratch


def markdown(header: list[str], lines: list[list[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
