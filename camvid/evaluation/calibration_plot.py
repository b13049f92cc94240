"""Plots the error of depth by its confidence, which should order it."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from camvid.evaluation.maps import ConfidenceBin
from camvid.report.svg import element

_WIDTH, _HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 16, 40, 56
_STATIC, _MOVERS, _INK = "#2b6cb0", "#c05621", "#333333"


def calibration_plot(bins: Sequence[ConfidenceBin]) -> str:
    """An SVG with two bars for each bin: mean AbsRel of all pixels, and of movers' pixels."""
    errors = [e for b in bins for e in (b.abs_rel, b.abs_rel_movers) if e == e]
    top = max([0.05, *errors]) * 1.1
    slot = (_WIDTH - _LEFT - _RIGHT) / max(1, len(bins))

    def y(error: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - error / top)

    parts = [_title(), *_grid(top, y)]
    for k, b in enumerate(bins):
        left = _LEFT + k * slot
        for place, error, colour in ((0.1, b.abs_rel, _STATIC), (0.5, b.abs_rel_movers, _MOVERS)):
            if error == error:
                parts.append(_bar(left + place * slot, 0.36 * slot, y(error), y(0), colour))
        parts.append(_text(left + slot / 2, y(0) + 16, f"{b.low}-{b.high}"))
        parts.append(_text(left + slot / 2, y(0) + 32, f"{b.num_pixels / 1e6:.2f} M"))
    parts.append(_text(_LEFT + (_WIDTH - _LEFT) / 2, _HEIGHT - 8, "confidence, and pixels"))
    svg = element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        font_family="sans-serif",
        font_size="11",
    )
    return str(svg)


def _title() -> Markup:
    words = (("depth AbsRel by confidence: ", _INK), ("all pixels ", _STATIC), ("movers", _MOVERS))
    spans = [element("tspan", text, fill=colour) for text, colour in words]
    return element("text", *spans, x=_LEFT, y=20, font_size="13")


def _grid(top: float, y: Callable[[float], float]) -> list[Markup]:
    lines: list[Markup] = []
    for k in range(5):
        error = top * k / 4
        line = element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(error), y2=y(error))
        lines.append(element("g", line, stroke="#cccccc"))
        lines.append(_text(_LEFT - 8, y(error) + 4, f"{error:.3f}", anchor="end"))
    return lines


def _bar(x: float, width: float, top: float, bottom: float, colour: str) -> Markup:
    return element("rect", x=x, y=top, width=width, height=max(0.0, bottom - top), fill=colour)


def _text(x: float, y: float, words: str, anchor: str = "middle") -> Markup:
    return element("text", words, x=x, y=y, text_anchor=anchor, fill=_INK)
