"""Shards as one long list of clips, any of which can be read without the rest."""

import hashlib
import itertools
import json
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from camvid.errors import ConfigError, StoreError
from camvid.outcome import Kind
from camvid.plain import from_plain
from camvid.shards.columns import FRAME_CRC32, TRAINING_COLUMNS
from camvid.shards.manifest import MANIFEST_NAMES
from camvid.shards.schema import check_version

FRAMES = "frames"
LATENTS = "latents"  # the column of cached latents, read in place of `frames`

Rows = NDArray[np.int64]  # numbers of rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What is known of a shard without opening it."""

    path: str  # as the filesystem spells it
    kind: Kind
    clip_ids: tuple[str, ...]
    row_group_sizes: tuple[int, ...]
    sha256: str = field(default="", compare=False)  # empty where there is no manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row of the list lies."""

    path: str
    kind: Kind
    clip_id: str
    row_group: int
    row_in_group: int


class ShardIndex:
    """Rows 0, 1, ... over all shards in order; knows where each lies."""

    def __init__(self, root: str, shards: Sequence[Shard]) -> None:
        self.root, self.shards = root, tuple(shards)
        self._starts = _starts([len(shard.clip_ids) for shard in shards])
        self.num_rows = sum(len(shard.clip_ids) for shard in shards)
        if not self.num_rows:
            raise StoreError(f"{root} must hold shards with clips, got none")

    def place(self, row: int) -> Place:
        """Where a row lies; IndexError past the end."""
        if not 0 <= row < self.num_rows:
            raise IndexError(f"row must be from 0 to {self.num_rows - 1}, got {row}")
        number = bisect_right(self._starts, row) - 1
        shard, row_in_shard = self.shards[number], row - self._starts[number]
        groups = _starts(shard.row_group_sizes)
        group = bisect_right(groups, row_in_shard) - 1
        return Place(
            path=shard.path,
            kind=shard.kind,
            clip_id=shard.clip_ids[row_in_shard],
            row_group=group,
            row_in_group=row_in_shard - groups[group],
        )

    def row_groups(self) -> dict[Kind, list[Rows]]:
        """The row groups of each kind that has any, as the rows in them."""
        groups: dict[Kind, list[Rows]] = {}
        for start, shard in zip(self._starts, self.shards, strict=True):
            rows = np.arange(start, start + len(shard.clip_ids))
            groups.setdefault(shard.kind, []).extend(
                np.split(rows, _starts(shard.row_group_sizes)[1:])
            )
        return groups

    def sources(self) -> list[str]:
        """sha256 of the source video of each row; reads one small column of each shard."""
        return self.column("source_sha256")

    def column(self, name: str) -> list[Any]:
        """A column of every row, which should be a small one."""
        filesystem = open_filesystem(self.root)[0]
        column: list[Any] = []
        for shard in self.shards:
            table = open_shard(filesystem, shard.path).read(columns=[name], use_threads=False)
            column += table[name].to_pylist()
        return column

    def digest(self) -> str:
        """Changes when clips come, go or move, and with them what a row number means."""
        digest = hashlib.sha256()
        for shard in self.shards:
            line = [shard.kind, shard.row_group_sizes, shard.clip_ids]
            digest.update(json.dumps(line).encode())
        return digest.hexdigest()[:16]


def find_shards(uri: str) -> ShardIndex:
    """The shards of a run's folder, a folder of shards, or one shard; a path or any fsspec URI.

    Where there is a manifest, no shard is opened. With `simplecache::s3://...` each machine keeps
    a copy of the shards it has read.
    """
    try:
        return _find_shards(uri)
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise StoreError(f"the shards of {uri} must be readable: {error}") from error


def _find_shards(uri: str) -> ShardIndex:
    filesystem, base = open_filesystem(uri)
    for folder, name in itertools.product((f"{base}/shards", base), MANIFEST_NAMES):
        path = f"{folder}/{name}"
        if filesystem.exists(path):
            manifest = json.loads(filesystem.cat_file(path))
            version = str(manifest["schema_version"]).encode()
            check_version({b"camvid.schema_version": version}, path)
            lines: list[Mapping[str, Any]] = manifest["shards"]
            sizes = _sizes_in(filesystem, folder)
            return ShardIndex(uri, [_from_manifest(sizes, folder, line) for line in lines])
    patterns = [base] if base.endswith(".parquet") else [f"{base}/shards/*", f"{base}/*"]
    found = [path for pattern in patterns for path in filesystem.glob(pattern)]
    paths = sorted(str(path) for path in found if str(path).endswith(".parquet"))
    return ShardIndex(uri, [_from_file(filesystem, path) for path in paths])


def _sizes_in(filesystem: Any, folder: str) -> dict[str, int]:
    """Of the files in a folder, by one listing."""
    found = filesystem.ls(folder, detail=True)
    return {PurePosixPath(info["name"]).name: int(info["size"] or 0) for info in found}


def _from_manifest(sizes: Mapping[str, int], folder: str, line: Mapping[str, Any]) -> Shard:
    path = f"{folder}/{line['name']}"
    if line["name"] not in sizes:  # which is found now, not days into training
        raise FileNotFoundError(path)
    size = sizes[line["name"]]
    if size != line["size_bytes"]:
        raise StoreError(
            f"{path} must have {line['size_bytes']} bytes by its manifest, got {size}:"
            " run `camvid shards verify`"
        )
    rest = {key: line[key] for key in ("kind", "clip_ids", "row_group_sizes", "sha256")}
    return from_plain(Shard, {"path": path, **rest}, line["name"])


