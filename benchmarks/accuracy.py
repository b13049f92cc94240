"""The accuracy suite: random generated scenes, curated and held against their exact truth.

python benchmarks/accuracy.py                       the table of docs/ACCURACY.md, printed
python benchmarks/accuracy.py --seeds dev           scenes that decisions may be taken on
python benchmarks/accuracy.py --seeds 203,217       some scenes
python benchmarks/accuracy.py --keep DIR --only-truth    render them, for runs to come
python benchmarks/accuracy.py --against-stock own   and race stock pycolmap on the same frames
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from figures import marks, with_figures

from camvid.evaluation.summary import RunScores, Summary
from camvid.evaluation.truth import find_truths
from camvid.parallel import num_threads
from camvid.plain import to_plain
from camvid.scenes.files import write_scene
from camvid.scenes.generate import VERSION, random_scene
from camvid.scenes.render import render
from camvid.store import ClipStore
from workflows.cli.console import number, table
from workflows.cli.evaluate import clip_table, confidence_table, ingredient_table, run_lines
from workflows.cli.progress import progress
from workflows.curate import CurateConfig, curate
from workflows.evaluate import evaluate
from workflows.execution.executors import choose_executor

# Published seeds are drawn anew whenever decisions have been taken on the last ones.
SETS = {"dev": tuple(range(200, 240)), "published": tuple(range(15_000, 15_040))}
DEV_SEEDS = range(200, 1000)  # all that decisions may be taken on
MARKS = marks("accuracy")


def main() -> None:
    asked = parse()
    out, seeds = Path(asked.out), seeds_of(asked.seeds)
    truth = Path(asked.keep) if asked.keep else out / "truth"
    videos = write_scenes(seeds, truth, asked.jobs)
    if asked.only_truth:
        print("\n".join(videos))
        return
    store = ClipStore(str(out / "run"))
    with progress(len(videos)) as on_row:
        curate(videos, store.root, CurateConfig(), choose_executor(None, asked.jobs), on_row)
    scores = evaluate(store, truth)
    races = run_races(store, scores, truth, asked.against_stock) if asked.against_stock else []
    text = report(scores, races, command_of(asked))
    print(text)
    if asked.json:
        everything = {"scores": scores, "races": races}
        Path(asked.json).write_text(json.dumps(to_plain(everything), indent=1))
    if asked.write:
        Path(asked.write).write_text(text)
    if asked.readme:
        readme = Path(asked.readme)
        readme.write_text(with_figures(readme.read_text(), MARKS, readme_lines(scores.overall)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/accuracy")
    parser.add_argument("--seeds", default="published", help="published, dev, or such as 203,217")
    parser.add_argument("--jobs", type=int, default=num_threads(), help="processes at once")
    parser.add_argument("--keep", help="folder of rendered scenes, used again by later runs")
    parser.add_argument("--only-truth", action="store_true", help="render the scenes, no more")
    parser.add_argument(
        "--against-stock",
        choices=("own", "true"),
        help="race stock pycolmap, both with the masks found or with the true ones",
    )
    parser.add_argument("--json", help="file that takes all scores")
    parser.add_argument("--write", help="Markdown file that takes the report")
    parser.add_argument("--readme", help="Markdown file whose marked lines take the figures")
    return parser.parse_args()


def seeds_of(asked: str) -> tuple[int, ...]:
    """Of a named set, or of a list."""
    return SETS[asked] if asked in SETS else tuple(int(seed) for seed in asked.split(","))


def command_of(asked: argparse.Namespace) -> str:
    stock = f" --against-stock {asked.against_stock}" if asked.against_stock else ""
    return f"python benchmarks/accuracy.py --seeds {asked.seeds}{stock}"


def write_scenes(seeds: Sequence[int], folder: Path, jobs: int) -> list[str]:
    """Renders the scenes that are not there already; returns their videos' paths."""
    if jobs == 1:
        return [write_video_with_truth(seed, folder) for seed in seeds]
    os.environ["CAMVID_THREADS"] = "1"  # the processes take the cores
    with ProcessPoolExecutor(jobs) as pool:
        videos = list(pool.map(write_video_with_truth, seeds, [folder] * len(seeds)))
    del os.environ["CAMVID_THREADS"]
    return videos


