"""Write shards: the one stage that gathers. Clips of a kind, in order of their ids, to Parquet."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import camvid
from camvid.outcome import INDICATOR, Kind
from camvid.schema import SCHEMA_VERSION
from camvid.shard_row import shard_row
from camvid.shards import (
    MANIFEST,
    Location,
    ShardInfo,
    ShardOptions,
    ShardWriter,
    read_manifest,
    write_manifest,
)
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.structure import structure, unstructure


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteShardsConfig(ShardOptions):
    """Sizes of shards and row groups."""

    def build(self) -> "WriteShards":
        return WriteShards(self)


class WriteShards:
    """Rows with their kinds -> shards, manifest, and where each clip lies."""

    name: ClassVar[str] = "write_shards"
    version: ClassVar[int] = 2

    def __init__(self, config: WriteShardsConfig) -> None:
        self.config = config

    def __call__(
        self, store: ClipStore, rows: Mapping[str, tuple[ClipRow, Kind]], weights: list[str]
    ) -> dict[str, Location]:
        """Writes the clips of `rows` (clip id -> row and kind); `none` goes nowhere."""
        content = self._content(rows, weights)
        shards = _unchanged(store, content)
        if shards is None:
            store.remove(MANIFEST)  # while shards change, nothing vouches for them
            shards = self._write(store, rows, weights)
            write_manifest(store, shards, content)
            _remove_others(store, shards)
        return {clip_id: place for s in shards for clip_id, place in s.locations().items()}

    def _write(
        self, store: ClipStore, rows: Mapping[str, tuple[ClipRow, Kind]], weights: list[str]
    ) -> list[ShardInfo]:
        shards: list[ShardInfo] = []
        for kind in INDICATOR:
            writer = ShardWriter(store, kind, self.config)
            for clip_id in sorted(rows):
                row, row_kind = rows[clip_id]
                if row_kind == kind:
                    writer.add(shard_row(store, row, kind, weights))
            writer.close()
            shards += writer.shards
        return shards

    def _content(self, rows: Mapping[str, tuple[ClipRow, Kind]], weights: list[str]) -> str:
        """Identity of what the shards hold: equal content need not be written again."""
        clips = [(i, kind, sorted(row.fingerprints.items())) for i, (row, kind) in rows.items()]
        parts = [SCHEMA_VERSION, camvid.__version__, self.version, unstructure(self.config)]
        text = json.dumps([*parts, sorted(clips), weights])
        return hashlib.sha256(text.encode()).hexdigest()


def _unchanged(store: ClipStore, content: str) -> list[ShardInfo] | None:
    """The shards that are there, if they hold just this content."""
    if not store.exists(MANIFEST):
        return None
    manifest = read_manifest(store)
    if manifest.get("content") != content:
        return None
    shards = [structure(ShardInfo, shard) for shard in manifest["shards"]]
    names = [f"shards/{shard.name}" for shard in shards]
    whole = all(
        store.exists(n) and store.size_bytes(n) == s.size_bytes
        for n, s in zip(names, shards, strict=True)
    )
    return shards if whole else None


def _remove_others(store: ClipStore, shards: list[ShardInfo]) -> None:
    keep = {shard.name for shard in shards}
    for name in store.list_names("shards", ".parquet"):
        if name not in keep:
            store.remove(f"shards/{name}")
    store.remove("scratch")
