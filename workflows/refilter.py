"""Applies new thresholds to what a run measured; no model runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from camvid.index import decide_again, read_index
from camvid.record import ClipRecord
from camvid.stage import run_stage
from camvid.store import ClipStore
from camvid.verdict import Policy, needed_columns
from stages.filter import FilterConfig
from stages.write_shards import WriteShardsConfig
from workflows.curate import gather
from workflows.replay import rows_of_run
from workflows.reporting import ReportConfig, write_report
from workflows.run_toml import read_run_toml, write_section


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
    run = read_run_toml(store)
    policy = run.section("filter", FilterConfig(), overrides)
    index = read_index(store, needed_columns())
    changes = preview(index, policy)
    if dry_run:
        return changes
    stage = policy.build()
    rows = [run_stage(stage, store, row) for row in rows_of_run(store, index, "filter")]
    sizes = run.section("write_shards", WriteShardsConfig())
    index = gather(store, sizes, rows, run.provenance)
    write_section(store, run, "filter", policy)
    write_report(store, run.section("report", ReportConfig()), index)
    return changes
