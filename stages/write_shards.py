"""Write shards: the finished clips of a bucket to Parquet, by kind and in order of their ids."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import camvid
from camvid.arrow import pc
from camvid.errors import DamagedArtifact
from camvid.outcome import INDICATOR
from camvid.plain import to_plain
from camvid.shards.buckets import Bucket, shard_name
from camvid.shards.columns import shard_row
from camvid.shards.folder import ShardFolder
from camvid.shards.manifest import Described, ShardInfo, description_name, write_description
from camvid.shards.row import load_parts
from camvid.shards.schema import SCHEMA_VERSION
from camvid.shards.writer import ShardOptions, ShardWriter
from camvid.stage import ClipRow
from camvid.store import ClipStore

LoadRow = Callable[[str], ClipRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteShardsConfig(ShardOptions):
    """Sizes of shards and row groups."""

    # About so many share shards, which are written once all of them are through: few enough to come
    # soon, many enough to fill a shard.
    videos_per_bucket: int = 64

    def build(self) -> "WriteShards":
        return WriteShards(self)


class WriteShards:
    """A bucket's clips -> its shards and their description.

    A clip whose artifacts turn out to be damaged is left out, and is in `damaged` afterwards.
    """

    name: ClassVar[str] = "write_shards"
    version: ClassVar[int] = 3

    def __init__(self, config: WriteShardsConfig) -> None:
        self.config = config
        self.damaged: dict[str, DamagedArtifact] = {}  # by clip id

    def __call__(
        self, store: ClipStore, bucket: Bucket, load_row: LoadRow, weights: list[str]
    ) -> list[ShardInfo]:
        """Writes shards of each kind, clips in order of their ids; `none` goes nowhere.

        Args:
            store: the run.
            bucket: its clips.
            load_row: gives the row of a clip id; DamagedArtifact where it cannot be read.
            weights: a line each, for the shards.
        """
        folder = ShardFolder(store, (), description_name(bucket.number))
        shards: list[ShardInfo] = []
        for kind in INDICATOR:
            ids = bucket.clips.filter(pc.equal(bucket.clips["kind"], kind))["clip_id"].to_pylist()
            name_of = partial(shard_name, kind, bucket.number)
            writer = ShardWriter(store, kind, self.config, folder.put, name_of)
            for clip_id in ids:
                try:
                    writer.add(shard_row(load_parts(store, load_row(clip_id), kind, weights)))
                except DamagedArtifact as error:
                    store.remove(error.name)
                    self.damaged[clip_id] = error
            writer.close()
            shards += writer.shards
        content = "" if self.damaged else bucket.content
        write_description(store, bucket.number, Described(content, tuple(shards)))
        folder.remove_others(shard.name for shard in shards)
        return shards

    def settings(self, weights: list[str]) -> str:
        """Identity of all that decides a shard's bytes besides its clips."""
        parts = [SCHEMA_VERSION, camvid.__version__, self.version, to_plain(self.config), weights]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
