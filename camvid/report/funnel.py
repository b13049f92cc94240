"""Counts where the clips of a run ended: each in exactly one place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.columns import counted
from camvid.pipeline import FIRST, STAGES
from camvid.record import KEPT, OUTCOMES, ClipRecord, Outcome

UNNAMED_STAGE = "unnamed stage"
UNNAMED_CAUSE = "cause not named"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelStage:
    """One stage: what came in, and what left the run here."""

    name: str
    entered: int
    rejected: Mapping[str, int]  # by the first reason of each clip
    failed: Mapping[str, int]  # by cause

    @property
    def num_rejected(self) -> int:
        return sum(self.rejected.values())

    @property
    def num_failed(self) -> int:
        return sum(self.failed.values())

    @property
    def ok(self) -> int:
        return self.entered - self.num_rejected - self.num_failed

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """In, out, rejected, failed."""
        return self.entered, self.ok, self.num_rejected, self.num_failed

    @property
    def why(self) -> str:
        gone = (*self.rejected.items(), *self.failed.items())
        return ", ".join(f"{name} {count}" for name, count in gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """The run's account: `entered` = clips + videos without a clip = the sum of `counts`."""

    entered: int
    num_videos: int
    num_clips: int
    stages: tuple[FunnelStage, ...]
    counts: Mapping[Outcome, int]  # every outcome, zeros included
    duration_s: Mapping[Outcome, float]  # length of the clips of each outcome
    why_not_4d: Mapping[Outcome, Mapping[str, int]]  # first reason of the 3d and video clips

    def __post_init__(self) -> None:
        total = sum(self.counts.values())
        if total != self.entered:
            raise ValueError(f"Funnel.counts must sum to entered = {self.entered}, got {total}")
        kept = sum(self.counts[o] for o in KEPT)
        if self.stages and self.stages[-1].ok != kept:
            raise ValueError(f"Funnel: the last stage passed {self.stages[-1].ok}, kept are {kept}")

    def render_text(self) -> str:
        """The funnel for a terminal; its last line is the sum that must hold."""
        heads = ("stage", "in", "out", "rejected", "failed")
        table = [heads, *((s.name, *map(str, s.numbers)) for s in self.stages)]
        widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
        why = ["", *(s.why for s in self.stages)]
        lines = [
            "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:]), text]).rstrip()
            for (name, *numbers), text in zip(table, why, strict=True)
        ]
        parts = " + ".join(f"{self.counts[o]} {o}" for o in OUTCOMES)
        head = f"{counted(self.num_videos, 'video')}, {counted(self.num_clips, 'clip')}"
        return "\n".join([head, *lines, f"{self.entered} entered = {parts}"])


def funnel_from_index(clips: Iterable[ClipRecord]) -> Funnel:
    """Counts the rows of index.parquet; column `stopped_at` says who decided."""
    rows = ClipTable.of(clips)
    table, outcome = rows.table, rows.outcome
    reason = pc.fill_null(rows.first_reason, "no reason given")
    source = pc.if_else(pc.equal(table["source_uri"], ""), table["video_id"], table["source_uri"])
    counted = pa.table({"outcome": outcome, "reason": reason, "seconds": _seconds(table)})
    kinds, why = (_sums(counted, by) for by in (["outcome"], ["outcome", "reason"]))
    return Funnel(
        entered=len(rows),
        num_videos=pc.count_distinct(source).as_py(),
        num_clips=pc.sum(pc.not_equal(table["clip_id"], "")).as_py() or 0,
        stages=_stages(rows, reason),
        counts={o: sum(k["seconds_count"] for k in kinds if k["outcome"] == o) for o in OUTCOMES},
        duration_s={
            o: sum(k["seconds_sum"] or 0.0 for k in kinds if k["outcome"] == o) for o in OUTCOMES
        },
        why_not_4d={
            o: _largest_first({w["reason"]: w["seconds_count"] for w in why if w["outcome"] == o})
            for o in ("3d", "video")
        },
    )


def deciding_stages(table: pa.Table) -> pa.ChunkedArray:
    """The stage that ended each rejected or failed row, as far as the index holds it."""
    unnamed = pc.if_else(pc.equal(table["clip_id"], ""), FIRST, UNNAMED_STAGE)
    stopped_at = pc.fill_null(table["stopped_at"], "")
    return pc.if_else(pc.equal(stopped_at, ""), unnamed, stopped_at)


def _stages(rows: ClipTable, reason: pa.Array) -> tuple[FunnelStage, ...]:
    cause = pc.fill_null(rows.table["cause"], "")
    cause = pc.if_else(pc.equal(cause, ""), UNNAMED_CAUSE, cause)
    failed = pc.equal(rows.outcome, "failed")
    stage = deciding_stages(rows.table)
    gone = pa.table({"stage": stage, "failed": failed, "why": pc.if_else(failed, cause, reason)})
    gone = gone.filter(pc.invert(pc.is_in(rows.outcome, pa.array(KEPT))))
    counts = gone.group_by(gone.column_names).aggregate([([], "count_all")]).to_pylist()
    # Stages we have no name for cannot be ordered; before the filter is the least wrong place.
    others = sorted({c["stage"] for c in counts} - set(STAGES))
    order = list(STAGES)
    stages: list[FunnelStage] = []
    entered = len(rows)
    for name in [*order[:-2], *others, *order[-2:]]:
        here = [c for c in counts if c["stage"] == name]
        rejected, broken = (
            _largest_first({c["why"]: c["count_all"] for c in here if c["failed"] == state})
            for state in (False, True)
        )
        stage = FunnelStage(name=name, entered=entered, rejected=rejected, failed=broken)
        stages.append(stage)
        entered = stage.ok
    return tuple(stages)


def _seconds(table: pa.Table) -> pa.ChunkedArray:
    """Length of each clip; null where it is not known."""
    return pc.subtract(table["end_s"], table["start_s"])


def _sums(counted: pa.Table, by: list[str]) -> list[dict[str, Any]]:
    """Rows and seconds of each group."""
    every = pc.CountOptions(mode="all")
    sums = [("seconds", "count", every), ("seconds", "sum")]
    return counted.group_by(by).aggregate(sums).to_pylist()


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Ties by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


FUNNEL_COLUMNS = (
    *("clip_id", "video_id", "source_uri", "start_s", "end_s", "status", "kind"),
    *("reasons", "stopped_at", "error", "cause"),
)
