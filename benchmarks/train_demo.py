"""The training demo, with its numbers against what they must be.

python benchmarks/train_demo.py [--out DIR] [--set section.key=value]
"""

import argparse
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from workflows.configs import load_training_config
from workflows.in_process import run
from workflows.train_demo import DemoNumbers, run_train_demo

MIN_PSNR_DB = 25.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/train_demo")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("camvid.genxd.training").setLevel(logging.INFO)
    numbers = run_train_demo(Path(asked.out), load_training_config("demo", asked.set), run)
    for name, value in asdict(numbers).items():
        print(f"{name:24}{value:9.3f}")
    unmet = [name for name, holds in requirements(numbers).items() if not holds]
    print(f"images and numbers: {asked.out}/README.md")
    sys.exit(f"not reached: {', '.join(unmet)}" if unmet else 0)


def requirements(numbers: DemoNumbers) -> dict[str, bool]:
    """What must hold, by name."""
    return {
        "the loss falls": numbers.last_loss < 0.5 * numbers.first_loss,
        "a clip is reproduced": numbers.psnr_three_views_db > MIN_PSNR_DB,
        "more motion strength, more motion": numbers.departure_motion_high
        > 1.2 * numbers.departure_motion_0,
        "the view follows the cameras": min(numbers.nearer_forward_db, numbers.nearer_backward_db)
        > 1.0,
    }


if __name__ == "__main__":
    main()
