"""Profiles: which backends a run uses, as TOML files that change the defaults."""

import tomllib
from importlib import resources
from typing import Any

from camvid.errors import ConfigError

EMBEDDED = "embedded"  # the defaults themselves


def profile_names() -> list[str]:
    """Every profile, `embedded` first."""
    files = (f.name for f in resources.files(__name__).iterdir())
    return [EMBEDDED, *sorted(n.removesuffix(".toml") for n in files if n.endswith(".toml"))]


def load_profile(name: str) -> dict[str, Any]:
    """What the profile changes, as tables.

    Raises:
        ConfigError: no profile of that name.
    """
    if name not in profile_names():
        choices = ", ".join(f"`{known}`" for known in profile_names())
        raise ConfigError(f"--profile must be one of {choices}, got {name!r}")
    if name == EMBEDDED:
        return {}
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text("utf-8"))
