"""`camvid demo`: a run on generated scenes with known truth."""

from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import number, print_json, table
from workflows.cli.options import JsonOption

if TYPE_CHECKING:
    from workflows.demo import DemoLine


def command(
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Where it goes.")] = "runs/demo",
    workers: Annotated[int, typer.Option(min=1, help="Clips at a time (above one: Ray).")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Generate scenes, curate them, and compare with the truth. No downloads, no GPU."""
    from pathlib import Path

    from workflows.cli.progress import progress
    from workflows.cli.stopping import stoppable
    from workflows.cli.summary import finish
    from workflows.curate_config import CurateConfig
    from workflows.demo import run_demo, write_demo_videos
    from workflows.execution.executors import choose_executor

    folder = Path(out)
    videos = write_demo_videos(folder / "videos")
    with stoppable(), progress(len(videos)) as on_row:
        index, lines = run_demo(folder, videos, choose_executor(None, workers), on_row)
    if as_json:
        print_json(lines)
    else:
        finish(str(folder / "run"), CurateConfig(), index)
        print(f"\n{demo_table(lines)}")
        print("ATE %: camera path error (RMSE after alignment) as a share of the path's length")
    raise typer.Exit(0 if all(line.right for line in lines) else 1)


def demo_table(lines: "list[DemoLine]") -> str:
    """A line per scene, measured beside true."""
    header = ["scene", "kind", "true", "camera", "true", "ATE %", "motion x100", "true"]
    rows = [
        [
            line.scene,
            line.kind,
            line.true_kind,
            line.camera,
            line.true_camera,
            number(line.ate_percent, 3),
            number(line.motion_strength, 3, 100),
            number(line.true_motion_strength, 3, 100),
        ]
        for line in lines
    ]
    return table(header, rows)
