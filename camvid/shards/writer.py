"""Shards: Parquet files of clips. Written whole or not at all, named in a manifest with sha256."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camvid.errors import StoreError
from camvid.outcome import Kind
from camvid.settings import setting
from camvid.shards.columns import BLOB_COLUMNS, FRAME_CRC32, LATENTS
from camvid.shards.manifest import Location, ShardInfo, read_manifest, shards_of
from camvid.shards.row import checksums, image_bytes
from camvid.shards.schema import check_version, length_faults, shard_schema
from camvid.store import ClipStore

Put = Callable[[str, str, str], None]  # of a finished file: its path, the shard's name, its sha256
# Columns of every version without which a row cannot be checked.
_NEEDED = {"clip_id", "kind", "num_frames", "height_px", "width_px", "registered", "frames"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOptions:
    """Sizes: row groups small enough to shuffle by, shards large enough to list.

    A clip that is larger than a row group or a shard may be has one of its own.
    """

    max_row_group_clips: int = 8
    max_row_group_bytes: int = setting(
        8_000_000, "bytes", "Largest row group; training shuffles these."
    )
    max_shard_bytes: int = setting(500_000_000, "bytes", "Largest shard, a Parquet file.")


class ShardWriter:
    """Writes the clips of one kind into as many shards as the sizes ask for."""

    def __init__(
        self,
        store: ClipStore,
        kind: Kind,
        options: ShardOptions,
        put: Put,
        name_of: Callable[[int], str] | None = None,
    ) -> None:
        """`put` moves a finished file in; `name_of` names the shards, from number 0 on."""
        self._store, self._options, self._put = store, options, put
        self._kind: Kind = kind
        self._name_of = name_of or (lambda number: f"{kind}-{number:05d}.parquet")
        self._schema = shard_schema()
        self._group: list[pa.Table] = []
        self._group_bytes = self._shard_bytes = 0
        self._group_sizes: list[int] = []
        self._clip_ids: list[str] = []
        self._file: tuple[str, pq.ParquetWriter] | None = None
        self.shards: list[ShardInfo] = []

    def add(self, row: dict[str, Any]) -> None:
        """Takes a row as `shard_row` gives it."""
        clip = pa.Table.from_pylist([row], schema=self._schema)
        size = clip.nbytes  # all its columns; blobs, which do not compress, are nearly all of it
        full = self._group_bytes + size > self._options.max_row_group_bytes
        if self._group and (full or len(self._group) >= self._options.max_row_group_clips):
            self._end_group()
        if self._shard_bytes + size > self._options.max_shard_bytes:
            self._end_shard()
        self._group.append(clip)
        self._group_bytes += size
        self._shard_bytes += size
        self._clip_ids.append(row["clip_id"])

    def close(self) -> None:
        """Finishes the last shard."""
        self._end_shard()

    def _end_group(self) -> None:
        if not self._group:
            return
        if self._file is None:
            path = self._store.part_path(f"shards/{self._name_of(len(self.shards))}")
            self._file = (path, open_writer(path, self._schema))
        self._file[1].write_table(pa.concat_tables(self._group).combine_chunks())
        self._group_sizes.append(len(self._group))
        self._group, self._group_bytes = [], 0

    def _end_shard(self) -> None:
        self._end_group()
        if self._file is None:
            return
        path, writer = self._file
        writer.close()
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        name = self._name_of(len(self.shards))
        self._put(path, name, digest)
        self.shards.append(
            ShardInfo(
                name=name,
                kind=self._kind,
                num_rows=len(self._clip_ids),
                size_bytes=size,
                sha256=digest,
                clip_ids=tuple(self._clip_ids),
                row_group_sizes=tuple(self._group_sizes),
            )
        )
        self._file, self._clip_ids, self._group_sizes = None, [], []
        self._shard_bytes = 0


def open_writer(path: str, schema: pa.Schema) -> pq.ParquetWriter:
    """A local Parquet file of shards' columns, whose images are not compressed once more."""
    leaves = [schema_path for schema_path in _leaf_paths(schema) if schema_path not in BLOB_COLUMNS]
    options: dict[str, Any] = {
        "compression": dict.fromkeys(leaves, "zstd") | dict.fromkeys(BLOB_COLUMNS, "none"),
        "use_dictionary": ["kind", "camera", "licence", "source_uri"],
        "write_statistics": ["clip_id", "kind", "motion_strength", "num_frames", "fps"],
        "write_page_index": True,
        "write_page_checksum": True,
    }
    return pq.ParquetWriter(path, schema, **options)


