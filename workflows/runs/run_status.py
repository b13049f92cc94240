"""Reports a run's progress: from state and ledger while it runs, from the index once it ended.

The index of an earlier command over the same folder says nothing of the one that runs now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from camvid.arrow import pc
from camvid.books.index import INDEX, read_index
from camvid.books.ledger import read_ledger
from camvid.books.parts import last_of_each
from camvid.errors import StoreError
from camvid.report.funnel import FUNNEL_COLUMNS, Funnel, funnel_from_index
from camvid.store import ClipStore
from workflows.runs.run_folder import RUN_TOML
from workflows.runs.run_state import RunState, read_state

MAX_FAILURES = 20  # that are spelled out; the others are counted by cause
_FAILURE = ("error", "cause")
_CODED = ("stage", "status", *_FAILURE)
_MEMORY = ("peak_rss_bytes", "peak_gpu_bytes")
_LEDGER_COLUMNS = ("clip_id", "reused", "seconds", *_CODED)
_PERCENTILES = (0.5, 0.9, 0.99)
_NUM_SLOWEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """One stage's line: how many of each outcome, and what they took.

    Seconds are of a clip (of `split`, of cutting one); memory is the most that a process which ran
    the stage held so far.
    """

    stage: str
    ok: int
    rejected: int
    failed: int
    reused: int
    mean_seconds: float
    p50_seconds: float
    p90_seconds: float
    p99_seconds: float
    peak_rss_bytes: int
    peak_gpu_bytes: int

    def render_text(self) -> str:
        return (
            f"{self.stage:15} {self.ok:6} ok {self.rejected:6} rejected {self.failed:6} failed"
            f" {self.reused:6} reused  p50 {self.p50_seconds:.2f} s, p90 {self.p90_seconds:.2f} s,"
            f" p99 {self.p99_seconds:.2f} s, peak {self.peak_rss_bytes / 1e9:.2f} GB"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClip:
    """A clip that took long in one stage."""

    clip_id: str
    stage: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A run at a glance."""

    finished: bool
    state: RunState | None  # None: of a run of an older version
    kinds: dict[str, int]  # of the finished run
    stages: tuple[StageStatus, ...]
    slowest: tuple[SlowClip, ...]
    failures: tuple[str, ...]  # at most MAX_FAILURES
    failed_by_cause: dict[str, int]  # all of them
    funnel: Funnel | None  # of the finished run

    def render_text(self) -> str:
        unknown = "finished" if self.finished else "under way or stopped: run it again to resume"
        lines = [self.state.render_text() if self.state else unknown]
        lines += self.stage_lines()
        lines += [f"failed: {failure}" for failure in self.failures]
        if sum(self.failed_by_cause.values()) > len(self.failures):
            lines.append(f"{self.causes_line()}; index.parquet has every one")
        lines += [self.funnel.render_text()] if self.funnel else []
        return "\n".join(lines)

    def stage_lines(self) -> list[str]:
        """What each stage did and took, and the clips that took it longest."""
        lines = [s.render_text() for s in self.stages]
        slow = [f"{c.stage} of {c.clip_id} {c.seconds:.1f} s" for c in self.slowest]
        return [*lines, f"slowest: {', '.join(slow)}"] if slow else lines

    def causes_line(self) -> str:
        """How many failed, by cause."""
        causes = ", ".join(f"{count} {cause}" for cause, count in self.failed_by_cause.items())
        return f"failed: {sum(self.failed_by_cause.values())} in all ({causes})"