def _from_file(filesystem: Any, path: str) -> Shard:
    file = open_shard(filesystem, path)
    table = file.read(columns=["clip_id", "kind"], use_threads=False)
    kinds = sorted(set(table["kind"].to_pylist()))
    if len(kinds) != 1:
        raise StoreError(f"{path} must hold clips of one kind, got {kinds}")
    groups = range(file.num_row_groups)
    value = {
        "path": path,
        "kind": kinds[0],
        "clip_ids": table["clip_id"].to_pylist(),
        "row_group_sizes": [file.metadata.row_group(group).num_rows for group in groups],
    }
    return from_plain(Shard, value, path)


class RowReader:
    """Reads rows of shards and keeps the last row groups, in each process for itself."""

    def __init__(
        self, root: str, cache_bytes: int, latents: Mapping[str, str] | None = None
    ) -> None:
        """`latents`: the file of cached latents of each shard, to be read instead of frames."""
        self._root, self._cache_bytes, self._latents = root, cache_bytes, latents
        self._forget(os.getpid())

    def __reduce__(self) -> tuple[type["RowReader"], tuple[Any, ...]]:
        return RowReader, (self._root, self._cache_bytes, self._latents)

    def read(self, place: Place) -> dict[str, Any]:
        """The training columns of a row, and `frames`, or `latents` where they are cached.

        Those stay in Arrow, so that only some are copied. Where the row has `frame_crc32`, its
        frames are yet to be checked against that.

        Raises:
            StoreError, OSError or pa.ArrowException: the shard, or this part of it, is damaged.
        """
        group, at = place.row_group, place.row_in_group
        light = self._row_group(place.path, group, TRAINING_COLUMNS)
        row = {name: light[name][at].as_py() for name in light.column_names}
        if self._latents is not None:
            latents = self._row_group(self._latents[place.path], group, (LATENTS,))
            return row | {LATENTS: latents[LATENTS][at].values}
        frames = self._row_group(place.path, group, (FRAMES,), check_pages=FRAME_CRC32 not in row)
        lists = frames.column_names and pa.types.is_list(frames.schema.field(FRAMES).type)
        return row | {FRAMES: encoded_images(frames[FRAMES][at])} if lists else row

    def read_columns(self, place: Place, columns: Sequence[str]) -> dict[str, Any]:
        """These columns of a row as Python values, less those that its version has not.

        Raises:
            StoreError, OSError or pa.ArrowException: the shard, or this part of it, is damaged.
        """
        table = self._row_group(place.path, place.row_group, columns)
        return {name: table[name][place.row_in_group].as_py() for name in table.column_names}

    def _row_group(
        self, path: str, group: int, columns: Sequence[str], *, check_pages: bool = True
    ) -> pa.Table:
        if self._pid != os.getpid():
            self._forget(os.getpid())  # open files and connections are the parent's
        key = (path, group, tuple(columns))
        if key in self._tables:
            self._tables.move_to_end(key)
            return self._tables[key]
        try:
            # On the calling thread: Arrow's thread pools do not survive a fork.
            file = self._file(path, check_pages)
            if path not in self._frames:
                self._frames[path] = frames_column(file)
            names = [self._frames[path] if name == FRAMES else name for name in columns]
            table = file.read_row_group(group, columns=names, use_threads=False)
        except OSError:
            self._forget(self._pid)  # a lost connection is not kept
            raise
        # One clip alone comes but once a pass: memory that is used again at once is quicker than
        # new memory for each, by a third of all the time a sample takes.
        if table.num_rows > 1:
            self._make_room(table.nbytes)
            self._tables[key] = table
        return table

    def _file(self, path: str, check_pages: bool) -> pq.ParquetFile:
        key = (path, check_pages)
        if key not in self._files:
            filesystem = open_filesystem(self._root)[0]
            self._files[key] = open_shard(filesystem, path, check_pages=check_pages)
        return self._files[key]

    def _make_room(self, num_bytes: int) -> None:
        total = num_bytes + sum(table.nbytes for table in self._tables.values())
        while self._tables and total > self._cache_bytes:
            total -= self._tables.popitem(last=False)[1].nbytes

    def _forget(self, pid: int) -> None:
        self._pid = pid
        self._files: dict[tuple[str, bool], pq.ParquetFile] = {}
        self._frames: dict[str, str] = {}  # what to read of each shard for its frames
        self._tables: OrderedDict[tuple[str, int, tuple[str, ...]], pa.Table] = OrderedDict()


def open_filesystem(uri: str) -> tuple[Any, str]:
    try:
        filesystem, base = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"shards must be a path or an fsspec URI, got {uri!r}: {error}"
        ) from error
    return filesystem, str(base).rstrip("/")


def open_shard(filesystem: Any, path: str, *, check_pages: bool = True) -> pq.ParquetFile:
    """A shard, or a file of its cached latents, of a version that we read.

    `check_pages`: by their checksums; a caller who does without has to check what it uses.
    """
    options: dict[str, Any] = {"pre_buffer": False, "page_checksum_verification": check_pages}
    if isinstance(filesystem, LocalFileSystem):
        # By Arrow itself: through Python every byte would be copied twice more. Not piece by piece:
        # where the header of a page is damaged, Arrow's buffer takes the size that it claims.
        file = pq.ParquetFile(path, **options)
    else:
        file = pq.ParquetFile(filesystem.open(path, "rb"), **options)
    check_version(file.schema_arrow.metadata, path)
    return file


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


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each of neighbouring spans begins."""
    return [0, *accumulate(sizes)][:-1]
