"""New thresholds over what was measured: decided from the index alone, no model runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from camvid.index import IndexRow, decide_row, read_index
from camvid.stage import run_stage
from camvid.store import ClipStore
from camvid.verdict import Policy
from workflows.curate import gather
from workflows.provenance import write_run_toml
from workflows.replay import load_run, rows_of_run
from workflows.reporting import write_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A clip whose kind the new thresholds change."""

    clip_id: str
    source_uri: str
    before: str
    after: str


def preview(index: Sequence[IndexRow], policy: Policy) -> list[Change]:
    """Which clips would change their kind, from the index alone."""
    changes: list[Change] = []
    for row in index:
        verdict = decide_row(row, policy)
        if verdict and verdict.kind != row["kind"]:
            changes.append(
                Change(
                    clip_id=row["clip_id"],
                    source_uri=row["source_uri"],
                    before=row["kind"],
                    after=verdict.kind,
                )
            )
    return changes


def refilter(store: ClipStore, overrides: Sequence[str], *, dry_run: bool) -> list[Change]:
    """Applies `filter.key=value` overrides to a run: verdicts, shards, index and report."""
    config, provenance = load_run(store, overrides)
    index = read_index(store)
    changes = preview(index, config.filter)
    if dry_run:
        return changes
    stage = config.filter.build()
    rows = [run_stage(stage, store, row) for row in rows_of_run(store, index, "filter")]
    index = gather(store, config, rows, provenance)
    write_run_toml(store, config, provenance)
    write_report(store, config.report, index)
    return changes
