"""The accuracy suite: random generated scenes, curated and held against their exact truth.

    python benchmarks/accuracy.py --out runs/accuracy --clips 40 [--write docs/ACCURACY.md]

Scenes are seeded: the same command measures the same scenes. Generated pictures are cleaner than
real ones; what holds here is a floor under the method, not a promise for every video.
"""

import argparse
from pathlib import Path

from camvid.scenes.files import write_scene
from camvid.scenes.generate import random_scene
from camvid.scenes.render import render
from camvid.store import ClipStore
from workflows.cli.evaluate import clip_table, run_lines
from workflows.cli.progress import progress
from workflows.curate import CurateConfig, curate
from workflows.evaluate import evaluate
from workflows.executors import choose_executor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/accuracy")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", help="Markdown file that takes the table")
    asked = parser.parse_args()
    out = Path(asked.out)
    seeds = range(asked.first_seed, asked.first_seed + asked.clips)
    videos = [write_video_with_truth(seed, out / "truth") for seed in seeds]
    with progress(len(videos)) as on_row:
        execute = choose_executor(None, asked.workers)
        curate(videos, str(out / "run"), CurateConfig(), execute, on_row)
    scores = evaluate(ClipStore(str(out / "run")), out / "truth")
    text = f"{run_lines(scores)}\n\n{clip_table(scores)}\n"
    print(text)
    if asked.write:
        command = f"python benchmarks/accuracy.py --clips {asked.clips}"
        command += f" --first-seed {asked.first_seed}"
        Path(asked.write).write_text(as_markdown(text, command))


def write_video_with_truth(seed: int, folder: Path) -> str:
    """Renders a random scene unless it is there already; returns the video's path."""
    scene = folder / f"scene_{seed}"
    video = scene / "video.mp4"
    if not (scene / "groundtruth_tum.txt").exists():
        write_scene(render(random_scene(seed)), scene)
    return str(video)


def as_markdown(text: str, command: str) -> str:
    """docs/ACCURACY.md."""
    return (
        "# Accuracy on generated scenes\n\n"
        f"{__doc__.split(chr(10) * 2)[2].strip()}\n\n"
        f"Made by `{command} --write docs/ACCURACY.md`. ATE is the camera path's RMSE after\n"
        "Sim(3) alignment, as a share of the path's length; depth is AbsRel after one scale per\n"
        "clip, over static pixels and over movers; motion strength is shown x100.\n\n"
        f"```\n{text}```\n"
    )


if __name__ == "__main__":
    main()
