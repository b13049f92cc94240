"""Writes the SVG elements that the plots need; every value is escaped."""

from collections.abc import Iterable
from math import isfinite

from markupsafe import Markup, escape


def element(name: str, *content: Markup | str, **attributes: str | float) -> Markup:
    """`<name attributes>content</name>`; `class_` and `text_anchor` spell class and text-anchor."""
    spelled = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), _value(value))
        for key, value in attributes.items()
    )
    tag = Markup(name)
    return Markup("<{}{}>{}</{}>").format(
        tag, spelled, Markup("").join(escape(part) for part in content), tag
    )


def number(value: float) -> str:
    """At most two decimals: a hundredth of a pixel."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def path(points: Iterable[tuple[float, float]]) -> str:
    """The `d` of a polyline that is broken where a point is not finite."""
    parts: list[str] = []
    pen_down = False
    for x, y in points:
        if not (isfinite(x) and isfinite(y)):
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{number(x)} {number(y)}")
        pen_down = True
    return "".join(parts)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """The `d` of dots for a path with round line caps: far smaller than one circle each."""
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)
