"""`camvid import`: clips that come with cameras."""

from typing import Annotated

import typer

from workflows.cli.console import adopt_loggers
from workflows.cli.options import (
    ConfigOption,
    FootageOption,
    NewRunOption,
    RayOption,
    RetryFailedOption,
    SetOption,
    WorkersOption,
)


def command(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A folder or file with cameras.")],
    out: NewRunOption,
    name: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="camvid30k, colmap, nerfstudio, npz, realestate10k, tum, or stills: photographs.",
        ),
    ],
    footage: FootageOption = "",
    config: ConfigOption = None,
    ray: RayOption = None,
    workers: WorkersOption = 1,
    retry_failed: RetryFailedOption = False,
    settings: SetOption = None,
) -> None:
    """Take in clips and cameras that others made, as a run.

    Cameras are tested, depth and motion measured.
    """
    from workflows.cli.progress import progress
    from workflows.cli.stopping import stoppable
    from workflows.cli.summary import finish
    from workflows.curate import curate
    from workflows.execution.executors import choose_executor
    from workflows.imports import plan_import
    from workflows.runs.run_toml import load_settings

    plan = plan_import(source, name, footage)
    resolved = load_settings(plan.config, config, settings or ())
    with stoppable(), progress(len(plan.sources)) as on_row:
        adopt_loggers("ray", "ray.data")
        execute = choose_executor(ray, workers, resolved.limits)
        index = curate(plan.sources, out, resolved, execute, on_row, retry_failed=retry_failed)
    failed = finish(out, resolved, index)
    raise typer.Exit(1 if failed else 0)
