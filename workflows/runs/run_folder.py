"""Checks that a folder is empty or a run's own before anything is written into it."""

import tomllib

from camvid.errors import ConfigError
from camvid.store import ClipStore
from workflows.runs.run_state import STATE, STATE_BEFORE

RUN_TOML = "run.toml"
_RECORDS = ("clips", "videos")  # of a run whose run.toml was damaged


def claim(store: ClipStore) -> None:
    """ConfigError unless the folder is empty, absent, or a run's: nothing else may be written to.

    run.toml is the first file that a run writes, so a run that was killed has it, or has nothing
    but files in the making (which the store does not list).
    """
    if store.is_file(""):
        raise ConfigError(f"--out must be a folder, {store.root} is a file; name another")
    names = store.list_names("")
    if not names or _is_run(store, names):
        return
    held = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    raise ConfigError(
        f"--out must be a new or empty folder, or one of a run (with {RUN_TOML}): {store.root}"
        f" holds {held}; name another"
    )


def _is_run(store: ClipStore, names: list[str]) -> bool:
    if RUN_TOML not in names:
        return False
    try:
        tables = tomllib.loads(store.read_bytes(RUN_TOML).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        tables = {}
    # One that was cut off between two lines can still be read, so more must speak for it.
    needed = (*_RECORDS, *(("ledger",) if tables else ()))
    has_state = not tables or any(name in names for name in (STATE, STATE_BEFORE))
    damaged = has_state and all(name in names for name in needed)
    return "provenance" in tables or damaged
