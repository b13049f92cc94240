"""How long a stage may take on a clip, and how much memory its process may hold."""

from dataclasses import dataclass

from camvid.errors import ConfigError
from camvid.settings import setting

SPLIT_FACTOR = 12  # a video is many clips: split may take so much longer from clip to clip
_SHARE_OF_MACHINE = 0.9  # of its memory: beyond it the kernel would choose what to kill


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """What ends an attempt at a clip; after three the clip has failed."""

    stage_s: float = setting(
        1800.0,
        "s",
        f"Longest that a stage may work on a clip, and split {SPLIT_FACTOR} times that on a video.",
    )
    memory_gb: float = setting(
        0.0, "GB", "Most that the process of a stage may hold; 0: nine tenths of the machine's."
    )

    def __post_init__(self) -> None:
        if not self.stage_s > 0:
            raise ConfigError(f"stage_s must be above 0, got {self.stage_s}")
        if not self.memory_gb >= 0:
            raise ConfigError(f"memory_gb must be 0 or more, got {self.memory_gb}")

    def memory_bytes(self, machine_bytes: int) -> int:
        return int(self.memory_gb * 1e9) or int(_SHARE_OF_MACHINE * machine_bytes)


DEFAULT_LIMITS = LimitsConfig()
