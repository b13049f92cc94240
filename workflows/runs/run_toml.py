"""run.toml: the settings of a run and what made it, so that it can be made again.

Older versions are read too: keys that moved are found where they were, keys that went are named in
one line and passed over. A key that was only renamed may be given by its old name everywhere. A
command reads the sections that it needs and no others.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from camvid.config import dump_toml, parse_overrides, read_toml
from camvid.errors import ConfigError, StoreError
from camvid.models.registry import BACKENDS
from camvid.settings import as_table, settings_tables, with_settings
from camvid.store import ClipStore
from workflows.runs.run_folder import RUN_TOML

log = logging.getLogger(__name__)
T = TypeVar("T")
VERSION = 3  # raised when a key goes, moves or changes its meaning; `_upgraded` knows what moved

_RENAMED = (  # section, old key, new key; since version 3
    ("split", "picture_fps", "image_fps"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToml:
    """What a run.toml, or a configuration file, holds."""

    tables: Mapping[str, Any]  # settings, under the names that their version had
    version: int
    provenance: Mapping[str, Any]  # empty in a file that no run wrote

    def section(self, name: str, default: T, overrides: Sequence[str] = ()) -> T:
        """One part of the configuration, with `section.key=value` overrides."""
        tables = _upgraded(self.tables, self.version)
        config = self._over(default, as_table(tables.get(name, {}), name), name)
        return with_settings(config, _overrides(overrides).get(name, {}), name)

    def over(self, config: T) -> T:
        """The whole configuration."""
        return self._over(config, _upgraded(self.tables, self.version))

    def _over(self, config: T, tables: Mapping[str, Any], name: str = "") -> T:
        gone: list[str] | None = None if self.version == VERSION else []
        config = with_settings(config, tables, name, gone)
        if gone:
            log.warning(
                "run.toml of version %d (now %d): these are no settings any more: %s",
                self.version,
                VERSION,
                ", ".join(gone),
            )
        return config


def load_settings(
    config: T,
    path: str | None = None,
    overrides: Sequence[str] = (),
    profile: Mapping[str, Any] | None = None,
) -> T:
    """The configuration with a profile, then a file, then `section.key=value` overrides over it.

    Raises:
        ConfigError: the file cannot be read, or names an unknown key or a wrong value.
    """
    config = with_settings(config, profile or {})
    config = _parsed(read_toml(path), path).over(config) if path else config
    return with_settings(config, _overrides(overrides))


def read_run_toml(store: ClipStore) -> RunToml:
    """The run's own.

    Raises:
        StoreError: the folder is no run, or its run.toml does not say what made it.
    """
    if not store.exists(RUN_TOML):
        raise StoreError(f"{store.root} must be a run of `camvid curate`, but holds no {RUN_TOML}")
    with store.open_local(RUN_TOML) as local:
        found = _parsed(read_toml(local), f"{store.root}/{RUN_TOML}")
    if "weights" not in found.provenance:
        raise StoreError(
            f"{store.root}/{RUN_TOML} must say what made the run, but has no such [provenance];"
            " run `camvid curate` again"
        )
    return found


def write_run_toml(store: ClipStore, config: object, provenance: Mapping[str, Any]) -> None:
    """Settings and provenance; `--config RUN/run.toml` repeats the run."""
    _write(store, RunToml(tables=settings_tables(config), version=VERSION, provenance=provenance))


def write_section(store: ClipStore, run: RunToml, name: str, config: object) -> None:
    """run.toml with other settings in one section; all else stays as it was read."""
    tables = {**run.tables, name: settings_tables(config)}
    _write(store, RunToml(tables=tables, version=run.version, provenance=run.provenance))


def _write(store: ClipStore, run: RunToml) -> None:
    text = dump_toml({"version": run.version, **run.tables, "provenance": run.provenance})
    store.write_bytes(RUN_TOML, text.encode())


def _parsed(tables: Mapping[str, Any], name: str) -> RunToml:
    tables = dict(tables)
    version = tables.pop("version", 1 if "provenance" in tables else VERSION)
    provenance = tables.pop("provenance", {})
    if not isinstance(version, int) or not isinstance(provenance, dict):
        raise ConfigError(f"{name}: `version` must be a whole number and `provenance` a table")
    if not 1 <= version <= VERSION:
        raise ConfigError(
            f"{name} must be of version 1 to {VERSION}, which this camvid reads, got {version}"
        )
    return RunToml(tables=tables, version=version, provenance=provenance)


def _overrides(overrides: Sequence[str]) -> dict[str, Any]:
    return _renamed(parse_overrides(overrides))


def _upgraded(tables: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The tables under the names of the present version."""
    return _renamed(_with_options(tables) if version == 1 else tables)


def _with_options(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 had a table for every backend; now `options` is that of the backend in use."""
    names = {name for known in BACKENDS.values() for name in known}
    upgraded = {key: value for key, value in tables.items() if key not in names}
    if tables.get("backend") in names:
        upgraded["options"] = tables.get(tables["backend"], {})
    return {
        key: _with_options(value) if isinstance(value, Mapping) else value
        for key, value in upgraded.items()
    }


def _renamed(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with present names: scripts and files written by hand carry no version."""
    renamed = dict(tables)
    for section, old, new in _RENAMED:
        values = renamed.get(section)
        if isinstance(values, Mapping) and old in values:
            renamed[section] = {new if key == old else key: value for key, value in values.items()}
    return renamed
