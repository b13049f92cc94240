"""`camvid models`: the weights that are known, which of them are here, and getting them."""

from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import print_json, table
from workflows.cli.options import JsonOption

if TYPE_CHECKING:
    from workflows.models import ModelLine

app = typer.Typer(help="Model weights.", no_args_is_help=True, rich_markup_mode=None)

NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="NAME...", help="As `camvid models list` spells them.")
]


@app.callback()
def models() -> None:
    """List, fetch and check model weights."""


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """Every known weight: role, backend, licence, size, and where it was found."""
    from workflows.models import list_models

    _show(list_models(), as_json=as_json)


@app.command("check")
def check_command(names: NamesArgument = None, as_json: JsonOption = False) -> None:
    """Compare sha256 with the published ones, of the named weights or of all that are here."""
    from workflows.models import check_models

    lines = check_models(names or [])
    _show(lines, as_json=as_json)
    raise typer.Exit(3 if any(line.error for line in lines) else 0)


@app.command("fetch")
def fetch_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Which weights.")],
    as_json: JsonOption = False,
) -> None:
    """Download weights, resuming what was begun, and verify them."""
    from workflows.models import fetch_models

    _show(fetch_models(names), as_json=as_json)


def _show(lines: "list[ModelLine]", *, as_json: bool) -> None:
    if as_json:
        print_json(lines)
        return
    print(table(["name", "role", "backend", "licence", "MB", "found"], [_row(x) for x in lines]))
    for line in lines:
        if line.error:
            print(f"{line.name}: {line.error}")


def _row(line: "ModelLine") -> list[str]:
    licence = line.licence if line.commercial else f"{line.licence} (non-commercial)"
    found = "DAMAGED" if line.error and line.path else line.path or "-"
    return [line.name, line.role, line.backend, licence, f"{line.size_bytes / 1e6:.0f}", found]
