"""The dataset card's distributions as SVG files of their own."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from camvid.artifacts import F64
from camvid.books.clip_table import ClipTable
from camvid.report.statistics import RunStatistics
from camvid.report.svg import element

_WIDTH, _ROW, _LABEL, _COUNT = 640.0, 22.0, 190.0, 60.0
_STRENGTHS = (0, 0.1, 0.3, 1, 3, 10)  # x100: still below the third
_SECONDS = (0, 2, 3, 4, 6, 8)
_STYLE = "text{font:13px sans-serif;fill:#444}.name{text-anchor:end}rect{fill:#4477aa}"


def card_plots(statistics: RunStatistics, rows: ClipTable) -> dict[str, str]:
    """Of a run: SVG texts by file name; none where there is nothing to show."""
    return distribution_plots(
        kinds=statistics.kinds,
        camera_moves=statistics.camera_moves,
        strengths=rows.numbers("motion_strength"),
        seconds=rows.numbers("end_s") - rows.numbers("start_s"),
    )


def distribution_plots(
    *,
    kinds: Mapping[Any, int],
    camera_moves: Mapping[str, int],
    strengths: F64,
    seconds: F64,
) -> dict[str, str]:
    """SVG texts by file name, of clips by kind and class of camera motion, and of what each has:
    motion strength and length, NaN where not known.
    """
    plots = {
        "kinds": bars("Clips by kind", kinds),
        "camera_moves": bars("Kept clips by class of camera motion", camera_moves),
        "motion_strength": bars(
            "Clips by motion strength \N{MULTIPLICATION SIGN}100",
            _histogram(100 * strengths, _STRENGTHS),
        ),
        "duration": bars("Clips by length in seconds", _histogram(seconds, _SECONDS)),
    }
    return {f"{name}.svg": str(plot) for name, plot in plots.items() if plot}


def _histogram(values: F64, edges: Sequence[float]) -> dict[str, int]:
    """Counts between edges; the last bin is open."""
    counts, _ = np.histogram(values[np.isfinite(values)], (*edges, np.inf))
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    found = dict(zip([*names, f"{edges[-1]:g} and more"], counts.tolist(), strict=True))
    return found if sum(found.values()) else {}


def bars(title: str, counts: Mapping[Any, int]) -> Markup:
    """A bar for each count, with its name and number; empty without counts."""
    if not counts:
        return Markup("")
    height = _ROW * (len(counts) + 1.5)
    per_clip = (_WIDTH - _LABEL - _COUNT) / max(*counts.values(), 1)
    parts = [element("style", _STYLE), element("text", title, x=8, y=16)]
    for n, (name, count) in enumerate(counts.items()):
        y = _ROW * (n + 1.2)
        width = per_clip * count
        parts += [
            element("text", name.replace("_", " "), x=_LABEL - 8, y=y + 14, class_="name"),
            element("rect", x=_LABEL, y=y + 3, width=width, height=_ROW - 6),
            element("text", f"{count:,}", x=_LABEL + width + 6, y=y + 14),
        ]
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:.0f} {height:.0f}",
        width=f"{_WIDTH:.0f}",
        role="img",
        aria_label=title,
    )
