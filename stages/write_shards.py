"""Write shards: all finished clips to Parquet, by kind and in order of their ids."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import camvid
from camvid.errors import DamagedArtifact, StoreError
from camvid.outcome import INDICATOR, Kind
from camvid.plain import from_plain, to_plain
from camvid.schema import SCHEMA_VERSION
from camvid.shard_columns import shard_row
from camvid.shard_folder import ShardFolder
from camvid.shard_row import load_parts
from camvid.shards import (
    Location,
    ShardInfo,
    ShardOptions,
    ShardWriter,
    read_manifest,
    write_manifest,
)
from camvid.stage import ClipRow
from camvid.store import ClipStore


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
        folder = ShardFolder(store)
        shards = _unchanged(store, self._content(rows, weights))
        if shards is None:
            folder.begin()
            shards = self._write(store, folder, rows, weights)
            written = {i: row for i, row in rows.items() if i not in self.damaged}
            write_manifest(store, shards, self._content(written, weights))
        folder.finish(shard.name for shard in shards)
        return {clip_id: place for s in shards for clip_id, place in s.locations().items()}

    def _write(
        self,
        store: ClipStore,
        folder: ShardFolder,
        rows: Mapping[str, tuple[ClipRow, Kind]],
        weights: list[str],
    ) -> list[ShardInfo]:
        shards: list[ShardInfo] = []
        for kind in INDICATOR:
            writer = ShardWriter(store, kind, self.config, folder)
            for clip_id in sorted(rows):
                row, row_kind = rows[clip_id]
                if row_kind != kind:
                    continue
                try:
                    writer.add(shard_row(load_parts(store, row, kind, weights)))
                except DamagedArtifact as error:
                    store.remove(error.name)
                    self.damaged[clip_id] = error
            writer.close()
            shards += writer.shards
        return shards

    def _content(self, rows: Mapping[str, tuple[ClipRow, Kind]], weights: list[str]) -> str:
        """Identity of what the shards hold: equal content need not be written again."""
        clips = [(i, kind, sorted(row.fingerprints.items())) for i, (row, kind) in rows.items()]
        parts = [SCHEMA_VERSION, camvid.__version__, self.version, to_plain(self.config)]
        text = json.dumps([*parts, sorted(clips), weights])
        return hashlib.sha256(text.encode()).hexdigest()


def _unchanged(store: ClipStore, content: str) -> list[ShardInfo] | None:
    """The shards that are there, if they hold just this content and are whole."""
    try:
        manifest = read_manifest(store)
    except StoreError:
        return None  # there is none, or it is damaged: the shards are written again
    if manifest.get("content") != content:
        return None
    shards = [from_plain(ShardInfo, shard) for shard in manifest["shards"]]
    whole = all(store.size_bytes(f"shards/{shard.name}") == shard.size_bytes for shard in shards)
    return shards if whole else None
