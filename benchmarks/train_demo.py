"""The training demo, with its numbers against what they must be.

python benchmarks/train_demo.py [--out DIR] [--write PAGE] [--set section.key=value]
"""

import argparse
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from figures import marks, with_figures

from camvid.errors import RunAborted
from workflows.configs import load_training_config
from workflows.execution.in_process import run
from workflows.train_demo import DemoNumbers, run_train_demo

MIN_PSNR_DB = 25.0
MARKS = marks("train-demo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/train_demo")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--write", metavar="PAGE", help="whose marked lines take the numbers")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("camvid.genxd.training").setLevel(logging.INFO)
    try:
        numbers = run_train_demo(Path(asked.out), load_training_config("demo", asked.set), run)
    except RunAborted as stopped:
        sys.exit(str(stopped))
    for name, value in asdict(numbers).items():
        print(f"{name:24}{value:9.3f}")
    if asked.write:
        page = Path(asked.write)
        page.write_text(with_figures(page.read_text(), MARKS, table_lines(numbers)))
    unmet = [name for name, holds in requirements(numbers).items() if not holds]
    print(f"images and numbers: {asked.out}/README.md")
    sys.exit(f"not reached: {', '.join(unmet)}" if unmet else 0)


def table_lines(numbers: DemoNumbers) -> str:
    """The table of docs/TRAIN.md."""
    n = numbers
    rows = {
        "a path never trained on, from three of its five frames, all 25 sampler steps": (
            f"{n.psnr_held_out_db:.1f} dB"
        ),
        "the same, two sampler steps": f"{n.psnr_held_out_two_steps_db:.1f} dB",
        "copying its nearest given frame; the most similar frame trained on": (
            f"{n.psnr_held_out_copy_db:.1f}; {n.psnr_held_out_nearest_db:.1f} dB"
        ),
        "its middle rendered by a fit to its ends; and to two generated views; and to two true": (
            f"{n.psnr_rendered_db:.1f}; {n.psnr_rendered_generated_db:.1f};"
            f" {n.psnr_rendered_true_db:.1f} dB"
        ),
        "a clip trained on, from three of its five frames, all 25 sampler steps": (
            f"{n.psnr_full_sampler_db:.1f} dB"
        ),
        "that clip, two sampler steps": f"{n.psnr_three_views_db:.1f} dB",
        "the codec's limit; copying the nearest frame": (
            f"{n.psnr_codec_db:.1f}; {n.psnr_copy_db:.1f} dB"
        ),
        "loss, first and last": f"{n.first_loss:.2f}, {n.last_loss:.2f}",
        "change from the room at rest, motion 0; high": (
            f"{n.departure_motion_0:.1f}; {n.departure_motion_high:.1f} grey levels"
        ),
        "nearer to its own camera path, there; back": (
            f"{n.nearer_forward_db:.1f}; {n.nearer_backward_db:.1f} dB"
        ),
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | measured |", "|---|---|", *lines])


def requirements(numbers: DemoNumbers) -> dict[str, bool]:
    """What must hold, by name."""
    return {
        "the loss falls": numbers.last_loss < 0.5 * numbers.first_loss,
        "a path never trained on is shown better than by copies": numbers.psnr_held_out_db
        > numbers.psnr_held_out_copy_db,
        "generated views help a fit to few": numbers.psnr_rendered_generated_db
        > numbers.psnr_rendered_db + 1.0,
        "a clip is reproduced": numbers.psnr_three_views_db > MIN_PSNR_DB,
        "more motion strength, more motion": numbers.departure_motion_high
        > 1.2 * numbers.departure_motion_0,
        "the view follows the cameras": min(numbers.nearer_forward_db, numbers.nearer_backward_db)
        > 1.0,
    }


if __name__ == "__main__":
    main()
