"""Shards, index and dataset card of a run, from the list of its finished clips."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import SCHEMA as INDEX_SCHEMA
from camvid.books.clip_table import ClipTable, sorted_table
from camvid.books.finished import GATHERED, SCHEMA, damaged_row
from camvid.books.index import stopped_record, write_index
from camvid.columns import to_row
from camvid.errors import DamagedArtifact
from camvid.memory import release_memory
from camvid.shards.manifest import ShardInfo
from camvid.stage import ClipRow
from camvid.store import ClipStore
from workflows.reporting import write_card
from workflows.runs.copies import CopiesConfig, without_copies
from workflows.runs.shard_writing import ShardWriting

log = logging.getLogger(__name__)
_PLACE = ("shard", "row_group", "row")
_MAX_TOLD = 5  # of clips that count once: a line each


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of the clips."""

    index: ClipTable
    damaged: pa.Table  # rows of `camvid.books.finished`: clips whose artifacts could not be read


def gather(
    store: ClipStore,
    writing: ShardWriting,
    copies: CopiesConfig,
    clips: pa.Table,
    provenance: Mapping[str, Any],
) -> Gathered:
    """Writes shards, index and dataset card; `clips` are rows of the finished (GATHERED)."""
    clips = without_copies(store, copies, _once_per_clip(clips.select(GATHERED)))
    damaged = _damaged(writing.write_outdated(clips), clips)
    shards = writing.shards.finish()
    release_memory()
    if damaged.num_rows:
        left_out = pc.is_in(clips["clip_id"], damaged["clip_id"].combine_chunks())
        clips = clips.filter(pc.invert(left_out))
        clips = pa.concat_tables([clips, damaged.select(GATHERED)])
    index = write_index(store, ClipTable(_placed(clips.select(INDEX_SCHEMA.names), shards)))
    write_card(store, index, provenance)
    return Gathered(index, damaged)


def _damaged(errors: Mapping[str, DamagedArtifact], clips: pa.Table) -> pa.Table:
    """The clips as failed rows."""
    wanted = clips.filter(pc.is_in(clips["clip_id"], pa.array(list(errors), pa.string())))
    columns = (wanted[name].to_pylist() for name in ("clip_id", "source_uri"))
    rows = [
        to_row(stopped_record(damaged_row(ClipRow(clip_id=i, video_uri=uri), errors[i]), None))
        for i, uri in zip(*columns, strict=True)
    ]
    unknown = {"graph": "", "video_stat": "", "content": "", "size_bytes": -1, "rows_of_video": 0}
    return pa.Table.from_pylist([row | unknown for row in rows], schema=SCHEMA)


def _once_per_clip(clips: pa.Table) -> pa.Table:
    """Rows in a fixed order; a clip reached by two names of one file counts once."""
    keys = clips.select(["source_uri", "start_s", "clip_id"])
    number = pa.array(np.arange(len(keys)))
    keys = keys.append_column("number", number)
    keys = keys.sort_by([("source_uri", "ascending"), ("clip_id", "ascending")])
    code = keys["clip_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    first = np.zeros(len(code), bool)
    first[np.unique(code, return_index=True)[1]] = True
    again = ~first & pc.not_equal(keys["clip_id"], "").to_numpy()
    told = keys.filter(pa.array(again))
    for row in told.slice(0, _MAX_TOLD).to_pylist():
        log.warning("%s holds clip %s again; it counts once", row["source_uri"], row["clip_id"])
    if told.num_rows > _MAX_TOLD:
        log.warning("%d clips in all are held by several videos", told.num_rows)
    if told.num_rows:
        clips = clips.take(keys["number"].filter(pa.array(~again)))
    return sorted_table(clips)


def _placed(clips: pa.Table, shards: list[ShardInfo]) -> pa.Table:
    """The rows with the clips' places in the shards; null for clips that are in none."""
    empty = pa.schema([("clip_id", pa.string()), *(clips.schema.field(n) for n in _PLACE)])
    place = pa.concat_tables([empty.empty_table(), *(_places(s).cast(empty) for s in shards)])
    at = pc.index_in(clips["clip_id"], place["clip_id"].combine_chunks())
    for name in _PLACE:
        number = clips.schema.get_field_index(name)
        column = place[name].combine_chunks().take(at.combine_chunks())
        clips = clips.set_column(number, clips.schema.field(number), column)
    return clips


def _places(shard: ShardInfo) -> pa.Table:
    sizes = shard.row_group_sizes
    columns = {
        "clip_id": list(shard.clip_ids),
        "shard": [shard.name] * shard.num_rows,
        "row_group": np.repeat(np.arange(len(sizes)), sizes),
        "row": np.concatenate([np.arange(size) for size in sizes]),
    }
    return pa.table(columns)
