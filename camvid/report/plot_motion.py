"""Plots motion strength over time: each object, the background's noise, and the limit."""

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from camvid.artifacts import F64, MotionReport
from camvid.report.colours import object_round, object_slot
from camvid.report.svg import element, number, path

_WIDTH, _HEIGHT = 1100.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 150.0, 14.0, 46.0
_FLOOR, _CEILING = 0.01, 100.0  # of the drawn strength, x100
_LABEL_GAP = 15.0


@dataclass(frozen=True, slots=True)
class _Scale:
    """Data to plot: time linear, strength logarithmic (noise and motion are decades apart)."""

    start_s: float
    end_s: float
    low: float
    high: float

    def x(self, time_s: float) -> float:
        span = max(self.end_s - self.start_s, 1e-9)
        return _LEFT + (time_s - self.start_s) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, strength: float) -> float:
        if not math.isfinite(strength):
            return math.nan
        clipped = min(max(strength, self.low), self.high)
        share = math.log(clipped / self.low) / math.log(self.high / self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def motion_plot(motion: MotionReport, timestamps_s: F64, limit: float) -> Markup:
    """An SVG plot; `limit` is a fraction as in the report, NaN for none."""
    if not len(motion.pair_frames) or not len(timestamps_s):
        return Markup("")
    times = timestamps_s[motion.pair_frames].mean(axis=1) - timestamps_s[0]
    order = np.argsort(times, kind="stable")
    times, series = times[order], 100.0 * motion.pair_strength[order]
    duration = float(timestamps_s[-1] - timestamps_s[0])
    scale = _scale(series, 100.0 * limit, duration)
    parts = [_grid(scale), _limit_line(scale, 100.0 * limit), _noise(scale, times, series[:, 0])]
    labels = [(scale.y(_last(series[:, 0])), "noise floor", "noise")]
    for item, column in zip(motion.per_object, series[:, 1:].T, strict=True):
        slot = f"object-{object_slot(item.object_id)}"
        line = path((scale.x(t), scale.y(v)) for t, v in zip(times, column, strict=True))
        dashed = " dashed" if object_round(item.object_id) else ""
        parts.append(element("path", d=line, class_=f"line {slot}{dashed}"))
        labels.append((scale.y(_last(column)), _shortened(f"{item.object_id} {item.label}"), slot))
    parts.append(_end_labels(labels))
    parts.append(_cursor(scale))
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_label="Motion strength over time",
        class_="plot motion-plot",
        data_left=_LEFT,
        data_right=_WIDTH - _RIGHT,
        data_duration=number(duration),
    )


def _scale(series: F64, limit: float, duration_s: float) -> _Scale:
    known = series[np.isfinite(series) & (series > 0)]
    values = [*known.tolist(), *([limit] if math.isfinite(limit) and limit > 0 else [])]
    if not values:
        return _Scale(0.0, duration_s, 0.01, 1.0)
    low = 10.0 ** math.floor(math.log10(max(min(values), _FLOOR)))
    high = 10.0 ** math.ceil(math.log10(min(max(values), _CEILING)) + 1e-9)
    return _Scale(0.0, duration_s, min(low, high / 10.0), high)


def _grid(scale: _Scale) -> Markup:
    right, base = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts: list[Markup] = []
    decade = scale.low
    while decade <= scale.high * 1.001:
        y = scale.y(decade)
        parts.append(element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(
            element("text", f"{decade:g}", x=_LEFT - 8, y=y + 4, text_anchor="end", class_="tick")
        )
        decade *= 10
    for second in time_ticks(scale.end_s):
        x = scale.x(second)
        parts.append(element("line", x1=x, x2=x, y1=base, y2=base + 5, class_="axis"))
        parts.append(
            element("text", f"{second:g}", x=x, y=base + 19, text_anchor="middle", class_="tick")
        )
    parts.append(element("line", x1=_LEFT, x2=right, y1=base, y2=base, class_="axis"))
    middle = (_TOP + base) / 2
    parts += [
        element(
            "text",
            "time in the clip (s)",
            x=(_LEFT + right) / 2,
            y=_HEIGHT - 6,
            text_anchor="middle",
            class_="axis-label",
        ),
        element(
            "text",
            "motion strength (\N{MULTIPLICATION SIGN}100, log)",
            transform=f"translate(14 {middle:.0f}) rotate(-90)",
            text_anchor="middle",
            class_="axis-label",
        ),
    ]
    return Markup("").join(parts)


def time_ticks(duration_s: float) -> list[float]:
    """Four to eight round times from 0."""
    if duration_s <= 0:
        return [0.0]
    rough = duration_s / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((f * power for f in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    return [round(k * step, 6) for k in range(int(duration_s / step + 1e-9) + 1)]


def _limit_line(scale: _Scale, limit: float) -> Markup:
    if not math.isfinite(limit) or limit <= 0:
        return Markup("")
    y, right = scale.y(limit), _WIDTH - _RIGHT
    return element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="limit") + element(
        "text",
        f"limit {limit:.2f}",
        x=_LEFT + 6,
        y=y - 5,
        class_="limit-label",
    )


def _noise(scale: _Scale, times: F64, values: F64) -> Markup:
    """The noise floor as a filled area: what lies in it is not motion."""
    known = np.isfinite(values)
    if not known.any():
        return Markup("")
    points = [(scale.x(t), scale.y(v)) for t, v in zip(times[known], values[known], strict=True)]
    base = _HEIGHT - _BOTTOM
    area = [(points[0][0], base), *points, (points[-1][0], base)]
    return element("path", d=path(area) + "Z", class_="noise-area") + element(
        "path", d=path(points), class_="line noise"
    )


def _end_labels(labels: list[tuple[float, str, str]]) -> Markup:
    """Names at the line ends, pushed apart where they would overlap."""
    parts: list[Markup] = []
    previous = -math.inf
    for y, text, slot in sorted(label for label in labels if math.isfinite(label[0])):
        previous = max(y, previous + _LABEL_GAP)
        x = _WIDTH - _RIGHT + 10
        parts.append(element("text", text, x=x, y=previous + 4, class_=f"end-label {slot}"))
    return Markup("").join(parts)


def _shortened(label: str) -> str:
    return label if len(label) <= 18 else label[:17] + "\N{HORIZONTAL ELLIPSIS}"


def _cursor(scale: _Scale) -> Markup:
    """Follows the video; moved by the page's script."""
    x = scale.x(0)
    return element("line", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="cursor")


def _last(values: F64) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else math.nan
