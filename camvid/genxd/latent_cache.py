"""Encodes the frames of shards once, into Parquet files beside them.

key = write_latents(index, options, codec)
dataset = ClipDataset(index, options, latents=open_latents(index, key))

A file of latents has the row groups of its shard, so that a row is found at the same place.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from camvid.artifacts import F32
from camvid.errors import StoreError
from camvid.genxd.codec import LatentCodec
from camvid.genxd.data import DAMAGE
from camvid.genxd.data_choices import choose_framing
from camvid.genxd.data_latents import LATENTS, LatentsKey, is_cached, shard_sha256
from camvid.genxd.data_options import DataOptions
from camvid.genxd.data_reader import encoded_images, frames_column
from camvid.genxd.data_sample import read_images
from camvid.genxd.data_shards import (
    FRAMES,
    Shard,
    ShardIndex,
    open_filesystem,
    open_shard,
)
from camvid.parallel import map_threads
from camvid.shards.schema import SCHEMA_VERSION

log = logging.getLogger(__name__)

FRAMES_AT_ONCE = 16  # decoded and encoded together; bounds the memory
_COLUMNS = ("clip_id", "height_px", "width_px")
OnClip = Callable[[str], None]  # called with the id of each clip that is done


def write_latents(
    index: ShardIndex,
    options: DataOptions,
    codec: LatentCodec,
    *,
    rank: int = 0,
    world_size: int = 1,
    on_clip: OnClip | None = None,
) -> LatentsKey:
    """Encodes the shards of this rank that have no latents by this codec, size and crop.

    Killed and started again it goes on with the next shard. Ranks wait for each other before the
    latents are opened. A frame that cannot be decoded has none: samples that ask for it are
    skipped, as without a cache.
    """
    key = LatentsKey.of(options, codec.identity())
    filesystem = open_filesystem(index.root)[0]
    encoder = _Encoder(options, codec, on_clip)
    for shard in index.shards[rank::world_size]:
        if is_cached(filesystem, shard, key):
            continue
        try:
            _write_shard(filesystem, shard, key, encoder)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"{shard.path} must be readable, and {key.path(shard)} writable: {error}"
            ) from error
    return key


def _write_shard(filesystem: Any, shard: Shard, key: LatentsKey, encoder: "_Encoder") -> None:
    """One file, whole or not at all."""
    path = key.path(shard)
    metadata = key.metadata(shard_sha256(filesystem, shard))
    metadata[b"camvid.schema_version"] = SCHEMA_VERSION.encode()
    schema = pa.schema([("clip_id", pa.string()), (LATENTS, pa.list_(pa.binary()))], metadata)
    source = open_shard(filesystem, shard.path)
    filesystem.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
    clip_ids = iter(shard.clip_ids)
    with (
        filesystem.open(f"{path}.part", "wb") as file,
        pq.ParquetWriter(
            file, schema, compression="none", use_dictionary=False, write_page_checksum=True
        ) as writer,
    ):
        for group, size in enumerate(shard.row_group_sizes):
            latents = encoder.of_row_group(source, group, shard.path) or [None] * size
            rows = {"clip_id": list(islice(clip_ids, size)), LATENTS: latents}
            writer.write_table(pa.Table.from_pydict(rows, schema=schema))
    filesystem.mv(f"{path}.part", path)


class _Encoder:
    """Clips of a row group to latents: little-endian float32 for each frame, None for a bad one."""

    def __init__(self, options: DataOptions, codec: LatentCodec, on_clip: OnClip | None) -> None:
        self._options, self._codec, self._on_clip = options, codec, on_clip

    def of_row_group(
        self, source: pq.ParquetFile, group: int, path: str
    ) -> list[list[bytes | None]]:
        """For each clip the latents of its frames; nothing where the row group is damaged."""
        try:
            columns = [*_COLUMNS, frames_column(source)]
            table = source.read_row_group(group, columns=columns, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            log.warning("row group %d of %s has no latents: %s", group, path, error)
            return []
        return [self._of_clip(table.slice(number, 1), path) for number in range(len(table))]

    def _of_clip(self, row: pa.Table, path: str) -> list[bytes | None]:
        clip_id, height, width = (row[name][0].as_py() for name in _COLUMNS)
        frames = encoded_images(row[FRAMES][0])
        latents: list[bytes | None] = []
        for start in range(0, len(frames or ()), FRAMES_AT_ONCE):
            latents += self._of_frames(frames[start : start + FRAMES_AT_ONCE], (height, width))
        if num_bad := latents.count(None):
            log.warning("clip %s of %s: %d frames have no latents", clip_id, path, num_bad)
        if self._on_clip is not None:
            self._on_clip(clip_id)
        return latents

    def _of_frames(self, jpegs: pa.Array, image_hw: tuple[int, int]) -> list[bytes | None]:
        images = map_threads(partial(self._read, image_hw=image_hw), jpegs)
        good = [image for image in images if image is not None]
        encoded: Iterator[F32] = iter(())
        if good:
            rgb_BFCHW = torch.from_numpy(np.stack(good))[None].to(self._codec.device)
            encoded = iter(self._codec.encode(rgb_BFCHW)[0].float().cpu().numpy())
        return [p if p is None else next(encoded).astype("<f4").tobytes() for p in images]

    def _read(self, jpeg: Any, image_hw: tuple[int, int]) -> F32 | None:
        """An image [3, H, W] framed as in training, which draws nothing where crops are fixed."""
        try:
            framing = choose_framing(image_hw, self._options, np.random.default_rng(0))
            return read_images([jpeg], image_hw, framing, self._options)[0]
        except DAMAGE:
            return None
