"""Reports a run's progress: from state and ledger while it runs, from the index once it ended.

The index of an earlier command over the same folder says nothing of the one that runs now.
"""

from collections import Counter
from dataclasses import dataclass

from camvid.errors import StoreError
from camvid.index import INDEX, read_index
from camvid.ledger import read_ledger
from camvid.report.funnel import funnel_from_index
from camvid.store import ClipStore
from workflows.run_folder import RUN_TOML
from workflows.run_state import RunState, read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """One stage's line: how many of each outcome, and what they took."""

    stage: str
    ok: int
    rejected: int
    failed: int
    reused: int
    mean_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A run at a glance."""

    finished: bool
    state: RunState | None  # None: of a run of an older version
    kinds: dict[str, int]  # of the finished run
    stages: tuple[StageStatus, ...]
    failures: tuple[str, ...]
    funnel: str

    def render_text(self) -> str:
        unknown = "finished" if self.finished else "under way or stopped: run it again to resume"
        lines = [self.state.render_text() if self.state else unknown]
        lines += [
            f"{s.stage:15} {s.ok:6} ok {s.rejected:6} rejected {s.failed:6} failed"
            f" {s.reused:6} reused {s.mean_seconds:8.2f} s each"
            for s in self.stages
        ]
        lines += [f"failed: {failure}" for failure in self.failures]
        return "\n".join([*lines, self.funnel]).rstrip()


def run_status(store: ClipStore) -> RunStatus:
    """Reads the run's books; StoreError where the folder is no run."""
    if not store.exists(RUN_TOML):
        raise StoreError(f"{store.root} must be a run of `camvid curate`, but holds no run.toml")
    state = read_state(store)
    finished = store.exists(INDEX) and (state is None or state.status == "finished")
    index = read_index(store) if finished else []
    # A clip met again in a later part (a resumed run) counts by its last line.
    last = {(r["clip_id"], r["stage"], r["error"]): r for r in read_ledger(store).to_pylist()}
    records = list(last.values())
    return RunStatus(
        finished=finished,
        state=state,
        kinds=dict(Counter(record.outcome for record in index)),
        stages=_stages(records),
        failures=tuple(r["error"] for r in records if r["status"] == "failed"),
        funnel=funnel_from_index(index).render_text() if finished else "",
    )


def _stages(records: list[dict[str, object]]) -> tuple[StageStatus, ...]:
    lines: list[StageStatus] = []
    for name in dict.fromkeys(str(r["stage"]) for r in records):
        mine = [r for r in records if r["stage"] == name]
        counts = Counter(str(r["status"]) for r in mine)
        lines.append(
            StageStatus(
                stage=name,
                ok=counts["ok"],
                rejected=counts["rejected"],
                failed=counts["failed"],
                reused=sum(bool(r["reused"]) for r in mine),
                mean_seconds=sum(float(str(r["seconds"])) for r in mine) / len(mine),
            )
        )
    return tuple(lines)
