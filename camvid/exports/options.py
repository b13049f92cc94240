"""What may be said of an export, whatever its format."""

import re
from dataclasses import dataclass
from typing import Any

from camvid.errors import ConfigError
from camvid.exports.scale import SCALE_RULES
from camvid.outcome import INDICATOR, Kind
from camvid.plain import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Which clips, at which rate and size, in which unit of length."""

    kinds: tuple[Kind, ...] = ("4d", "3d")
    fps: float = 0.0  # 0: as they are stored
    frames: int = 0  # exactly so many, the first; 0: all
    width_px: int = 0  # 0: as the source is
    height_px: int = 0
    scale: str = "scene"  # a name in SCALE_RULES
    crf: int = 18  # of H.264: 0 keeps everything, 18 looks the same, 23 is FFmpeg's default
    stored_frames: bool = False  # never cut again from the source video

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in INDICATOR:
                raise ConfigError(f"--kind must be of {', '.join(INDICATOR)}, got {kind!r}")
        if self.scale not in SCALE_RULES:
            choices = ", ".join(SCALE_RULES)
            hint = did_you_mean(self.scale, SCALE_RULES)
            raise ConfigError(f"--scale must be one of {choices}, got {self.scale!r}{hint}")
        if not self.fps >= 0 or self.frames < 0:
            raise ConfigError(
                f"--fps and --frames must be above 0, got {self.fps:g} and {self.frames}"
            )
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"--crf must be from 0 to 51, got {self.crf}")
        for side_px in (self.width_px, self.height_px):
            if side_px % 2 or side_px < 0 or (0 < side_px < 16):
                raise ConfigError(
                    "--size must be even sides of 16 px or more, as H.264 takes them, got"
                    f" {self.width_px}x{self.height_px}"
                )

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height, where they are given."""
        return (self.width_px, self.height_px) if self.width_px else None


def parse_size(text: str) -> tuple[int, int]:
    """`832x480` as width and height."""
    if not (match := re.fullmatch(r"(\d+)x(\d+)", text.strip())):
        raise ConfigError(f"--size must look like 832x480, width first, got {text!r}")
    return int(match[1]), int(match[2])


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """`4d,3d` as kinds; whether there are such is for ExportOptions to say."""
    kinds: tuple[Any, ...] = tuple(part.strip() for part in text.split(",") if part.strip())
    if not kinds:
        raise ConfigError(f"--kind must name kinds of clips ({', '.join(INDICATOR)}), got {text!r}")
    return kinds