def write_video_with_truth(seed: int, folder: Path) -> str:
    """The video of a random scene; its folder is named after the seed and the generator."""
    scene = folder / f"scene_{seed:04d}_v{VERSION}"
    done = scene / "done"
    if not done.exists():
        write_scene(render(random_scene(seed)), scene)
        done.touch()
    return str(scene / "video.mp4")


def run_races(store: ClipStore, scores: RunScores, truth: Path, masks: str) -> list[Any]:
    """Both solvers on every clip whose camera travels far enough to be solved."""
    from stock_sfm import race

    folders = find_truths(truth)
    return [
        race(store, clip, folders[clip.name], true_masks=masks == "true")
        for clip in scores.clips
        if clip.true_camera == "moving" and clip.observable.camera and clip.kind != "failed"
    ]


def report(scores: RunScores, races: Sequence[Any], command: str) -> str:
    """docs/ACCURACY.md."""
    figures = with_figures(f"{MARKS[0]}\n{MARKS[1]}\n", MARKS, readme_lines(scores.overall))
    sections = [
        preface(command),
        f"## In short\n\n{figures}",
        _section("Goals", goal_table(scores, races)),
        _section("In all", run_lines(scores)),
        _section("By ingredient", ingredient_table(scores)),
        _section("Clip by clip", clip_table(scores)),
        _section("Depth, by its confidence", confidence_table(scores)),
    ]
    if races:
        from stock_sfm import race_lines, race_table

        text = f"{race_lines(races)}\n\n{race_table(races)}"
        sections.append(_section("Against stock pycolmap", text))
    return "\n".join(sections)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```\n{text}\n```\n"


def goal_table(scores: RunScores, races: Sequence[Any]) -> str:
    """What the suite is meant to reach, and whether it does."""
    lines = [
        [
            name,
            f"{'at most' if most else 'at least'} {limit:g}{unit}",
            f"{number(value, 4)}{unit}",
            "-"
            if value != value
            else "yes"
            if (value <= limit if most else value >= limit)
            else "no",
        ]
        for name, value, limit, most, unit in _goals(scores, races)
    ]
    return table(["measure", "goal", "measured", "reached"], lines)


def _goals(
    scores: RunScores, races: Sequence[Any]
) -> Iterator[tuple[str, float, float, bool, str]]:
    """Name, value, limit, whether it is an upper limit, unit."""
    run = scores.overall
    yield "right kind", 100 * run.right_kind, 95, False, " %"
    yield "ATE under 1 % of the path", 100 * run.within_1_percent, 90, False, " %"
    yield "paths invented", run.num_invented_paths, 0, True, ""
    yield "wrong paths accepted", run.num_wrong_paths, 0, True, ""
    yield "rotation-only, worst RMSE", run.worst_pan_rotation_deg, 0.1, True, " deg"
    yield "motion strength, rank corr.", run.motion_rank_correlation, 0.95, False, ""
    yield "motion strength, median err.", 100 * run.motion_median_error, 15, True, " %"
    yield "truths in 90 % intervals", 100 * run.interval_coverage, 85, False, " %"
    yield "still against moving, AUC", run.still_moving_auc, 0.995, False, ""
    yield "mask IoU", run.mask_iou, 0.75, False, ""
    yield "depth AbsRel, static", run.depth_abs_rel_static, 0.03, True, ""
    yield "depth AbsRel, movers", run.depth_abs_rel_movers, 0.12, True, ""
    if races:
        from stock_sfm import median_percents, speedup

        ours, stock = median_percents(races)
        yield "pose stage over stock's time", speedup(races), 5, False, " x"
        yield "median ATE over stock's", ours / stock, 1, True, ""


