"""docs/SETTINGS.md: every setting of `camvid curate`, from where it is declared."""

from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any

from camvid.settings import Setting, settings_of
from workflows.curate_config import CurateConfig

_NUM_SHOWN = 3  # of the items of a list
_HEAD = """\
# Settings

The settings of `camvid curate`, in a file (`--config`, a table for each section) or one by one
(`--set section.key=value`); `RUN/run.toml` holds those of a run. `options` are those of the backend
in use; the default names the backends that have them. Every other number is a constant of the code.

This page is made by `camvid settings > docs/SETTINGS.md`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A setting, and which backends have it, each with its own default."""

    setting: Setting
    by_backend: dict[str, Any] = field(default_factory=dict[str, Any])


def all_settings() -> dict[str, Row]:
    """Every key by its dotted name, in order, those of all known backends among them."""
    config = CurateConfig()
    rows: dict[str, Row] = {}
    for section in (f.name for f in fields(CurateConfig)):
        chosen = getattr(config, section)
        for backend in getattr(chosen, "known", ("",)):
            one = replace(chosen, backend=backend) if backend else chosen
            for found in settings_of(replace(config, **{section: one})):
                if found.name.startswith(f"{section}."):
                    row = rows.setdefault(found.name, Row(setting=found))
                    if found.name.startswith(f"{section}.options."):
                        row.by_backend[backend] = found.value
    return rows


def settings_page() -> str:
    """The page as Markdown."""
    lines = [_HEAD]
    rows = all_settings().values()
    for section, found in groupby(rows, lambda row: row.setting.name.partition(".")[0]):
        lines += ["", f"## {section}", "", "| key | default | unit | |", "|---|---|---|---|"]
        lines += [_line(row) for row in found]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    values = {name: _spelled(value) for name, value in row.by_backend.items()}
    if len(set(values.values())) == 1:
        default = f"{next(iter(values.values()))} ({', '.join(values)})"
    else:
        default = ", ".join(f"{value} ({name})" for name, value in values.items())
    default = default if values else _spelled(row.setting.value)
    return f"| `{row.setting.name}` | {default} | {row.setting.unit} | {row.setting.meaning} |"


def _spelled(value: Any) -> str:
    if value in (None, "", ()):
        return "none"
    if isinstance(value, tuple):
        return f"{', '.join(map(str, value[:_NUM_SHOWN]))}, ..."
    return str(value).lower() if isinstance(value, bool) else str(value)
