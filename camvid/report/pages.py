"""Renders HTML pages: Jinja2 with autoescape, and a policy that allows no foreign script."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.columns import Column, columns_of, show, to_row
from camvid.outcome import Reason
from camvid.pipeline import STAGES
from camvid.reasons import rule_of
from camvid.record import KEPT, MEANING, OUTCOMES, ClipRecord, Measures
from camvid.report.clip_view import ClipView, Media
from camvid.report.colours import object_slot
from camvid.report.funnel import Funnel
from camvid.report.plot_strengths import strength_plot
from camvid.report.selection import choose
from camvid.report.words import reason_in_words, reasons_in_words

_MAX_PROBLEMS = 200  # rows of the table of failures


def index_page(
    run_name: str,
    rows: ClipTable,
    clips: Sequence[ClipRecord],
    funnel: Funnel,
    media: Mapping[str, Media],
    weights: Sequence[str],
    csv: str,
) -> bytes:
    """The run's page: all `rows` counted, `clips` and some failures listed.

    `media` has an entry for every clip that has a page.
    """
    failed = pc.or_(pc.equal(rows.outcome, "failed"), pc.equal(rows.table["clip_id"], ""))
    problems = rows.where(failed)
    return _render(
        "index.html",
        "index.js",
        run_name=run_name,
        clips=clips,
        problems=list(problems.take(choose(problems, _MAX_PROBLEMS))),
        num_problems=len(problems),
        funnel=funnel,
        media=media,
        strengths=strength_plot(rows),
        cameras=sorted({r.measures.camera for r in clips}),
        weights=weights,
        csv=csv,
    )


def clip_page(run_name: str, view: ClipView, previous_id: str, next_id: str) -> bytes:
    """One clip's page, linked to its neighbours."""
    return _render(
        "clip.html",
        "clip.js",
        run_name=run_name,
        view=view,
        row=view.row,
        media=view.media,
        previous_id=previous_id,
        next_id=next_id,
    )


def _render(template: str, script: str, **context: object) -> bytes:
    code = _own_file(script)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    text = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_own_file("style.css")),
            script=Markup(code),
            script_hash=digest,
            **context,
        )
    )
    return text.encode("utf-8", "replace")  # a file name may hold bytes that are no text


def _own_file(name: str) -> str:
    return (resources.files("camvid.report") / "templates" / name).read_text("utf-8")


def _numbers(measures: Measures) -> list[tuple[Column, float]]:
    """What was measured, with its column."""
    row = to_row(measures)
    known = [c for c in columns_of(Measures) if isinstance(row[c.name], float | int)]
    return [(column, row[column.name]) for column in known]


def _remedy(reason: Reason) -> str:
    """What to do, as half a sentence; empty where there is nothing."""
    return rule_of(reason.name).remedy


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("camvid.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "show": show,
        "thousands": "{:,.0f}".format,
        "words": reasons_in_words,
        "reason": reason_in_words,
        "remedy": _remedy,
        "slot": object_slot,
        "flat": to_row,
        "numbers": _numbers,
    }
    constants: dict[str, Any] = {
        "OUTCOMES": OUTCOMES,
        "KEPT": KEPT,
        "MEANING": MEANING,
        "STAGES": STAGES,
        "SHOWN": [known for known in columns_of(ClipRecord) if known.heading],
    }
    environment.filters.update(filters)
    environment.globals.update(constants)
    return environment
