"""The accuracy suite: random generated scenes, curated and held against their exact truth.

python benchmarks/accuracy.py                       the table of docs/ACCURACY.md, printed
python benchmarks/accuracy.py --seeds 3,17,40       some scenes
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

from camvid.evaluation.summary import RunScores
from camvid.evaluation.truth import find_truths
from camvid.parallel import num_threads
from camvid.scenes.files import write_scene
from camvid.scenes.generate import VERSION, random_scene
from camvid.scenes.render import render
from camvid.store import ClipStore
from camvid.structure import unstructure
from workflows.cli.console import number, table
from workflows.cli.evaluate import clip_table, confidence_table, ingredient_table, run_lines
from workflows.cli.progress import progress
from workflows.curate import CurateConfig, curate
from workflows.evaluate import evaluate
from workflows.executors import choose_executor


def main() -> None:
    asked = parse()
    out, seeds = Path(asked.out), seeds_asked(asked)
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
        Path(asked.json).write_text(json.dumps(unstructure(everything), indent=1))
    if asked.write:
        Path(asked.write).write_text(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/accuracy")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--seeds", help="these and no others, such as 3,17,40")
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
    return parser.parse_args()


def seeds_asked(asked: argparse.Namespace) -> list[int]:
    if asked.seeds:
        return [int(seed) for seed in asked.seeds.split(",")]
    return list(range(asked.first_seed, asked.first_seed + asked.clips))


def command_of(asked: argparse.Namespace) -> str:
    which = f"--seeds {asked.seeds}" if asked.seeds else f"--clips {asked.clips}"
    first = "" if asked.seeds else f" --first-seed {asked.first_seed}"
    stock = f" --against-stock {asked.against_stock}" if asked.against_stock else ""
    return f"python benchmarks/accuracy.py {which}{first}{stock}"


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
    sections = [
        _PREFACE.format(command=command),
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
    yield "turns in place, worst RMSE", run.worst_pan_rotation_deg, 0.1, True, " deg"
    yield "motion strength, rank corr.", run.motion_rank_correlation, 0.95, False, ""
    yield "motion strength, median err.", 100 * run.motion_median_error, 15, True, " %"
    yield "still against moving, AUC", run.still_moving_auc, 0.995, False, ""
    yield "mask IoU", run.mask_iou, 0.75, False, ""
    yield "depth AbsRel, static", run.depth_abs_rel_static, 0.03, True, ""
    yield "depth AbsRel, movers", run.depth_abs_rel_movers, 0.12, True, ""
    if races:
        from stock_sfm import median_percents, speedup

        ours, stock = median_percents(races)
        yield "pose stage over stock's time", speedup(races), 5, False, " x"
        yield "median ATE over stock's", ours / stock, 1, True, ""


_PREFACE = """# Accuracy on generated scenes

Scenes are seeded: the same command measures the same scenes. Generated pictures are cleaner than
real ones; what holds here is a floor under the method, not a promise for every video.

Made by `{command} --write docs/ACCURACY.md`.

- *ATE* is the camera path's RMSE after Sim(3) alignment, as a share of the path's length; *RPE* is
  over all pairs of neighbouring frames. A camera that stays in its place has no path: what counts
  is the RMSE of its rotations after the best turn of the world ("turn deg").
- *Depth* is AbsRel after one scale per clip, over static pixels and over movers.
- *Masks* are those of the objects judged to move, against the pixels of true movers.
- *Motion strength* is shown x100; its error is relative, where something truly moves.
- A kind with "?" is not decidable from the pictures, and not counted where kinds are: a camera
  that travels less than 3 % of the median depth, or a motion strength between 0 and 0.006, twice
  the threshold.
- Every scene has a camera path and one challenge by turns, and more by chance: 35 to 90 degrees
  of view, movers of limbs, squeezed movers, a mover over half of the picture, crowds, parked cars
  and standing people, thin bars, bare walls, shadows, motion blur, noise, flicker that rolls down
  the picture, dark corners, and exposure that drifts.
"""


if __name__ == "__main__":
    main()
