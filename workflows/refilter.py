"""New thresholds over what was measured: decided from the index alone, no model runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from camvid.index import decide_again, read_index
from camvid.record import ClipRecord
from camvid.stage import run_stage
from camvid.store import ClipStore
from camvid.verdict import Policy, needed_columns
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


def preview(index: Sequence[ClipRecord], policy: Policy) -> list[Change]:
    """Which clips would change their kind, from the index alone."""
    changes: list[Change] = []
    for record in index:
        verdict = decide_again(record, policy)
        if verdict and verdict.kind != record.kind:
            changes.append(
                Change(
                    clip_id=record.clip_id,
                    source_uri=record.source_uri,
                    before=record.kind,
                    after=verdict.kind,
                )
            )
    return changes


def refilter(store: ClipStore, overrides: Sequence[str], *, dry_run: bool) -> list[Change]:
    """Applies `filter.key=value` overrides to a run: verdicts, shards, index and report."""
    config, provenance = load_run(store, overrides)
    index = read_index(store, needed_columns())
    changes = preview(index, config.filter)
    if dry_run:
        return changes
    stage = config.filter.build()
    rows = [run_stage(stage, store, row) for row in rows_of_run(store, index, "filter")]
    index = gather(store, config, rows, provenance)
    write_run_toml(store, config, provenance)
    write_report(store, config.report, index)
    return changes
