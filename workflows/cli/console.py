"""What the commands share: log lines, error lines, tables, and options that recur."""

import json
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from camvid.errors import CamvidError
from camvid.video.addresses import without_secrets

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's folder or URI.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be repeated."),
]


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def configure_logging(*, debug: bool) -> None:
    """Log lines go to stderr; results go to stdout."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter("%(levelname)s %(name)s: %(message)s" if debug else "camvid: %(message)s")
    )
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
    if debug:
        for chatty in ("asyncio", "fsspec", "PIL", "ray", "pyscenedetect"):
            logging.getLogger(chatty).setLevel(logging.INFO)


def print_error(error: CamvidError) -> None:
    """One line on stderr."""
    print(f"camvid: error: {without_secrets(' '.join(str(error).split()))}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Plain JSON on stdout; NaN becomes null."""
    from camvid.plain import to_plain

    print(json.dumps(to_plain(value), indent=2))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain text table, columns as wide as they need to be."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    spelled = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([spelled[0], "  ".join("-" * width for width in widths), *spelled[1:]])


def number(value: float | None, digits: int = 2, scale: float = 1.0) -> str:
    """A number for a table; a dash where there is none."""
    if value is None or value != value:
        return "-"
    return f"{value * scale:.{digits}f}"
