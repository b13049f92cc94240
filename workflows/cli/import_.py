"""`camvid import`: clips that come with cameras."""

from typing import Annotated

import typer

from workflows.cli.console import SetOption

FootageOption = Annotated[
    str,
    typer.Option(
        "--footage", metavar="PATH", help="Images or videos, if not where the format has them."
    ),
]


def command(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A folder or file with cameras.")],
    out: Annotated[str, typer.Option("--out", metavar="RUN", help="Where the run goes.")],
    name: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="camvid30k, colmap, nerfstudio, npz, realestate10k, or stills: photographs.",
        ),
    ],
    footage: FootageOption = "",
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="TOML; only what differs.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Run on Ray: `local`, `auto` or an address."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Clips at a time; above one starts a local Ray.")
    ] = 1,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Try clips again that crashed, hung or ran out of memory before."
        ),
    ] = False,
    settings: SetOption = None,
) -> None:
    """Others' clips and cameras as a run: cameras are tested, depth and motion measured."""
    from workflows.cli.progress import progress
    from workflows.cli.stopping import stoppable
    from workflows.cli.summary import finish
    from workflows.curate import curate
    from workflows.executors import choose_executor
    from workflows.imports import plan_import
    from workflows.run_toml import load_settings

    plan = plan_import(source, name, footage)
    resolved = load_settings(plan.config, config, settings or ())
    with stoppable(), progress(len(plan.sources)) as on_row:
        execute = choose_executor(ray, workers, resolved.limits)
        index = curate(plan.sources, out, resolved, execute, on_row, retry_failed=retry_failed)
    failed = finish(out, resolved, index)
    raise typer.Exit(1 if failed else 0)
