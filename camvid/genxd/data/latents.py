"""Where the latents of shards are kept, and whether they are still the right ones. No torch."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from camvid.artifacts import F32
from camvid.errors import ClipError, ConfigError, StoreError
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.shards import Shard, ShardIndex, open_filesystem, open_shard
from camvid.plain import from_plain

METADATA = b"camvid.latents"
_VERSION = 2  # rises when frames are decoded, framed, encoded or written in another way


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

    @classmethod
    def of_packed(cls, index: ShardIndex) -> "LatentsKey | None":
        """That of the latents that stand in the shards themselves, in place of frames."""
        return from_plain(cls, index.latents, "latents") if index.latents else None

    def folder(self) -> str:
        """The folder's name: another for any other key."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def metadata(self, shard_sha256: str) -> dict[bytes, bytes]:
        """What a file of latents says about itself."""
        return {METADATA: json.dumps({"shard_sha256": shard_sha256, **asdict(self)}).encode()}


@dataclass(frozen=True, slots=True)
class CachedLatents:
    """Files of latents that were found to be those of their shards."""

    root: str  # a path or URI of the filesystem that they lie on
    file_of_shard: Mapping[str, str]


class LatentFiles:
    """The cached latents of some shards: beside them, or in a folder of their own."""

    def __init__(self, index: ShardIndex, key: LatentsKey, folder: str = "") -> None:
        """`folder`: a path or URI; empty: beside the shards, which must then be writable."""
        self.key, self.root = key, folder or index.root
        self.shards = open_filesystem(index.root)[0]
        self.filesystem, base = open_filesystem(self.root)
        self._base = base if folder else ""

    def path(self, shard: Shard) -> str:
        """latents/KEY/NAME beside the shard, or KEY/NAME in the folder, which many runs may share:
        there the name tells clips, too.
        """
        path = PurePosixPath(shard.path)
        if not self._base:
            return str(path.parent / "latents" / self.key.folder() / path.name)
        clips = hashlib.sha256(" ".join(shard.clip_ids).encode()).hexdigest()[:8]
        return f"{self._base}/{self.key.folder()}/{path.stem}-{clips}.parquet"

    def metadata(self, shard: Shard) -> dict[bytes, bytes]:
        """What the shard's file of latents says about itself."""
        return self.key.metadata(shard_sha256(self.shards, shard))

    def has(self, shard: Shard) -> bool:
        """Whether there are latents of this very shard."""
        path = self.path(shard)
        if not self.filesystem.exists(path):
            return False
        try:
            file = open_shard(self.filesystem, path)
        except (OSError, pa.ArrowException, StoreError):
            return False  # broken off, or by a later camvid: written again
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        found = (file.schema_arrow.metadata or {}).get(METADATA)
        expected = self.metadata(shard)[METADATA]
        return found == expected and tuple(sizes) == shard.row_group_sizes


def open_latents(index: ShardIndex, key: LatentsKey, folder: str = "") -> CachedLatents:
    """The latents of all shards; StoreError where some are missing or of other shards."""
    files = LatentFiles(index, key, folder)
    missing = [shard for shard in index.shards if not files.has(shard)]
    if missing:
        raise StoreError(
            f"latents of all {len(index.shards)} shards must be cached, {len(missing)} are not,"
            f" first {missing[0].path}: run latent_cache.write_latents"
        )
    return CachedLatents(files.root, {shard.path: files.path(shard) for shard in index.shards})


def packed_latents(index: ShardIndex, options: DataOptions) -> CachedLatents | None:
    """The latents that stand in the shards in place of frames; None where those have frames.

    ConfigError where they are of another size or crop than the samples are to be.
    """
    key = LatentsKey.of_packed(index)
    if key is None:
        return None
    for name in ("height_px", "width_px", "fit", "version"):
        wanted = _VERSION if name == "version" else getattr(options, name)
        if (packed := getattr(key, name)) != wanted:
            raise ConfigError(
                f"data.{name} must be {packed}, as the latents of {index.root} were packed, got"
                f" {wanted}: change it, or pack again"
            )
    return CachedLatents(index.root, {shard.path: shard.path for shard in index.shards})


def check_codec(index: ShardIndex, identity: str) -> None:
    """ConfigError where the shards' own latents are of another codec than this."""
    key = LatentsKey.of_packed(index)
    if key is not None and key.codec != identity:
        raise ConfigError(
            f"codec.path must be what the latents of {index.root} were encoded by, got another"
        )


def read_latents(scalars: Sequence[Any], latent_hw: tuple[int, int]) -> F32:
    """Latents [F, C, h, w] of frames, as Arrow's scalars of little-endian bfloat16."""
    buffers = [scalar.as_buffer() for scalar in scalars]
    if any(buffer is None for buffer in buffers):
        raise ClipError("a frame must have cached latents: it could not be decoded or encoded")
    upper_halves = np.stack([np.frombuffer(b, "<u2").reshape(-1, *latent_hw) for b in buffers])
    return (upper_halves.astype(np.uint32) << 16).view(np.float32)


def shard_sha256(filesystem: Any, shard: Shard) -> str:
    """As its manifest has it, else by reading the file."""
    if shard.sha256:
        return shard.sha256
    with filesystem.open(shard.path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
