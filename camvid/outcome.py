"""The three outcomes of a stage, never mixed: ok, rejected (a value), failed (an exception)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "rejected", "failed"]
Kind = Literal["4d", "3d", "video", "none"]
KINDS: tuple[Kind, ...] = ("4d", "3d", "video", "none")

INDICATOR: Mapping[Kind, int] = {"4d": 2, "3d": 0, "video": 1}
"""GenXD's indicator of a training sample (`none` is never trained on)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One threshold that decided: its name, what was measured, and the limit it missed.

    `name` is the name of the configuration key that holds the limit, so that a reader of a
    report knows what to change; facts without a limit (`camera_fixed`) leave it NaN.
    """

    name: str
    measured: float = float("nan")
    limit: float = float("nan")

    @classmethod
    def parse(cls, text: str) -> "Reason":
        """The reason that `str` spelled as `text` (its numbers to the digits spelled)."""
        name, _, numbers = text.partition(" (")
        found = dict(re.findall(r"(measured|limit) ([^,)]+)", numbers))
        nan = float("nan")
        return cls(name, float(found.get("measured", nan)), float(found.get("limit", nan)))

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
