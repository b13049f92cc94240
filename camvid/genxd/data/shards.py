"""Shards as one long list of clips, any of which can be read without the rest."""

import hashlib
import itertools
import json
from bisect import bisect_right
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
from camvid.shards.manifest import MANIFEST_NAMES
from camvid.shards.schema import check_version

PACKED_CODEC = "shards/codec.safetensors"  # of a pack of latents: what they were encoded by

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

    def __init__(
        self, root: str, shards: Sequence[Shard], latents: Mapping[str, Any] | None = None
    ) -> None:
        """`latents`: of shards that have those in place of frames, what decided them."""
        self.root, self.shards, self.latents = root, tuple(shards), latents
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
            shards = [_from_manifest(sizes, folder, line) for line in lines]
            return ShardIndex(uri, shards, manifest.get("latents"))
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


def open_filesystem(uri: str) -> tuple[Any, str]:
    try:
        filesystem, base = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"shards must be a path or an fsspec URI, got {uri!r}: {error}"
        ) from error
    return filesystem, str(base).rstrip("/")


def is_local(filesystem: Any) -> bool:
    """Whether paths are those of this machine."""
    return isinstance(filesystem, LocalFileSystem)


def open_shard(filesystem: Any, path: str, *, check_pages: bool = True) -> pq.ParquetFile:
    """A shard, or a file of its cached latents, of a version that we read.

    `check_pages`: by their checksums; a caller who does without has to check what it uses.
    """
    options: dict[str, Any] = {"page_checksum_verification": check_pages}
    if is_local(filesystem):
        # By Arrow itself: through Python every byte would be copied twice more. Not piece by piece:
        # where the header of a page is damaged, Arrow's buffer takes the size that it claims.
        file = pq.ParquetFile(path, pre_buffer=False, **options)
    else:
        # Just the columns asked for, those that are neighbours in one request; fsspec's own cache
        # would read megabytes ahead, into columns that training leaves out.
        remote = filesystem.open(path, "rb", cache_type="none")
        file = pq.ParquetFile(remote, pre_buffer=True, **options)
    check_version(file.schema_arrow.metadata, path)
    return file


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each of neighbouring spans begins."""
    return [0, *accumulate(sizes)][:-1]
