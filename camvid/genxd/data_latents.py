"""Where the latents of shards are kept, and whether they are still the right ones. No torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from camvid.errors import ConfigError, StoreError
from camvid.genxd.data_options import DataOptions
from camvid.genxd.data_shards import Shard, ShardIndex, open_filesystem, open_shard

LATENTS = "latents"  # their column, read in place of `frames`
METADATA = b"camvid.latents"
_VERSION = 1  # rises when frames are decoded, framed or encoded in another way


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsKey:
    """What decides the latents of a frame, besides the shard."""

    codec: str  # `LatentCodec.identity`
    height_px: int
    width_px: int
    fit: str
    version: int = _VERSION

    @classmethod
    def of(cls, options: DataOptions, codec_identity: str) -> "LatentsKey":
        """ConfigError where each sample has another crop."""
        if options.fit == "random_crop":
            raise ConfigError(
                "fit must be centre_crop or pad where latents are cached: a random crop has new"
                " ones each time, got random_crop"
            )
        return cls(
            codec=codec_identity,
            height_px=options.height_px,
            width_px=options.width_px,
            fit=options.fit,
        )

    def folder(self) -> str:
        """The folder's name: another for any other key."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def metadata(self, shard_sha256: str) -> dict[bytes, bytes]:
        """What a file of latents says about itself."""
        return {METADATA: json.dumps({"shard_sha256": shard_sha256, **asdict(self)}).encode()}

    def path(self, shard: Shard) -> str:
        """latents/<key>/<shard's name>, in the folder of the shard."""
        path = PurePosixPath(shard.path)
        return str(path.parent / "latents" / self.folder() / path.name)


@dataclass(frozen=True, slots=True)
class CachedLatents:
    """Files of latents that were found to be those of their shards."""

    root: str  # a path or URI of the filesystem that they lie on
    file_of_shard: Mapping[str, str]


def open_latents(index: ShardIndex, key: LatentsKey) -> CachedLatents:
    """The latents of all shards; StoreError where some are missing or of other shards."""
    filesystem = open_filesystem(index.root)[0]
    missing = [shard for shard in index.shards if not is_cached(filesystem, shard, key)]
    if missing:
        raise StoreError(
            f"latents of all {len(index.shards)} shards must be cached, {len(missing)} are not,"
            f" first {missing[0].path}: run latent_cache.write_latents"
        )
    return CachedLatents(index.root, {shard.path: key.path(shard) for shard in index.shards})


def is_cached(filesystem: Any, shard: Shard, key: LatentsKey) -> bool:
    """Whether there are latents of this very shard."""
    path = key.path(shard)
    if not filesystem.exists(path):
        return False
    try:
        file = open_shard(filesystem, path)
    except (OSError, pa.ArrowException, StoreError):
        return False  # broken off, or by a later camvid: written again
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    found = (file.schema_arrow.metadata or {}).get(METADATA)
    expected = key.metadata(shard_sha256(filesystem, shard))[METADATA]
    return found == expected and tuple(sizes) == shard.row_group_sizes


def shard_sha256(filesystem: Any, shard: Shard) -> str:
    """As its manifest has it, else by reading the file."""
    if shard.sha256:
        return shard.sha256
    with filesystem.open(shard.path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
