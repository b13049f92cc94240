"""Settings: the fields of a configuration that run.toml and `--set` reach.

A field declared with `setting` is one key, with its unit and a sentence; one declared with `table`
holds more keys. Any other field is a constant of the code, however deep it lies: it may be given to
a constructor, it counts in fingerprints, but no file names it. A subclass that changes a default
keeps the declaration.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

from camvid.errors import ConfigError
from camvid.plain import did_you_mean, from_plain, to_plain

T = TypeVar("T")


def setting(default: T, unit: str, meaning: str) -> T:
    """A field that is a setting; `unit` is that of the value, or its type where it has none."""
    return field(default=default, metadata={"unit": unit, "meaning": meaning})


def table(default: T) -> T:
    """A field whose value, a dataclass, holds further settings."""
    return field(default=default, metadata={"unit": "", "meaning": ""})


def constant(default: T) -> T:
    """A field that is no setting in this class, though a base class declares one of that name."""
    return field(default=default, metadata={"unit": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key: its dotted name, its value, and what is declared of it."""

    name: str
    value: Any
    unit: str
    meaning: str


def settings_of(config: Any, within: str = "") -> Iterator[Setting]:
    """Every setting of a configuration, in order of declaration."""
    for key, declared in _reachable(config).items():
        name, value = _join(within, key), getattr(config, key)
        if is_dataclass(value):
            yield from settings_of(value, name)
        else:
            yield Setting(name=name, value=value, **declared)


def settings_tables(config: Any) -> dict[str, Any]:
    """The settings alone as nested tables: what run.toml holds, and `with_settings` takes."""
    values = {key: getattr(config, key) for key in _reachable(config)}
    return {
        key: settings_tables(value) if is_dataclass(value) else to_plain(value)
        for key, value in values.items()
    }


def with_settings(
    config: T, values: Mapping[str, Any], within: str = "", gone: list[str] | None = None
) -> T:
    """The configuration with the settings that tables of TOML name; the rest stays as it is.

    Args:
        within: the dotted name of the configuration, for messages.
        gone: takes the names that are no settings, which are errors without it.

    Raises:
        ConfigError: an unknown key or a wrong value.
    """
    hints = get_type_hints(type(config))
    known = {key: hints[key] for key in _reachable(config)}
    unknown = [key for key in values if key not in known]
    if unknown and gone is None:
        hint = did_you_mean(unknown[0], known) if known else "; there are no settings here"
        raise ConfigError(f"unknown key `{_join(within, unknown[0])}`{hint}")
    if unknown and gone is not None:  # a table of which nothing is left goes by its own name
        whole = bool(within) and len(unknown) == len(values)
        gone += [within] if whole else [_join(within, key) for key in unknown]
    # A backend's options lie in a table: its keys are known once the backend is chosen.
    tables = [k for k in known if k in values and _is_table(getattr(config, k), values[k])]
    plain = [k for k in known if k in values and k not in tables]
    changes = {k: from_plain(known[k], values[k], _join(within, k)) for k in plain}
    config = _replaced(config, changes, within)
    for key in tables:
        name, old = _join(within, key), getattr(config, key)
        if is_dataclass(old):
            new = with_settings(old, as_table(values[key], name), name, gone)
        else:
            new = from_plain(known[key], values[key], name)
        config = _replaced(config, {key: new}, within)
    return config


def _reachable(config: Any) -> dict[str, Mapping[str, str]]:
    """What is declared of each field that may be named, in order."""
    bases = [base for base in reversed(type(config).__mro__) if is_dataclass(base)]
    declared = {f.name: f.metadata for base in bases for f in fields(base) if "unit" in f.metadata}
    return {name: facts for name, facts in declared.items() if facts["unit"] is not None}


def as_table(value: Any, name: str) -> Mapping[str, Any]:
    """The value, if it is one that can hold settings; ConfigError otherwise."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"`{name}` must be a table, got {value!r}")
    return value  # pyright: ignore[reportUnknownVariableType]


def _is_table(old: Any, new: Any) -> bool:
    return is_dataclass(old) or isinstance(new, Mapping)


def _replaced(config: Any, changes: Mapping[str, Any], within: str) -> Any:
    try:
        return replace(config, **changes)
    except ConfigError as error:
        raise ConfigError(f"`{within}`: {error}") from error


def _join(within: str, key: str) -> str:
    return f"{within}.{key}" if within else key
