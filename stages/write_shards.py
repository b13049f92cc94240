"""Write shards: all finished clips to Parquet, by kind and in order of their ids."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

import camvid
from camvid.arrow import pc
from camvid.errors import DamagedArtifact, StoreError
from camvid.finished import content_key
from camvid.manifest import Location, ShardInfo, read_manifest, shards_of, write_manifest
from camvid.outcome import INDICATOR, Kind
from camvid.plain import to_plain
from camvid.schema import SCHEMA_VERSION
from camvid.shard_columns import shard_row
from camvid.shard_folder import ShardFolder
from camvid.shard_row import load_parts
from camvid.shards import ShardOptions, ShardWriter
from camvid.stage import ClipRow
from camvid.store import ClipStore

LoadRow = Callable[[str], ClipRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteShardsConfig(ShardOptions):
    """Sizes of shards and row groups."""

    def build(self) -> "WriteShards":
        return WriteShards(self)


class WriteShards:
    """Rows with their kinds -> shards, manifest, and where each clip lies.

    A clip whose artifacts turn out to be damaged is left out, and is in `damaged` afterwards.
    """

    name: ClassVar[str] = "write_shards"
    version: ClassVar[int] = 2

    def __init__(self, config: WriteShardsConfig) -> None:
        self.config = config
        self.damaged: dict[str, DamagedArtifact] = {}  # by clip id

    def __call__(
        self, store: ClipStore, rows: Mapping[str, tuple[ClipRow, Kind]], weights: list[str]
    ) -> dict[str, Location]:
        """Writes the clips of `rows` (clip id -> row and kind); `none` goes nowhere."""
        columns = {
            "clip_id": list(rows),
            "kind": [kind for _, kind in rows.values()],
            "content": [content_key(row.fingerprints) for row, _ in rows.values()],
        }
        clips = pa.table({name: pa.array(c, pa.string()) for name, c in columns.items()})
        shards = self.write(store, clips, lambda clip_id: rows[clip_id][0], weights)
        return {clip_id: place for s in shards for clip_id, place in s.locations().items()}

    def write(
        self, store: ClipStore, clips: pa.Table, load_row: LoadRow, weights: list[str]
    ) -> list[ShardInfo]:
        """Writes shards, unless those that are there hold just these clips.

        Args:
            store: the run.
            clips: clip_id, kind and content (identity of the artifacts) of each clip.
            load_row: gives the row of a clip id; DamagedArtifact where it cannot be read.
            weights: a line each, for the shards.
        """
        folder = ShardFolder(store)
        shards = _unchanged(store, self.content_of(clips, weights))
        if shards is None:
            folder.begin()
            shards = self._write(store, folder, clips, load_row, weights)
            written = clips
            if self.damaged:
                left_out = pc.is_in(clips["clip_id"], pa.array(list(self.damaged)))
                written = clips.filter(pc.invert(left_out))
            write_manifest(store, shards, {0: self.content_of(written, weights)})
        folder.finish(shard.name for shard in shards)
        return shards

    def _write(
        self,
        store: ClipStore,
        folder: ShardFolder,
        clips: pa.Table,
        load_row: LoadRow,
        weights: list[str],
    ) -> list[ShardInfo]:
        shards: list[ShardInfo] = []
        for kind in INDICATOR:
            writer = ShardWriter(store, kind, self.config, folder.put)
            ids = clips.filter(pc.equal(clips["kind"], kind))["clip_id"]
            for clip_id in sorted(ids.to_pylist()):
                try:
                    writer.add(shard_row(load_parts(store, load_row(clip_id), kind, weights)))
                except DamagedArtifact as error:
                    store.remove(error.name)
                    self.damaged[clip_id] = error
            writer.close()
            shards += writer.shards
        return shards

    def content_of(self, clips: pa.Table, weights: list[str]) -> str:
        """Identity of what the shards hold: equal content need not be written again."""
        parts = [SCHEMA_VERSION, camvid.__version__, self.version, to_plain(self.config), weights]
        digest = hashlib.sha256(json.dumps(parts).encode())
        ordered = clips.select(["clip_id", "kind", "content"]).sort_by("clip_id")
        for batch in ordered.to_batches(max_chunksize=4096):
            digest.update(json.dumps([c.to_pylist() for c in batch.columns]).encode())
        return digest.hexdigest()


def _unchanged(store: ClipStore, content: str) -> list[ShardInfo] | None:
    """The shards that are there, if they hold just this content and are whole."""
    try:
        manifest = read_manifest(store)
    except StoreError:
        return None  # there is none, or it is damaged: the shards are written again
    if manifest.get("buckets") != {"0": content}:
        return None
    shards = shards_of(manifest)
    whole = all(store.size_bytes(f"shards/{shard.name}") == shard.size_bytes for shard in shards)
    return shards if whole else None
