"""What backends with weights can be told; light, so that configurations need no model package."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.errors import ConfigError
from camvid.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointOptions:
    """Which weights, and where they run; the base of every production backend's options."""

    gpu_share: ClassVar[float] = 0.2  # of a card with 24 GB or more, with some room to spare

    checkpoint: str = setting(
        "",
        "name or path",
        "A name that `camvid models list` knows, a hub id, a file or a folder.",
    )
    licence: str = setting(
        "", "SPDX name", "Licence of a checkpoint of your own; every shard names it."
    )
    device: str = setting(
        "auto", "name", "`cpu`, `cuda` or `cuda:N`; `auto` takes a GPU where there is one."
    )
    batch_size: int = 8  # at most: halved until it fits the memory

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise ConfigError("checkpoint must be a name, a file or a folder, got ''")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {self.batch_size}")
