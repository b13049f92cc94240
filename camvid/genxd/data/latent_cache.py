"""Encodes the frames of shards once, into Parquet files beside them or in a folder of their own.

key = write_latents(index, options, codec)
dataset = ClipDataset(index, options, latents=open_latents(index, key))

A file of latents has the row groups of its shard, so that a row is found at the same place.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch.distributed as dist

from camvid.errors import StoreError
from camvid.genxd.codec import LatentCodec
from camvid.genxd.data.latents import CachedLatents, LatentFiles, LatentsKey, open_latents
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.reader import encoded_images, frames_column
from camvid.genxd.data.shards import Shard, ShardIndex, open_shard
from camvid.genxd.encoding import ClipFrames, FrameEncoder
from camvid.shards.columns import FRAMES, LATENTS
from camvid.shards.schema import SCHEMA_VERSION

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(days=7)  # of ranks for the one that has the most to encode
_COLUMNS = ("clip_id", "height_px", "width_px")
OnClip = Callable[[str], None]  # called with the id of each clip that is done


def ready_latents(
    index: ShardIndex,
    options: DataOptions,
    codec: LatentCodec,
    *,
    folder: str = "",
    rank: int = 0,
    world_size: int = 1,
) -> CachedLatents:
    """The latents of all shards, what is missing encoded first, by all ranks together."""
    with _awaiting_all_ranks():
        key = write_latents(index, options, codec, folder=folder, rank=rank, world_size=world_size)
    return open_latents(index, key, folder)


def write_latents(
    index: ShardIndex,
    options: DataOptions,
    codec: LatentCodec,
    *,
    folder: str = "",
    rank: int = 0,
    world_size: int = 1,
    on_clip: OnClip | None = None,
) -> LatentsKey:
    """Encodes the shards of this rank that have no latents by this codec, size and crop.

    Killed and started again it goes on with the next shard. Ranks wait for each other before the
    latents are opened. A frame that cannot be decoded has none: samples that ask for it are
    skipped, as without a cache. `folder`: see `LatentFiles`.
    """
    files = LatentFiles(index, LatentsKey.of(options, codec.identity()), folder)
    with FrameEncoder(options, codec) as encoder:
        for shard in lots(index.shards, world_size)[rank]:
            if files.has(shard):
                continue
            try:
                _write_shard(files, shard, encoder, on_clip or (lambda clip_id: None))
            except (OSError, pa.ArrowException) as error:
                raise StoreError(
                    f"{shard.path} must be readable, and {files.path(shard)} writable: {error};"
                    " codec.cache_dir names another place for latents"
                ) from error
    return files.key


def lots(shards: Sequence[Shard], count: int) -> list[list[Shard]]:
    """As many lots with about as many clips each: the largest shards first, to the least lot."""
    shared: list[list[Shard]] = [[] for _ in range(count)]
    loads = [0] * count
    for shard in sorted(shards, key=lambda shard: -len(shard.clip_ids)):
        least = loads.index(min(loads))
        shared[least].append(shard)
        loads[least] += len(shard.clip_ids)
    return shared


@contextmanager
def _awaiting_all_ranks() -> Generator[None, None, None]:
    """Ends when all ranks are through, however much later than the first the last one is.

    A process group's own limit, 10 to 30 minutes, is for ranks that work in step.
    """
    if not (dist.is_available() and dist.is_initialized()):
        yield
        return
    group: Any = dist.new_group(backend="gloo", timeout=LONGEST_WAIT)
    yield
    dist.barrier(group)
    dist.destroy_process_group(group)


def _write_shard(files: LatentFiles, shard: Shard, encoder: FrameEncoder, on_clip: OnClip) -> None:
    """One file, whole or not at all."""
    path, filesystem = files.path(shard), files.filesystem
    metadata = files.metadata(shard) | {b"camvid.schema_version": SCHEMA_VERSION.encode()}
    schema = pa.schema([("clip_id", pa.string()), (LATENTS, pa.list_(pa.binary()))], metadata)
    source = open_shard(files.shards, shard.path)
    filesystem.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
    clip_ids = iter(shard.clip_ids)
    with (
        filesystem.open(f"{path}.part", "wb") as file,
        pq.ParquetWriter(
            file, schema, compression="none", use_dictionary=False, write_page_checksum=True
        ) as writer,
    ):
        for group, size in enumerate(shard.row_group_sizes):
            latents = _of_row_group(source, group, shard.path, encoder) or [None] * size
            ids = list(islice(clip_ids, size))
            writer.write_table(pa.Table.from_pydict({"clip_id": ids, LATENTS: latents}, schema))
            for clip_id in ids:
                on_clip(clip_id)
    filesystem.mv(f"{path}.part", path)


def _of_row_group(
    source: pq.ParquetFile, group: int, path: str, encoder: FrameEncoder
) -> list[list[bytes | None]]:
    """For each clip the latents of its frames; nothing where the row group is damaged."""
    try:
        columns = [*_COLUMNS, frames_column(source)]
        table = source.read_row_group(group, columns=columns, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        log.warning("row group %d of %s has no latents: %s", group, path, error)
        return []
    clips = [_frames_of(table.slice(number, 1)) for number in range(len(table))]
    latents = encoder.encode(clips)
    for clip, found in zip(clips, latents, strict=True):
        if num_bad := found.count(None):
            log.warning("clip %s of %s: %d frames have no latents", clip.clip_id, path, num_bad)
    return latents


def _frames_of(row: pa.Table) -> ClipFrames:
    clip_id, height, width = (row[name][0].as_py() for name in _COLUMNS)
    return ClipFrames(clip_id, encoded_images(row[FRAMES][0]) or (), (height, width))
