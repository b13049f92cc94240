"""`camvid curate`: the whole job."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from camvid.errors import BackendUnavailable
from workflows.cli.console import adopt_loggers
from workflows.cli.options import (
    ConfigOption,
    NewRunOption,
    RayOption,
    RetryFailedOption,
    SetOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from camvid.stage import ClipRow
    from workflows.execution.in_flight import InFlightNow
    from workflows.runs.observe import OnRow


def command(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEOS...",
            help="Files, folders, globs, URIs, lists (.txt, .csv, .jsonl, .parquet).",
        ),
    ],
    out: NewRunOption,
    config: ConfigOption = None,
    profile: Annotated[
        str, typer.Option(help="Backends: `embedded`, `paper` or `paper-noncommercial`.")
    ] = "embedded",
    ray: RayOption = None,
    workers: WorkersOption = 1,
    accept_noncommercial: Annotated[
        bool,
        typer.Option(
            "--accept-noncommercial", help="Use weights whose licence forbids commercial use."
        ),
    ] = False,
    retry_failed: RetryFailedOption = False,
    known: Annotated[
        str | None,
        typer.Option(
            "--known",
            metavar="FILE",
            help="Fingerprints of another run, of whose clips no copy is kept.",
        ),
    ] = None,
    local_only: Annotated[
        bool, typer.Option("--local-only", help="Refuse addresses, as for lists of strangers.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port", metavar="PORT", help="Answer Prometheus there while the run lasts."
        ),
    ] = None,
    keep: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="`all` artifacts, the `evidence` that report and inspect show, or the `shards`"
            " alone; the rest goes once shards are verified.",
        ),
    ] = "all",
    only_plan: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is to do, and what it would take.")
    ] = False,
    like: Annotated[
        str, typer.Option("--like", metavar="RUN", help="A dry run goes by its times.")
    ] = "",
    price_per_hour: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="PRICE",
            help="Of a worker, in any currency, for what a dry run says of cost.",
        ),
    ] = 0.0,
    price_per_gpu_hour: Annotated[
        float, typer.Option(min=0, metavar="PRICE", help="The same of a worker's GPU, on top.")
    ] = 0.0,
    settings: SetOption = None,
) -> None:
    """Curate videos into a 4D dataset.

    Clips, cameras, depth, masks and motion strength, as shards with a report.
    """
    from camvid.store import ClipStore
    from camvid.video.sources import find_sources
    from workflows.cli.progress import progress
    from workflows.cli.stopping import stoppable
    from workflows.cli.summary import finish
    from workflows.curate import CurateConfig, curate
    from workflows.dry_run import Prices, dry_run
    from workflows.execution.executors import choose_executor, plan_of
    from workflows.execution.in_flight import InFlightNow
    from workflows.profiles import load_profile
    from workflows.runs.run_toml import load_settings
    from workflows.runs.thinning import check_keep, thin

    what = check_keep(keep)
    accepted = ["licences.accept_noncommercial=true"] if accept_noncommercial else []
    accepted += [f"copies.known_clips={json.dumps(known)}"] if known else []
    chosen = load_profile(profile)
    resolved = load_settings(CurateConfig(), config, [*accepted, *(settings or ())], chosen)
    found = find_sources(videos, local_only=local_only)
    in_flight = InFlightNow()
    execute = choose_executor(ray, workers, resolved.limits, in_flight)
    if only_plan:
        prices = Prices(worker=price_per_hour, gpu=price_per_gpu_hour)
        plan = plan_of(execute, resolved)
        print(dry_run(found, out, resolved, plan, like, prices).render_text())
        return
    counted = _counted(metrics_port, in_flight)
    with stoppable(), counted as count, progress(found.count()) as show:

        def on_row(row: "ClipRow") -> None:
            count(row)
            show(row)

        adopt_loggers("ray", "ray.data")
        index = curate(found, out, resolved, execute, on_row, retry_failed=retry_failed)
    failed = finish(out, resolved, index)
    thin(ClipStore(out), what, index)
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _counted(port: int | None, in_flight: "InFlightNow") -> "Generator[OnRow, None, None]":
    """Gives what counts each row, for Prometheus to read at the port."""
    if port is None:
        yield lambda row: None
        return
    try:
        from workflows.runs.prometheus import Metrics, served
    except ImportError as error:
        raise BackendUnavailable(
            "--metrics-port needs a package", fix="pip install 'camvid[metrics]'"
        ) from error
    metrics = Metrics(in_flight)
    with served(metrics, port):
        yield metrics.count
