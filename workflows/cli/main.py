"""The command `camvid`. Commands import what they need when they run, so that --help is quick."""

import os
import sys
from typing import Annotated

import typer

from camvid import __version__
from camvid.errors import CamvidError
from workflows.cli import (
    audit,
    calibrate,
    curate,
    demo,
    doctor,
    evaluate,
    export,
    genxd,
    import_,
    inspect,
    models,
    pack,
    refilter,
    report,
    sample,
    settings,
    shards,
    stage,
    stats,
    status,
    torchrun,
    train,
)
from workflows.cli.console import LogFormat, configure_logging, print_error
from workflows.cli.stopping import Stopped, print_stopped

app = typer.Typer(
    name="camvid",
    help="Raw videos in, a 4D dataset out: cameras, depth, masks and motion strength.",
    no_args_is_help=True,
    epilog=(
        "Exit codes: 0 all is well; 1 some clips or videos failed; 2 a wrong argument or setting;"
        " 3 a backend or its weights are missing; 4 the run's folder cannot be read or written;"
        " 5 (audit) some poses cannot be relied on; 128 + N stopped by signal N."
    ),
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("curate")(curate.command)
app.command("demo")(demo.command)
app.command("audit")(audit.command)
app.command("import")(import_.command)
app.command("status")(status.command)
app.command("stats")(stats.command)
app.command("inspect")(inspect.command)
app.command("report")(report.command)
app.command("refilter")(refilter.command)
app.command("evaluate")(evaluate.command)
app.command("calibrate")(calibrate.command)
app.command("export")(export.command)
app.command("pack")(pack.command)
app.command("train")(train.command)
app.command(
    "torchrun",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)(torchrun.command)
app.command("sample")(sample.command)
app.add_typer(genxd.app, name="genxd")
app.command("stage")(stage.command)
app.add_typer(shards.app, name="shards")
app.add_typer(models.app, name="models")
app.command("settings")(settings.command)
app.command("doctor")(doctor.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"camvid {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks and every log line.")] = False,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Log lines for people or for machines.")
    ] = LogFormat.TEXT,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    if sys.platform == "linux":  # elsewhere Arrow may come without jemalloc
        # Gives back what was freed: the books of a million clips take 0.97 GB, not 1.13.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    configure_logging(debug=debug, log_format=log_format)


def main() -> None:
    """Runs the command line; errors made on purpose are one line and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1  # before the command or after it
    try:
        app(["--debug", *arguments] if debug else arguments)
    except CamvidError as error:
        if debug:
            raise
        print_error(error)
        sys.exit(error.exit_code)
    except Stopped as stopped:
        print_stopped(stopped)
        sys.exit(stopped.exit_code)
