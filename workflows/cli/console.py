"""What the commands share: log lines, error lines and tables."""

import json
import logging
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from camvid.errors import CamvidError
from camvid.video.addresses import without_secrets
from workflows.cli.json_lines import JsonLines

log = logging.getLogger(__name__)


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def configure_logging(*, debug: bool, log_format: LogFormat = LogFormat.TEXT) -> None:
    """Log lines go to stderr; results go to stdout."""
    json_lines = log_format is LogFormat.JSON
    text = _Text("%(levelname)s %(name)s: %(message)s" if debug else "camvid: %(message)s")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if json_lines else text)
    level = logging.DEBUG if debug else logging.INFO if json_lines else logging.WARNING
    # Loggers with a level of their own are heard from INFO up: training speaks so, and Ray Data,
    # which logs at DEBUG to its files, is not to.
    handler.setLevel(min(level, logging.INFO))
    if not (debug or json_lines):  # people have a bar, and a list of failures at the end
        handler.addFilter(lambda record: record.name != "workflows.runs.observe")
    logging.basicConfig(level=level, handlers=[handler])
    for chatty in ("asyncio", "fsspec", "PIL", "ray", "pyscenedetect"):
        logging.getLogger(chatty).setLevel(logging.INFO if debug else logging.WARNING)


def logs_json() -> bool:
    """Whether log lines are for machines: then there is no bar beside them."""
    return any(isinstance(h.formatter, JsonLines) for h in logging.getLogger().handlers)


def adopt_loggers(*names: str) -> None:
    """What these print to the terminal by handlers of their own goes through ours, as JSON too."""
    for name in names if logs_json() else ():
        logger = logging.getLogger(name)
        logger.handlers = [h for h in logger.handlers if not isinstance(h, logging.StreamHandler)]
        logger.propagate = True


def print_error(error: CamvidError) -> None:
    """One line on stderr."""
    say(logging.ERROR, f"error: {' '.join(str(error).split())}")


def say(level: int, line: str) -> None:
    """A line on stderr that no level hides."""
    if logs_json():
        log.log(level, "%s", line)
    else:
        print(f"camvid: {without_secrets(line)}", file=sys.stderr, flush=True)


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