def readme_lines(run: Summary) -> str:
    """What README says of the suite; docs/ACCURACY.md holds the same figures."""
    rows = [
        ("right kind", f"{number(run.right_kind, 1, 100)} %"),
        ("wrong kind (the other clips claim less)", str(run.num_wrong_kinds)),
        ("camera paths within 1 %", f"{number(run.within_1_percent, 1, 100)} %"),
        (
            "paths invented, wrong paths accepted",
            f"{run.num_invented_paths}, {run.num_wrong_paths}",
        ),
        (
            "depth AbsRel, static and movers",
            _pair(run.depth_abs_rel_static, run.depth_abs_rel_movers),
        ),
        ("mask IoU", number(run.mask_iou)),
        ("motion strength, median error", f"{number(run.motion_median_error, 1, 100)} %"),
        ("motion strength, rank correlation", number(run.motion_rank_correlation, 3)),
    ]
    head = f"| over {run.num_clips} scenes | measured |\n|---|---|"
    return "\n".join([head, *(f"| {name} | {value} |" for name, value in rows)])


def _pair(first: float, second: float) -> str:
    return f"{number(first, 3)}, {number(second, 3)}"


def preface(command: str) -> str:
    """What the page says before its tables."""
    published = SETS["published"]
    return _PREFACE.format(
        command=command,
        first_dev=DEV_SEEDS[0],
        last_dev=DEV_SEEDS[-1],
        num_dev=len(SETS["dev"]),
        first=published[0],
        last=published[-1],
    )


_PREFACE = """# Accuracy on generated scenes

Scenes are seeded: the same command measures the same scenes. Generated images are cleaner than
real ones; what holds here is a floor under the method, not a promise for every video.

Made by `{command} --write docs/ACCURACY.md --readme README.md`.

## Which seeds

Decisions (a rule, a limit, a constant) are taken on development seeds, {first_dev} to {last_dev}
(`--seeds dev`: the first {num_dev} of them), and on the development half of the real clips. The
published seeds, {first} to {last}, were drawn anew; they are looked at once per change of method,
and the figures stand as they come. Whoever takes a decision on them must draw others.

Masks were changed after a look at 7000 to 7039, what objects are judged by after one at 8000 to
8039, how points far away count after ones at 9000 to 9039 and 10000 to 10039, what passes for
an overlay after one at 11000 to 11039; others were drawn each time. 12000 to 12039 were measured
with a variant that was taken back as it found worse masks on real footage. A method had 85 % right
kinds on 13000 to 13039 and 70 % on 14000 to 14039: so far do forty scenes scatter. What of its
movers were lost led to counting how large a thing is that may mislead its tracks, and others were
drawn. The reason for all this: an earlier page showed seeds 5000 to 5039, on which decisions had
been taken. On 30 seeds that nobody had used, the same code came out worse:

| | seeds decided on | fresh seeds |
|---|---|---|
| right kind | 100 % | 93.3 % |
| paths within 1 % | 100 % | 95.2 % |
| motion strength, rank correlation | .984 | .890 |
| motion strength, median error | 2.6 % | 9.2 % |
| depth of movers, AbsRel | .178 | .235 |

## What is measured

- *ATE* is the camera path's RMSE after Sim(3) alignment, as a share of the path's length; *RPE* is
  over all pairs of neighbouring frames. A camera that stays in its place has no path: what counts
  is the RMSE of its rotations after the best turn of the world ("turn deg").
- *Depth* is AbsRel after one scale per clip, over static pixels and over movers.
- *Masks* are those of the objects judged to move, against the pixels of true movers.
- *Motion strength* is shown x100; its error is relative, where something truly moves.
- A kind with "?" is not decidable from the images, and not counted where kinds are: a camera
  that travels less than 3 % of the median depth, or a motion strength between 0 and 0.006, twice
  the threshold.
- Every scene has a camera path and one challenge by turns, and more by chance: 35 to 90 degrees
  of view, movers of limbs, squeezed movers, a mover over half of the image, crowds, parked cars
  and standing people, thin bars, bare walls, shadows, motion blur, noise, flicker that rolls down
  the image, dark corners, and exposure that drifts.
"""


if __name__ == "__main__":
    main()
