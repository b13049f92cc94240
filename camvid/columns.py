"""Declares a table's columns, once; schemas, rows, pages and docs are derived from it.

A table is a frozen dataclass whose fields are given by `column`. A field that is a table itself
stands for its columns. Arrow types follow from the annotations, NaN is stored as null.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import pyarrow as pa

from camvid.plain import from_plain, to_plain

A = TypeVar("A")
T = TypeVar("T")
Unit = Literal["", "count", "%", "x100", "px", "deg", "s"]
"""How people are shown a number; `%` and `x100` are stored as fractions."""

_SCALAR: Mapping[type, pa.DataType] = {str: pa.string(), float: pa.float64(), int: pa.int64()}
_KEY = "column"


@dataclass(frozen=True, slots=True)
class Column:
    """All that is said of a column."""

    name: str
    arrow: pa.DataType
    meaning: str  # one sentence
    value: Callable[[Any], Any] | None = None  # from its artifact; None: the field of its name
    _: KW_ONLY
    source: type | None = None  # the artifact that it is of; None: whoever makes the row knows it
    label: str = ""  # what people are shown of it, in a sentence or a table
    unit: Unit = ""
    shard: Literal["", "column", "quality"] = ""  # in shards: a column, or a field of `quality`
    training: bool = False  # read for training
    heading: str = ""  # of its column in the report's table of clips; empty: it has none

    def of(self, artifact: Any) -> Any:
        """The column's value, from its artifact."""
        return self.value(artifact) if self.value else getattr(artifact, self.name)


def column(
    meaning: str,
    source: type[A] | None = None,
    value: Callable[[A], Any] | None = None,
    *,
    default: Any = math.nan,
    **said: Any,
) -> Any:
    """A field of a table; the arguments, and what else is `said`, are those of `Column`."""
    # The field's own name and type are not known here.
    declared = Column("", pa.null(), meaning, value, source=source, **said)
    return field(default=default, metadata={_KEY: declared})


@cache
def columns_of(table: type) -> tuple[Column, ...]:
    """The table's columns in order."""
    found: list[Column] = []
    declared: dict[str, Any] = {item.name: item.metadata.get(_KEY) for item in fields(table)}
    for name, hint, is_table in _layout(table):
        if is_table:
            found += columns_of(hint)
        else:
            label = declared[name].label or _in_words(name)
            found.append(replace(declared[name], name=name, arrow=arrow_type(hint), label=label))
    return tuple(found)


@cache
def _layout(table: type) -> tuple[tuple[str, Any, bool], ...]:
    """Of each field its name, its type, and whether that is a table itself."""
    hints = get_type_hints(table)
    return tuple((f.name, hints[f.name], _KEY not in f.metadata) for f in fields(table))


def arrow_type(hint: Any) -> pa.DataType:
    """How values of a Python type are stored."""
    origin, members = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return arrow_type(members[0])
    if origin is tuple:
        return pa.list_(arrow_type(members[0]))
    if origin is Literal or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return pa.string()
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return pa.struct([(f.name, arrow_type(hints[f.name])) for f in fields(hint)])
    return _SCALAR[hint]


def values_of(table: type, *artifacts: object) -> dict[str, Any]:
    """What these artifacts say of a clip, by column."""
    return {
        known.name: known.of(artifact)
        for known in columns_of(table)
        for artifact in artifacts
        if known.source is type(artifact)
    }


def to_row(record: Any) -> dict[str, Any]:
    """A table's record as one flat row of plain values."""
    row: dict[str, Any] = {}
    for name, _, is_table in _layout(type(record)):
        value = getattr(record, name)
        row.update(to_row(value) if is_table else {name: to_plain(value)})
    return row


def from_row(table: type[T], row: Mapping[str, Any]) -> T:
    """The record of a row; what it lacks (null, or of an older version) has the default.

    Raises:
        ConfigError: a value of the wrong type.
    """
    values: dict[str, Any] = {}
    for name, hint, is_table in _layout(table):
        if is_table:
            values[name] = from_row(hint, row)
        elif (value := row.get(name)) is not None:
            values[name] = from_plain(hint, value, name)
    return table(**values)


def show(value: float | None, unit: Unit) -> str:
    """A number with its unit, as people are shown it; an en dash if not measured."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    if unit == "x100":
        return f"{100 * value:.2f}"
    if unit == "%":
        return f"{round(100 * value, 1):g} %"
    if unit == "count":
        return f"{value:,.0f}"
    number = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return number + {"px": " px", "deg": "\N{DEGREE SIGN}", "s": " s"}.get(unit, "")


def counted(number: int, noun: str) -> str:
    """`1 clip`, `2 clips`, `1,000 clips`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _in_words(name: str) -> str:
    """`mean reprojection error` of `mean_reprojection_error_px`."""
    words = name.split("_")
    if len(words) > 1 and words[-1] in ("px", "deg", "s"):
        words = words[:-1]
    return " ".join("number of" if word == "num" else word for word in words)
