"""Training configurations that come with camvid, as TOML files that change the defaults."""

from importlib import resources
from pathlib import Path
from typing import Any

from camvid.config import load_config, read_toml
from camvid.errors import ConfigError
from camvid.genxd.training.options import TrainConfig


def config_names() -> list[str]:
    """Every configuration that comes with camvid."""
    files = (f.name for f in resources.files(__name__).iterdir())
    return sorted(n.removesuffix(".toml") for n in files if n.endswith(".toml"))


def load_training_config(config: str, overrides: list[str]) -> TrainConfig:
    """A file's, or one of `config_names`, with `section.key=value` overrides.

    Raises:
        ConfigError: neither; or an unknown key or a wrong value.
    """
    if config in config_names():
        return load_config(TrainConfig, None, overrides, _packaged(config))
    if not Path(config).exists():
        known = ", ".join(config_names())
        raise ConfigError(f"--config must be a file, or one of {known}, got {config!r}")
    return load_config(TrainConfig, config, overrides)


def _packaged(name: str) -> dict[str, Any]:
    with resources.as_file(resources.files(__name__) / f"{name}.toml") as path:
        return read_toml(str(path))
