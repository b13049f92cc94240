"""Plots the motion strengths of a run's clips as a stacked histogram, by kind."""

import math

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.reasons import Why
from camvid.record import OUTCOMES
from camvid.report.svg import element

_WIDTH, _HEIGHT = 1100.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 14.0, 18.0, 44.0
_LOW, _HIGH, _PER_DECADE = -2, 2, 8  # decades of strength x100; the ends take what lies outside


def strength_plot(rows: ClipTable) -> Markup:
    """An SVG plot, empty where no clip has a measured strength."""
    strength = rows.numbers("motion_strength")
    measured = np.isfinite(strength)
    if not measured.any():
        return Markup("")
    num_bins = (_HIGH - _LOW) * _PER_DECADE
    decades = np.log10(np.maximum(100 * strength[measured], 1e-9)) - _LOW
    bins = np.clip((decades * _PER_DECADE).astype(int), 0, num_bins - 1)
    outcome = rows.outcome.to_numpy()[measured]
    counts = {o: np.bincount(bins[outcome == o], minlength=num_bins) for o in OUTCOMES}
    tallest = int(np.sum(list(counts.values()), axis=0).max())
    return element(
        "svg",
        _axes(tallest),
        *_bars(counts, tallest, num_bins),
        _limit(rows.where(pa.array(measured))),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_label="Number of clips by motion strength",
        class_="plot",
    )


def _x(strength_x100: float) -> float:
    share = (math.log10(strength_x100) - _LOW) / (_HIGH - _LOW)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _bars(counts: dict[str, "np.ndarray"], tallest: int, num_bins: int) -> list[Markup]:
    width = (_WIDTH - _LEFT - _RIGHT) / num_bins
    per_clip = (_HEIGHT - _TOP - _BOTTOM) / tallest
    base = np.full(num_bins, _HEIGHT - _BOTTOM)
    bars: list[Markup] = []
    for outcome, column in counts.items():
        for n in np.flatnonzero(column):
            height = float(column[n]) * per_clip
            base[n] -= height
            bars.append(
                element(
                    "rect",
                    element("title", f"{outcome}: {column[n]}"),
                    x=_LEFT + float(n) * width + 0.75,
                    y=float(base[n]),
                    width=width - 1.5,
                    height=height,
                    class_=f"fill-{outcome}",
                )
            )
    return bars


def _axes(tallest: int) -> Markup:
    base = _HEIGHT - _BOTTOM
    parts = [element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=base, y2=base, class_="axis")]
    for share in (0.5, 1.0):
        count = round(tallest * share)
        if count == 0 or (share < 1 and tallest < 4):
            continue
        y = base - count / tallest * (base - _TOP)
        parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(
            element("text", f"{count:,}", x=_LEFT - 8, y=y + 4, text_anchor="end", class_="tick")
        )
    for decade in range(_LOW, _HIGH + 1):
        x = _x(10.0**decade)
        label = f"{10.0**decade:g}"
        label = f"\N{LESS-THAN OR EQUAL TO} {label}" if decade == _LOW else label
        parts.append(element("line", x1=x, x2=x, y1=base, y2=base + 5, class_="axis"))
        parts.append(element("text", label, x=x, y=base + 19, text_anchor="middle", class_="tick"))
    parts.append(
        element(
            "text",
            "motion strength (\N{MULTIPLICATION SIGN}100, log scale)",
            x=(_LEFT + _WIDTH - _RIGHT) / 2,
            y=_HEIGHT - 6,
            text_anchor="middle",
            class_="axis-label",
        )
    )
    return Markup("").join(parts)


def _limit(rows: ClipTable) -> Markup:
    """The threshold between still and moving, as the reasons give it."""
    reasons = pc.list_flatten(rows.table["reasons"])
    named = pc.equal(pc.struct_field(reasons, "name"), str(Why.MIN_MOTION_STRENGTH))
    limits = pc.unique(pc.struct_field(reasons, "limit").filter(named)).to_pylist()
    limits = [limit for limit in limits if limit is not None and 0.01 < 100 * limit < 100]
    if len(limits) != 1:
        return Markup("")
    limit = 100 * limits[0]
    x = _x(limit)
    return element("line", x1=x, x2=x, y1=_TOP - 6, y2=_HEIGHT - _BOTTOM, class_="limit") + element(
        "text", f"limit {limit:.2f}", x=x + 6, y=_TOP + 2, class_="limit-label"
    )