def _leaf_paths(schema: pa.Schema) -> list[str]:
    empty = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), empty)
    parquet = pq.ParquetFile(pa.BufferReader(empty.getvalue())).schema
    return [parquet.column(i).path for i in range(len(parquet.names))]


def verify_shards(
    store: ClipStore, progress: Callable[[str], None] = lambda name: None
) -> list[str]:
    """Checks every shard against the manifest and itself; returns one line per fault."""
    shards = shards_of(read_manifest(store))
    listed = {shard.name for shard in shards}
    present = store.list_names("shards", ".parquet")
    faults = [f"shards/{name}: not in the manifest" for name in present if name not in listed]
    for shard in shards:
        progress(shard.name)
        faults += faults_of(store, shard)
    return faults


def faults_of(store: ClipStore, shard: ShardInfo, *, rows: bool = True) -> list[str]:
    """Checks one shard against its line of the manifest and, by its rows, against itself.

    Returns a line per fault.
    """
    name = f"shards/{shard.name}"
    if not store.exists(name):
        return [f"{name}: missing"]
    with store.open_local(name) as path:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard.sha256:
            return [f"{name}: sha256 must be {shard.sha256[:16]}..., got {digest[:16]}..."]
        if not rows:
            return []
        try:
            parquet = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
            check_version(parquet.schema_arrow.metadata, name)
            return _verify_rows(name, parquet, shard.clip_ids)
        except (pa.ArrowException, OSError, StoreError, ValueError, LookupError) as error:
            return [f"{name}: {' '.join(str(error).split())}"]


def read_jpegs(store: ClipStore, place: Location) -> list[bytes]:
    """The frames of a clip in the run's shards; StoreError where they cannot be read."""
    name = f"shards/{place.shard}"
    try:
        with store.open_local(name) as path:
            file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
            group = file.read_row_group(place.row_group, columns=["frames"], use_threads=False)
            return image_bytes(group["frames"][place.row].as_py())
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{store.root}/{name} must be readable: {error}") from error


def _verify_rows(name: str, parquet: pq.ParquetFile, clip_ids: tuple[str, ...]) -> list[str]:
    names = set(parquet.schema_arrow.names)
    missing = sorted(_NEEDED - names - ({"frames"} if LATENTS in names else set[str]()))
    if missing:
        return [f"{name}: must have the columns {', '.join(missing)}, but does not"]
    faults: list[str] = []
    seen: list[str] = []
    for group in range(parquet.num_row_groups):
        for row in parquet.read_row_group(group, use_threads=False).to_pylist():
            seen.append(row["clip_id"])
            faults += [f"{name}: clip {row['clip_id']}: {fault}" for fault in _row_faults(row)]
    if tuple(seen) != clip_ids:
        faults.append(f"{name}: must hold the clips of the manifest in order, got {len(seen)} rows")
    return faults


def _row_faults(row: dict[str, Any]) -> list[str]:
    try:
        return list(_faults_within(row))
    except (TypeError, ValueError, cv2.error) as error:
        return [f"columns must be of the schema's types ({' '.join(str(error).split())})"]


def _faults_within(row: dict[str, Any]) -> Iterable[str]:
    needed = _NEEDED - ({"frames"} if LATENTS in row else set[str]())
    empty = [column for column in sorted(needed) if row[column] is None]
    if empty:
        yield f"{', '.join(empty)} must have a value, but are null"
        return
    yield from length_faults(row)
    if row["kind"] in ("4d", "3d") and not any(row["registered"]):
        yield f"kind {row['kind']} needs registered cameras, got none"
    if LATENTS in row:
        if len(row[LATENTS]) != row["num_frames"]:
            yield f"{LATENTS} must have {row['num_frames']} entries, got {len(row[LATENTS])}"
        return
    jpegs = image_bytes(row["frames"])
    if FRAME_CRC32 in row and row[FRAME_CRC32] != checksums(jpegs):  # new in 1.2
        yield f"{FRAME_CRC32} must be the CRC-32 of each frame, but is not"
    for index, jpeg in enumerate(jpegs):
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None or image.shape[:2] != (row["height_px"], row["width_px"]):
            yield f"frame {index} must be a JPEG of {row['width_px']}x{row['height_px']}"
            break
