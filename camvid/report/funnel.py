"""Counts where the clips of a run ended: each in exactly one place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        head = f"{self.num_videos} videos, {self.num_clips} clips"
        return "\n".join([head, *lines, f"{self.entered} entered = {parts}"])


def funnel_from_index(clips: Sequence[ClipRecord]) -> Funnel:
    """Counts the rows of index.parquet; column `stopped_at` says who decided."""
    return Funnel(
        entered=len(clips),
        num_videos=len({c.source_uri or c.video_id for c in clips}),
        num_clips=sum(bool(c.clip_id) for c in clips),
        stages=_stages(clips),
        counts={o: sum(c.outcome == o for c in clips) for o in OUTCOMES},
        duration_s={
            o: sum(c.duration_s for c in clips if c.outcome == o and c.duration_s == c.duration_s)
            for o in OUTCOMES
        },
        why_not_4d={
            o: _counted([_first_reason(c) for c in clips if c.outcome == o])
            for o in ("3d", "video")
        },
    )


def deciding_stage(clip: ClipRecord) -> str:
    """The stage that ended a rejected or failed row, as far as the index holds it."""
    return clip.stopped_at or (UNNAMED_STAGE if clip.clip_id else FIRST)


def _stages(clips: Sequence[ClipRecord]) -> tuple[FunnelStage, ...]:
    gone = [c for c in clips if c.outcome not in KEPT]
    known = {deciding_stage(c) for c in gone}
    others = sorted(known - set(STAGES))
    # Stages we have no name for cannot be ordered; before the filter is the least wrong place.
    order = list(STAGES)
    names = [*order[:-2], *others, *order[-2:]]
    stages: list[FunnelStage] = []
    entered = len(clips)
    for name in names:
        here = [c for c in gone if deciding_stage(c) == name]
        stage = FunnelStage(
            name=name,
            entered=entered,
            rejected=_counted([_first_reason(c) for c in here if c.outcome == "none"]),
            failed=_counted([c.cause or UNNAMED_CAUSE for c in here if c.outcome == "failed"]),
        )
        stages.append(stage)
        entered = stage.ok
    return tuple(stages)


def _first_reason(clip: ClipRecord) -> str:
    return clip.reasons[0].name if clip.reasons else "no reason given"


def _counted(names: Sequence[str]) -> dict[str, int]:
    """Counts, largest first, ties by name."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
