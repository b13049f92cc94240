"""The three outcomes of a stage, never mixed: ok, rejected (a value), failed (an exception)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "rejected", "failed"]
Kind = Literal["4d", "3d", "video", "none"]
KINDS: tuple[Kind, ...] = ("4d", "3d", "video", "none")

INDICATOR: Mapping[Kind, int] = {"4d": 2, "3d": 0, "video": 1}
"""GenXD's indicator of a training sample (`none` is never trained on)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One threshold or fact that decided: its name, what was measured, and the limit it missed.

    `name` is that of a `camvid.reasons.Why`, which says it in words; what an older version wrote
    may have another. A fact without a limit (`camera_fixed`) leaves it NaN. `Reason()` is none.
    """

    name: str = ""
    measured: float = math.nan
    limit: float = math.nan

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", str(self.name))  # as it is when it was stored and read

    @classmethod
    def upgraded(cls, value: Any) -> Any:
        """What is stored of a reason; versions up to shard schema 1.4 kept the text of `str`."""
        if not isinstance(value, str):
            return value
        name, bracket, numbers = value.partition(" (")
        number = r"(?:-?\d[\d.e+-]*|-?inf|nan)"
        if not bracket or not re.fullmatch(rf"measured {number}(, limit {number})?\)", numbers):
            return {"name": value}
        found = re.findall(number, numbers)
        return {"name": name, **dict(zip(("measured", "limit"), map(float, found), strict=False))}

    def __bool__(self) -> bool:
        return bool(self.name)

    def __str__(self) -> str:
        if self.measured != self.measured:
            return self.name
        if self.limit != self.limit:
            return f"{self.name} (measured {self.measured:.4g})"
        return f"{self.name} (measured {self.measured:.4g}, limit {self.limit:.4g})"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The clip is fine, we do not want it. Returned by a stage, never raised."""

    reason: Reason
    measured: Mapping[str, float] = field(default_factory=dict[str, float])
