"""Rows out of shards: few requests of a remote store, few copies of a local one."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from camvid.genxd.data.latents import CachedLatents
from camvid.genxd.data.shards import Place, is_local, open_filesystem, open_shard
from camvid.shards.columns import FRAME_CRC32, FRAMES, LATENTS, TRAINING_COLUMNS

MAX_OPEN = 64  # shards whose footers a reader keeps, some 0.1 to 1 MB each


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a process keeps between reads. Each shard is read by one thread at a time."""

    pid: int
    files: OrderedDict[tuple[str, bool], tuple[pq.ParquetFile, str]] = field(
        default_factory=OrderedDict
    )
    tables: OrderedDict[tuple[str, int, tuple[str, ...]], pa.Table] = field(
        default_factory=OrderedDict
    )
    lock: Lock = field(default_factory=Lock)  # of the two above
    shard_locks: dict[str, Lock] = field(default_factory=dict[str, Lock])


class RowReader:
    """Reads rows of shards and keeps the last row groups, in each process for itself.

    Threads may share it: those that want different shards wait for a remote store together.
    """

    def __init__(self, root: str, cache_bytes: int, latents: CachedLatents | None = None) -> None:
        """`latents`: where those of each shard are, to be read instead of frames."""
        self._root, self._cache_bytes, self._latents = root, cache_bytes, latents
        self.is_local = is_local(open_filesystem(root)[0])
        self._kept = _Kept(os.getpid())

    def __reduce__(self) -> tuple[type["RowReader"], tuple[Any, ...]]:
        return RowReader, (self._root, self._cache_bytes, self._latents)

    def read(self, place: Place) -> dict[str, Any]:
        """The training columns of a row, and `frames`, or `latents` where they are cached.

        Those stay in Arrow, so that only some are copied. Where the row has `frame_crc32`, its
        frames are yet to be checked against that.

        Raises:
            StoreError, OSError or pa.ArrowException: the shard, or this part of it, is damaged.
        """
        if self._latents is None:
            light, heavy = self._row_groups(place, FRAMES, self._root, place.path)
        else:
            where = self._latents.file_of_shard[place.path]
            light, heavy = self._row_groups(place, LATENTS, self._latents.root, where)
        names = {*light.column_names} - {FRAMES, LATENTS}
        row = {name: light[name][place.row_in_group].as_py() for name in names}
        for name in {FRAMES, LATENTS} & {*heavy.column_names}:
            if pa.types.is_list(heavy[name].type):
                row[name] = encoded_images(heavy[name][place.row_in_group])
        return row

    def read_columns(self, place: Place, columns: Sequence[str]) -> dict[str, Any]:
        """These columns of a row as Python values, less those that its version has not.

        Raises:
            StoreError, OSError or pa.ArrowException: the shard, or this part of it, is damaged.
        """
        table = self._row_group(self._root, place.path, place.row_group, columns)
        return {name: table[name][place.row_in_group].as_py() for name in table.column_names}

    def _row_groups(
        self, place: Place, images: str, root: str, path: str
    ) -> tuple[pa.Table, pa.Table]:
        """What has the training columns, and what has the images, which may lie elsewhere."""
        group = place.row_group
        if path == place.path and not self.is_local:
            # A request costs more than checking all that it brings.
            table = self._row_group(root, path, group, (*TRAINING_COLUMNS, images))
            return table, table
        light = self._row_group(self._root, place.path, group, TRAINING_COLUMNS)
        one_by_one = images == FRAMES and FRAME_CRC32 in light.column_names
        return light, self._row_group(root, path, group, (images,), check_pages=not one_by_one)

    def _row_group(
        self, root: str, path: str, group: int, columns: Sequence[str], *, check_pages: bool = True
    ) -> pa.Table:
        if self._kept.pid != os.getpid():
            self._kept = _Kept(os.getpid())  # open files and connections are the parent's
        kept, key = self._kept, (path, group, tuple(columns))
        with kept.shard_locks.setdefault(path, Lock()):
            with kept.lock:
                if key in kept.tables:
                    kept.tables.move_to_end(key)
                    return kept.tables[key]
            try:
                # On the calling thread: the cores are for other workers.
                file, frames = _file(kept, root, path, check_pages)
                names = [frames if name == FRAMES else name for name in columns]
                table = file.read_row_group(group, columns=names, use_threads=False)
            except OSError:
                self._kept = _Kept(kept.pid)  # a lost connection is not kept
                raise
            # One clip alone comes but once a pass: memory that is used again at once is quicker
            # than new memory for each, by a third of all the time a sample takes.
            if table.num_rows > 1:
                with kept.lock:
                    _make_room(kept.tables, self._cache_bytes - table.nbytes)
                    kept.tables[key] = table
            return table


def _file(kept: _Kept, root: str, path: str, check_pages: bool) -> tuple[pq.ParquetFile, str]:
    """A shard, kept open, and what to read of it for its frames."""
    key = (path, check_pages)
    with kept.lock:
        if key in kept.files:
            kept.files.move_to_end(key)
            return kept.files[key]
    file = open_shard(open_filesystem(root)[0], path, check_pages=check_pages)
    with kept.lock:
        kept.files[key] = (file, frames_column(file))
        if len(kept.files) > MAX_OPEN:
            kept.files.popitem(last=False)
        return kept.files[key]


def _make_room(tables: OrderedDict[Any, pa.Table], num_bytes: int) -> None:
    """Drops the tables that were not asked for longest, until the rest has so many bytes."""
    total = sum(table.nbytes for table in tables.values())
    while tables and total > num_bytes:
        total -= tables.popitem(last=False)[1].nbytes


def frames_column(file: pq.ParquetFile) -> str:
    """What of a shard to read for `encoded_images`: the frames' bytes without their paths."""
    paths = {file.schema.column(number).path for number in range(len(file.schema))}
    nested = f"{FRAMES}.list.element.bytes"
    return nested if nested in paths else FRAMES  # up to schema 1.5


def encoded_images(images: Any) -> Any:
    """A list of encoded images (Arrow's scalar) as an array of bytes; None for a null."""
    values: Any = images.values
    if values is None or not pa.types.is_struct(values.type):
        return values
    return values.field("bytes")