def run_status(store: ClipStore) -> RunStatus:
    """Reads the run's books; StoreError where the folder is no run."""
    if not store.exists(RUN_TOML):
        raise StoreError(f"{store.root} must be a run of `camvid curate`, but holds no run.toml")
    state = read_state(store)
    finished = store.exists(INDEX) and (state is None or state.status == "finished")
    stages, slowest, failed = _from_ledger(store)  # which is let go before the index is read
    index = read_index(store, columns=FUNNEL_COLUMNS) if finished else None
    if index is not None:
        failed = index.table.filter(pc.equal(index.outcome, "failed"))
    return RunStatus(
        finished=finished,
        state=state,
        kinds=_counts(index.outcome) if index is not None else {},
        stages=stages,
        slowest=slowest,
        failures=tuple(failed["error"].slice(0, MAX_FAILURES).to_pylist()),
        failed_by_cause=_counts(failed["cause"]),
        funnel=funnel_from_index(index) if index is not None else None,
    )


def _from_ledger(
    store: ClipStore,
) -> tuple[tuple[StageStatus, ...], tuple[SlowClip, ...], pa.Table]:
    """What each stage did, what took longest, and the errors and causes of what failed.

    Of every clip and stage the last line counts: a resumed run adds lines. Videos without a clip
    have no id by which theirs could be told apart: all count.
    """
    peaks = _peaks(store)
    ledger = read_ledger(store, _LEDGER_COLUMNS, _CODED)
    stages: list[StageStatus] = []
    slow: list[SlowClip] = []
    failed = [ledger.select(_FAILURE).slice(0, 0)]
    for stage in pc.unique(ledger["stage"]).to_pylist():
        lines = ledger.filter(pc.equal(ledger["stage"], stage))
        counts = pc.or_(last_of_each(lines, ["clip_id"]), pc.equal(lines["clip_id"], ""))
        lines = lines.filter(counts)
        stages.append(_stage_status(stage, lines, peaks[stage]))
        slow += _slowest(stage, lines)
        failed.append(lines.filter(pc.equal(lines["status"], "failed")).select(_FAILURE))
    texts = pa.schema([(name, pa.string()) for name in _FAILURE])
    slow.sort(key=lambda clip: -clip.seconds)
    return tuple(stages), tuple(slow[:_NUM_SLOWEST]), pa.concat_tables(failed).cast(texts)


def _peaks(store: ClipStore) -> dict[str, dict[str, int]]:
    """The most memory of each stage, read by itself: a million clips have ten million lines."""
    ledger = read_ledger(store, ("stage", *_MEMORY), ("stage",))
    most = ledger.group_by("stage").aggregate([(name, "max") for name in _MEMORY]).to_pylist()
    return {row["stage"]: {name: row[f"{name}_max"] or 0 for name in _MEMORY} for row in most}


def _stage_status(stage: str, lines: pa.Table, peaks: Mapping[str, int]) -> StageStatus:
    counts = _counts(lines["status"])
    p50, p90, p99 = pc.quantile(lines["seconds"], q=list(_PERCENTILES)).to_pylist()
    return StageStatus(
        stage=stage,
        ok=counts.get("ok", 0),
        rejected=counts.get("rejected", 0),
        failed=counts.get("failed", 0),
        reused=pc.sum(lines["reused"]).as_py() or 0,
        mean_seconds=pc.mean(lines["seconds"]).as_py(),
        p50_seconds=p50,
        p90_seconds=p90,
        p99_seconds=p99,
        peak_rss_bytes=peaks["peak_rss_bytes"],
        peak_gpu_bytes=peaks["peak_gpu_bytes"],
    )


def _slowest(stage: str, lines: pa.Table) -> list[SlowClip]:
    """Clips that the stage worked on longest."""
    lines = lines.select(["clip_id", "seconds"]).filter(pc.not_equal(lines["clip_id"], ""))
    longest = pc.select_k_unstable(lines, _NUM_SLOWEST, [("seconds", "descending")])
    return [SlowClip(stage=stage, **row) for row in lines.take(longest).to_pylist()]


def _counts(values: Any) -> dict[str, int]:
    """How often each value occurs, most frequent first."""
    counts = {c["values"]: c["counts"] for c in pc.value_counts(values).to_pylist()}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
