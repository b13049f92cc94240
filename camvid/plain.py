"""Plain values (TOML, JSON) <-> typed dataclasses; unknown keys and wrong types are errors.

One pair of functions serves the configuration files and the artifacts kept as JSON.
"""

import difflib
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from camvid.errors import ConfigError

T = TypeVar("T")
_SHAPE = "shape"


def to_plain(value: Any) -> Any:
    """Dataclasses, arrays and tuples to dicts, lists and scalars; NaN and infinity to None.

    An array without elements is given by its shape, which no list of lists could keep.
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and not value.size:
        return {_SHAPE: list(value.shape)}
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(hint: type[T], value: Any, where: str = "") -> T:
    """Builds a value of type `hint` from what `to_plain`, TOML or JSON gave.

    A dataclass that was once stored in another form reads it in its classmethod `upgraded`, which
    turns the old plain value into the present one.

    Raises:
        ConfigError: an unknown key, a missing key or a value of the wrong type; `where` is the
            dotted name that the message gives.
    """
    built: Any = _from_plain(hint, value, where)
    return built


def _from_plain(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint, value, where)
    if hint is Any:
        return value
    if origin is Literal:
        return _literal(get_args(hint), value, where)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(_literal(tuple(hint), value, where))
    if origin in (types.UnionType,):
        return _union(get_args(hint), value, where)
    if origin is np.ndarray:
        return _array(hint, value, where)
    if origin is tuple:
        return _tuple(get_args(hint), value, where)
    if origin is dict:
        key_hint, item_hint = get_args(hint)
        _expect(isinstance(value, Mapping), where, "a table", value)
        return {
            _from_plain(key_hint, k, where): _from_plain(item_hint, v, f"{where}.{k}")
            for k, v in value.items()
        }
    return _scalar(hint, value, where)


def _dataclass(cls: type, value: Any, where: str) -> Any:
    value = getattr(cls, "upgraded", _unchanged)(value)
    _expect(isinstance(value, Mapping), where, "a table", value)
    hints = _hints(cls)
    for key in value:
        if key not in hints:
            raise ConfigError(f"unknown key `{_join(where, key)}`{did_you_mean(key, hints)}")
    built = {k: _from_plain(hints[k], v, _join(where, k)) for k, v in value.items()}
    try:
        return cls(**built)
    except TypeError as error:
        raise ConfigError(f"`{where or cls.__name__}` is incomplete: {error}") from error
    except ValueError as error:
        raise ConfigError(f"`{where or cls.__name__}`: {error}") from error


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls) if f.init}


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float:
        if value is None:
            return math.nan
        _expect(
            isinstance(value, int | float) and not isinstance(value, bool), where, "a number", value
        )
        return float(value)
    words = {int: "a whole number", str: "a text", bool: "true or false"}
    fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    _expect(fits, where, words.get(hint, str(hint)), value)
    return value


def _unchanged(value: Any) -> Any:
    return value


def _literal(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    spelled = ", ".join(repr(str(c) if isinstance(c, StrEnum) else c) for c in choices)
    _expect(value in choices, where, f"one of {spelled}", value)
    return value


def _union(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in members:
        return None
    present = [m for m in members if m is not type(None)]
    return _from_plain(present[0], value, where)


def _tuple(members: tuple[Any, ...], value: Any, where: str) -> Any:
    _expect(isinstance(value, Sequence) and not isinstance(value, str), where, "a list", value)
    if len(members) == 2 and members[1] is Ellipsis:
        return tuple(_from_plain(members[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    _expect(len(value) == len(members), where, f"{len(members)} values", value)
    return tuple(
        _from_plain(m, v, f"{where}[{i}]")
        for i, (m, v) in enumerate(zip(members, value, strict=True))
    )


def _array(hint: Any, value: Any, where: str) -> Any:
    dtype = get_args(get_args(hint)[1])[0]
    if isinstance(value, Mapping):
        shape = _from_plain(tuple[int, ...], value.get(_SHAPE), f"{where}.{_SHAPE}")
        _expect(0 in shape, where, "the shape of an array without elements", value)
        return np.zeros(shape, dtype)
    if np.dtype(dtype).kind == "f":  # None stands for NaN; np.array turns it into NaN as float64
        return np.array(value, dtype=np.float64).astype(dtype)
    return np.array(value, dtype=dtype)


def _expect(holds: bool, where: str, wanted: str, value: Any) -> None:
    if not holds:
        raise ConfigError(f"`{where}` must be {wanted}, got {value!r}")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def did_you_mean(word: str, choices: Mapping[str, Any] | Sequence[str]) -> str:
    """`; did you mean ...?` for the nearest choice, else the list of choices."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known here: {', '.join(sorted(choices))}"
