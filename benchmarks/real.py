"""Real footage with known masks, poses or joints: curated, scored, and held beside baselines.

python benchmarks/real.py DATA                        the tables of docs/REAL.md, printed
python benchmarks/real.py DATA --only davis_dog       some clips
python benchmarks/real.py DATA --write docs/REAL.md   and the page written

DATA holds a folder for each clip: video.* or frames/, beside what is known of it (see
`camvid evaluate --help`).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from real_facts import HALVES, IMAGE_FPS, LABELS, TIMEOUT_S, UNSEEN
from real_page import page

from camvid.evaluation.scores import ClipScores
from camvid.evaluation.sequences import SequenceScores, sequence_scores
from camvid.evaluation.truth import find_truths, match_truth, read_truth
from camvid.parallel import num_threads
from camvid.plain import to_plain
from camvid.record import ClipRecord
from camvid.store import ClipStore
from stages.split import SplitConfig
from workflows.cli.progress import progress
from workflows.curate import CurateConfig, curate
from workflows.evaluate import evaluate
from workflows.execution.executors import choose_executor

BASELINES = ("u2netp", "stock", "stock-masked")

Cells = dict[str, dict[str, float] | str]  # by baseline: its figures, or why there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sequence of the benchmark."""

    half: str
    scores: SequenceScores
    reasons: tuple[str, ...]  # why it is not what it might be
    baselines: Cells = field(default_factory=dict[str, dict[str, float] | str])


def main() -> None:
    asked = parse()
    start = time.perf_counter()
    data, store = Path(asked.data), fresh_store(Path(asked.out) / "run")
    videos = sources(data, asked.only)
    config = CurateConfig(split=SplitConfig(image_fps=IMAGE_FPS))
    with progress(len(videos)) as on_row:
        index = curate(videos, store.root, config, choose_executor(None, asked.jobs), on_row)
    curated_s = time.perf_counter() - start
    scores = evaluate(store, data, LABELS)
    truths = find_truths(data)
    cells = run_baselines(store, index, truths, asked.baselines, asked.jobs)
    lines = make_lines(scores.clips, index, truths, cells)
    text = page(lines, curated_s, time.perf_counter() - start, asked.jobs)
    print(text)
    if asked.json:
        Path(asked.json).write_text(json.dumps(to_plain(lines), indent=1))
    if asked.write:
        Path(asked.write).write_text(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder with a folder for each clip")
    parser.add_argument("--only", type=_names, default=[], help="these clips, comma between them")
    parser.add_argument("--out", default="runs/real")
    parser.add_argument("--jobs", type=int, default=num_threads(), help="processes at once")
    parser.add_argument(
        "--baselines", type=_names, default=list(BASELINES), help="which of u2netp,stock,..."
    )
    parser.add_argument("--json", help="file that takes all scores")
    parser.add_argument("--write", help="Markdown file that takes the page")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def fresh_store(run: Path) -> ClipStore:
    """An empty run: what an earlier method left must not be scored as this one's."""
    if (run / "run.toml").exists():
        shutil.rmtree(run)
    return ClipStore(str(run))


def sources(data: Path, only: Sequence[str]) -> list[str]:
    """The video of each clip's folder: a file with its own clock, or else a folder of images."""
    found: list[str] = []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        files = [*sorted(folder.glob("video.*")), folder / "frames"]
        video = next((path for path in files if path.exists()), None)
        if video is not None and (not only or folder.name in only):
            found.append(str(video))
    if not found:
        sys.exit(f"{data} must hold folders with video.* or frames/, found none")
    return found


def run_baselines(
    store: ClipStore,
    index: Sequence[ClipRecord],
    truths: Mapping[str, Path],
    baselines: Sequence[str],
    jobs: int,
) -> dict[tuple[str, str], dict[str, float] | str]:
    """Every baseline on every clip that has frames and masks, by clip id and baseline."""
    tasks: list[tuple[str, str, Path]] = []
    for record in index:
        folder = match_truth(record.source_uri, truths)
        if folder is None or not record.has_verdict:
            continue
        skipped = () if read_truth(folder).masks else ("u2netp",)
        tasks += [(record.clip_id, name, folder) for name in baselines if name not in skipped]
    with ThreadPoolExecutor(jobs) as pool:
        cells = pool.map(lambda task: _run_baseline(store.root, *task), tasks)
        return {
            (clip_id, name): cell for (clip_id, name, _), cell in zip(tasks, cells, strict=True)
        }


def _run_baseline(run: str, clip_id: str, baseline: str, truth: Path) -> dict[str, float] | str:
    script = Path(__file__).with_name("real_baseline.py")
    one_thread = {"CAMVID_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with TemporaryDirectory() as scratch:
        out = Path(scratch) / "scores.json"
        command = [sys.executable, str(script), baseline, run, clip_id, str(truth), str(out)]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **one_thread},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"over {TIMEOUT_S:.0f} s"
        if done.returncode or not out.exists():
            last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            print(f"{baseline} on {truth.name} failed: {last}", file=sys.stderr)
            return "failed"
        return json.loads(out.read_text())


def make_lines(
    clips: Sequence[ClipScores],
    index: Sequence[ClipRecord],
    truths: Mapping[str, Path],
    cells: Mapping[tuple[str, str], dict[str, float] | str],
) -> list[Line]:
    """A line per source, in the order of their names; baselines are those of the longest clip."""
    lines: list[Line] = []
    for name in sorted({clip.name for clip in clips}):
        own = [clip for clip in clips if clip.name == name]
        longest = max(own, key=lambda clip: clip.num_frames)
        found = [r for r in index if match_truth(r.source_uri, truths) == truths[name]]
        reasons = [str(why) for r in found for why in (*r.reasons, r.error) if why]
        lines.append(
            Line(
                half=HALVES.get(name, UNSEEN),
                scores=sequence_scores(own, len(read_truth(truths[name]).masks)),
                reasons=tuple(dict.fromkeys(reasons)),
                baselines={n: cell for (i, n), cell in cells.items() if i == longest.clip_id},
            )
        )
    return lines


if __name__ == "__main__":
    main()
