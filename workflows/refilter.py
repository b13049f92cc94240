"""Applies new thresholds to what a run measured; no model runs."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.books.finished import SCHEMA, describe, finished_parts, stage_key
from camvid.books.index import read_index
from camvid.books.parts import last_of_each
from camvid.pipeline import DECIDES
from camvid.stage import ClipRow, run_stage
from camvid.store import ClipStore
from camvid.verdict import Policy, deciding_columns, kinds_of, needed_columns, questions
from stages.describe import Describe, DescribeConfig
from stages.filter import FilterConfig
from stages.write_shards import WriteShardsConfig
from workflows.reporting import ReportConfig, write_report
from workflows.runs.books import list_rows
from workflows.runs.copies import CopiesConfig
from workflows.runs.gather import gather
from workflows.runs.rows import rows_of_run
from workflows.runs.run_toml import read_run_toml, write_section
from workflows.runs.shard_writing import ShardWriting
from workflows.runs.thinning import refuse_thinned

_EXAMPLES = 10
_CHUNK = 65_536  # rows of which all numbers are in memory
_BATCH = 1000  # rows that are Python objects at a time
_COLUMNS = ("clip_id", "source_uri", "kind", "status", "stopped_at", "camera", "camera_reasons")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A clip whose kind the new thresholds change."""

    clip_id: str
    source_uri: str
    before: str
    after: str
    reason: str  # the first that the new verdict gives; empty for a clip that is 4d now


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCount:
    """How many clips change so, for this reason."""

    before: str
    after: str
    reason: str
    clips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What new thresholds do to a run."""

    num_clips: int  # whose kind changes
    counts: tuple[ChangeCount, ...]  # most frequent first
    examples: tuple[Change, ...]  # some of each


def preview(index: ClipTable, policy: Policy) -> Changes:
    """Which clips would change their kind, from the index alone."""
    parts = (index.table.slice(start, _CHUNK) for start in range(0, max(1, len(index)), _CHUNK))
    return _summary(pa.concat_tables([_changed(ClipTable(part), policy) for part in parts]))


def _changed(index: ClipTable, policy: Policy) -> pa.Table:
    """A row for each clip whose kind changes, as `Change`."""
    table = index.table
    decided = pc.is_in(pc.fill_null(table["stopped_at"], ""), pa.array(["", DECIDES]))
    rows = index.where(pc.and_(decided, pc.not_equal(table["status"], "failed")))
    camera = pc.fill_null(rows.table["camera"], "unknown").to_numpy()
    wanted = rows.table["camera_moves"].to_pylist() if policy.camera_moves else [()] * len(rows)
    asked = questions(rows.numbers, camera, wanted, policy)
    upstream = rows.first_name("camera_reasons").to_numpy(zero_copy_only=False)
    reason = np.full(len(rows), "", object)
    for question in reversed(asked):
        reason[question.missed] = str(question.why)
    cameras = np.any([q.missed for q in asked if q.group == "cameras"], axis=0)
    named = cameras & np.array([name is not None for name in upstream], bool)
    reason[named] = upstream[named]
    for question in reversed([q for q in asked if q.group == "unwanted"]):
        reason[question.missed] = str(question.why)
    columns = {
        "clip_id": rows.table["clip_id"],
        "source_uri": rows.table["source_uri"],
        "before": rows.table["kind"],
        "after": pa.array(kinds_of(asked)).cast(pa.string()),
        "reason": pa.array(reason, pa.string()),
    }
    changed = pa.table(columns)
    return changed.filter(pc.not_equal(changed["before"], changed["after"]))


def _summary(changed: pa.Table) -> Changes:
    by = ["before", "after", "reason"]
    groups = changed.group_by(by).aggregate([("clip_id", "count"), ("clip_id", "min")])
    counts = [
        ChangeCount(clips=group["clip_id_count"], **{name: group[name] for name in by})
        for group in groups.to_pylist()
    ]
    shown = changed.filter(pc.is_in(changed["clip_id"], groups["clip_id_min"].combine_chunks()))
    shown = shown if changed.num_rows > _EXAMPLES else changed
    return Changes(
        num_clips=changed.num_rows,
        counts=tuple(sorted(counts, key=lambda c: (-c.clips, c.before, c.after, c.reason))),
        examples=tuple(Change(**row) for row in shown.slice(0, _EXAMPLES).to_pylist()),
    )


def refilter(store: ClipStore, overrides: Sequence[str], *, dry_run: bool) -> Changes:
    """Applies `filter.key=value` overrides to a run: verdicts, shards, index and report."""
    run = read_run_toml(store)
    policy = run.section("filter", FilterConfig(), overrides)
    needed = needed_columns()
    asked = {*needed, "camera_moves"} if dry_run and policy.camera_moves else needed
    index = read_index(store, asked, (*_COLUMNS, *deciding_columns()))
    if dry_run:
        return preview(index, policy)
    refuse_thinned(store, "refilter")
    stage = policy.build()
    described = _described(store, index, run.section("describe", DescribeConfig()))
    decided = (run_stage(stage, store.of_clip(row.clip_id), row) for row in described)
    clips = _listed(store, decided, policy)
    changes = preview(_with_moves_of(clips, index), policy)
    sizes = run.section("write_shards", WriteShardsConfig())
    copies = run.section("copies", CopiesConfig())
    writing = ShardWriting(store, sizes, run.provenance)
    gathered = gather(store, writing, copies, clips, run.provenance)
    list_rows(store, [clips, gathered.damaged])
    write_section(store, run, "filter", policy)
    write_report(store, run.section("report", ReportConfig()), gathered.index)
    return changes


def _described(store: ClipStore, index: ClipTable, config: DescribeConfig) -> Iterator[ClipRow]:
    """The rows as they stood before the filter; runs older than `describe` get that stage now."""

    @functools.cache
    def stage() -> Describe:  # whose captioner may need weights
        return config.build()

    for row in rows_of_run(store, index, Describe.name):
        record = store.load_record(row.clip_id, Describe.name) if row.status == "ok" else None
        yield row.after(replace(record, reused=True)) if record else run_stage(stage(), store, row)


def _with_moves_of(clips: pa.Table, index: ClipTable) -> ClipTable:
    """The index with the classes of camera motion that the clips were described with."""
    at = pc.index_in(index.table["clip_id"], clips["clip_id"].combine_chunks())
    moves = clips["camera_moves"].combine_chunks().take(at.combine_chunks())
    number = index.table.schema.get_field_index("camera_moves")
    return ClipTable(index.table.set_column(number, index.table.schema.field(number), moves))


def _listed(store: ClipStore, rows: Iterator[ClipRow], policy: FilterConfig) -> pa.Table:
    """The rows as the finished list has them; all but the verdict is as that said before."""
    parts = finished_parts(store)
    names = ["source_uri", "clip_id", "graph", "video_stat", "rows_of_video"]
    listed = parts.read(names)
    listed = listed.filter(last_of_each(listed, parts.keys))
    known = {(row["source_uri"], row["clip_id"]): row for row in listed.to_pylist()}
    found: list[pa.Table] = [SCHEMA.empty_table()]
    while some := list(itertools.islice(rows, _BATCH)):
        described: list[dict[str, Any]] = []
        for row in some:
            before = known.get((row.video_uri, row.clip_id), {})
            graph = {row.records[-1].stage: _graph(before, row, policy)} if row.records else {}
            stat, count = before.get("video_stat", ""), before.get("rows_of_video", 0)
            described.append(describe(store, row, graph, stat, count))
        found.append(pa.Table.from_pylist(described, schema=SCHEMA))
    return pa.concat_tables(found)


def _graph(before: dict[str, Any], row: ClipRow, policy: FilterConfig) -> str:
    """The key of the list, with another last stage where that was the filter."""
    graph: str = before.get("graph", "")
    if not graph or row.records[-1].stage != DECIDES:
        return graph
    return f"{graph.partition(':')[0]}:{stage_key(DECIDES, policy)}"
