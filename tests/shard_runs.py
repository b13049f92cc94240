"""Shards of a store's artifacts, without a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from camvid.books.finished import content_key
from camvid.outcome import Kind
from camvid.shards.manifest import Location
from camvid.stage import ClipRow
from camvid.store import ClipStore
from stages.write_shards import WriteShardsConfig
from workflows.runs.shard_writing import ShardWriting, clips_of_shards


def write_shards(
    store: ClipStore,
    rows: Mapping[str, tuple[ClipRow, Kind]],
    weights: Sequence[str] = (),
    **sizes: Any,
) -> dict[str, Location]:
    """Writes the clips of `rows` (clip id -> row and kind); gives where each lies."""
    config = WriteShardsConfig(**sizes)
    columns = {
        "clip_id": list(rows),
        "source_uri": [row.video_uri for row, _ in rows.values()],
        "kind": [kind for _, kind in rows.values()],
        "content": [content_key(row.fingerprints) for row, _ in rows.values()],
    }
    clips = pa.table({name: pa.array(c, pa.string()) for name, c in columns.items()})
    provenance = {"weights": list(weights), "num_videos": len(set(columns["source_uri"]))}
    shards = ShardWriting(store, config, provenance).shards
    for bucket in shards.outdated(clips_of_shards(clips)):
        config.build()(store, bucket, lambda clip_id: rows[clip_id][0], list(weights))
        shards.written(bucket.number)
    return {clip_id: place for s in shards.finish() for clip_id, place in s.locations().items()}
