"""Configuration: TOML text and `--set` overrides -> one frozen dataclass, and back to TOML.

The dataclass is the single list of keys and defaults; a file names only what it changes.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from camvid.errors import ConfigError
from camvid.plain import from_plain, to_plain

T = TypeVar("T")


def load_config(
    cls: type[T],
    path: str | None,
    overrides: Sequence[str] = (),
    profile: Mapping[str, Any] | None = None,
) -> T:
    """Defaults of `cls`, then the profile, the TOML file, and `section.key=value` overrides.

    Raises:
        ConfigError: the file cannot be read, or names an unknown key or a wrong value.
    """
    values = merge(profile or {}, read_toml(path) if path else {})
    return from_plain(cls, merge(values, parse_overrides(overrides)))


def read_toml(path: str) -> dict[str, Any]:
    """The tables of a TOML file."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the config file must be readable: {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file must be TOML: {path}: {error}") from error


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of `base` with those of `changes` laid over them, key by key; neither changes."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merge(below, value)
        merged[key] = value
    return merged


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """`section.key=value` texts as the tables of a TOML file."""
    values: dict[str, Any] = {}
    for override in overrides:
        _apply(values, override)
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or len(keys) < 2 or not all(keys):
        raise ConfigError(f"--set must look like section.key=value, got {override!r}")
    table = values
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override}: `{key}` is a value, not a section")
    table[keys[-1]] = _parse(text.strip())


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a text: --set track.backend=lucas_kanade


def dump_toml(config: object) -> str:
    """A configuration, or tables, as TOML."""
    lines: list[str] = []
    _dump_table(to_plain(config), "", lines)
    return "\n".join(lines).strip() + "\n"


def _dump_table(table: Mapping[str, Any], name: str, lines: list[str]) -> None:
    nested = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    plain = {k: v for k, v in table.items() if k not in nested and v is not None}
    if name and plain:
        lines += ["", f"[{name}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for key, value in nested.items():
        _dump_table(value, f"{name}.{_key(key)}" if name else _key(key), lines)


def _key(key: str) -> str:
    bare = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
    return key if bare else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return _text(str(value))


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
