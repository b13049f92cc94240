"""The circuit breaker: a missing driver must not silently turn a million clips into failures.

A broken machine differs from a folder of broken videos not in how many fail first, but in why:

- a fault of the machine (`camvid.faults`: a library, device or disk that is missing) would meet any
  other clip too. Few are enough, where nearly all clips fail so in one stage.
- what `split` fails on otherwise is the data: any number of videos may be broken.
- any other error may be of the data, of a model or of the code. Ten odd clips that come first must
  not end a run, which would then end on every retry. So the run goes on until very many clips
  failed in one stage with the same words, and not one ever came through it.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from camvid.errors import ConfigError, RunAborted
from camvid.settings import setting
from camvid.stage import ClipRow
from stages.split import Split

# What differs between clips in one and the same message: ids, addresses, numbers, names of files.
_OF_THE_CLIP = re.compile(r"\b[0-9a-f]{16}\b|0x[0-9a-f]+|\d+(\.\d+)?|\S*/\S*|'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a run has become pointless; 0 never stops it."""

    after_machine_faults: int = setting(
        10,
        "clips",
        "So many that fail in one stage by the machine's fault end the run; 0: never.",
    )
    after_equal_failures: int = setting(
        100, "clips", "So many that fail in one stage with the same words end the run; 0: never."
    )
    fraction: float = 0.8  # of all clips that came to the stage

    def __post_init__(self) -> None:
        if min(self.after_machine_faults, self.after_equal_failures) < 0:
            raise ConfigError("numbers of failures must be 0 or more")
        if not 0 < self.fraction <= 1:
            raise ConfigError(f"fraction must be in (0, 1], got {self.fraction}")


@dataclass(slots=True)
class Breaker:
    """Watches the rows of a run."""

    config: BreakerConfig = BreakerConfig()
    came: Counter[str] = field(default_factory=Counter[str])  # to each stage
    passed: Counter[str] = field(default_factory=Counter[str])  # each stage, ok or rejected
    machine_faults: Counter[str] = field(default_factory=Counter[str])  # by stage
    equal: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def watch(self, row: ClipRow) -> None:
        """Counts a finished row; raises RunAborted where the run has become pointless."""
        for record in row.records:
            self.came[record.stage] += 1
            self.passed[record.stage] += record.status != "failed"
        if row.status != "failed":
            return
        stage = row.stopped_at
        if row.of_machine:
            self.machine_faults[stage] += 1
            count, limit = self.machine_faults[stage], self.config.after_machine_faults
            if limit and count >= max(limit, self.config.fraction * self.came[stage]):
                raise RunAborted(self._message(count, row))
        elif stage != Split.name:
            key = stage, _OF_THE_CLIP.sub("#", row.error)
            self.equal[key] += 1
            count, limit = self.equal[key], self.config.after_equal_failures
            alike = count >= max(limit, self.config.fraction * self.came[stage])
            if limit and alike and not self.passed[stage]:
                raise RunAborted(self._message(count, row))

    def _message(self, count: int, row: ClipRow) -> str:
        stage = row.stopped_at
        key = "after_machine_faults" if row.of_machine else "after_equal_failures"
        return (
            f"run stopped: {count} of {self.came[stage]} clips failed in {stage}: {row.cause}"
            f" (last: {row.error}); fix that and run the same command again to resume, or let it"
            f" go on past them with --set breaker.{key}=0"
        )
