"""Training configurations that come with camvid, as TOML files that change the defaults."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from camvid.config import load_config, merge, read_toml
from camvid.errors import ConfigError
from camvid.genxd.training.options import TrainConfig


def config_names() -> list[str]:
    """Every configuration that comes with camvid."""
    files = (f.name for f in resources.files(__name__).iterdir())
    return sorted(n.removesuffix(".toml") for n in files if n.endswith(".toml"))


def load_training_config(config: str | Sequence[str], overrides: list[str]) -> TrainConfig:
    """Files, or some of `config_names`, each over those before, with `section.key=value` overrides.

    Raises:
        ConfigError: neither; or an unknown key or a wrong value.
    """
    values: dict[str, Any] = {}
    for name in [config] if isinstance(config, str) else config:
        values = merge(values, _packaged(name) if name in config_names() else _from_file(name))
    return load_config(TrainConfig, None, overrides, values)


def _from_file(path: str) -> dict[str, Any]:
    if not Path(path).exists():
        known = ", ".join(config_names())
        raise ConfigError(f"--config must be a file, or one of {known}, got {path!r}")
    return read_toml(path)


def _packaged(name: str) -> dict[str, Any]:
    with resources.as_file(resources.files(__name__) / f"{name}.toml") as path:
        return read_toml(str(path))
