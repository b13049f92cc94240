"""Clips of which a copy is kept leave the shards; the fingerprints of all clips go to a file.

The decision is made over all clips of the run when they are gathered, and anew in the next command:
a copy's own verdict stays in the books, should the kept one go.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from camvid.arrow import pc
from camvid.books.clip_table import sorted_table
from camvid.books.finished import SCHEMA, finished_parts
from camvid.duplicates import COLUMNS, MAX_BITS, MIN_SHARE, Duplicate, find_duplicates
from camvid.errors import ConfigError
from camvid.outcome import INDICATOR, Reason
from camvid.plain import to_plain
from camvid.reasons import Why
from camvid.settings import setting
from camvid.store import ClipStore
from stages.write_shards import WriteShards

FINGERPRINTS = "fingerprints.parquet"
_READ = pa.schema([SCHEMA.field(name) for name in COLUMNS])
_SCHEMA = pa.schema([*_READ, ("duplicate_of", pa.string()), ("share", pa.float64())])


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiesConfig:
    """What becomes of videos that show the same as others, coded, scaled, trimmed or boxed anew."""

    reject: bool = setting(True, "true or false", "Of clips that show the same, keep one.")
    known_clips: str = setting(
        "", "path", f"`{FINGERPRINTS}` of another run, of which clips are copies, too."
    )


def check_known(copies: CopiesConfig) -> None:
    """ConfigError unless the file of known clips can be read."""
    _known(copies)


def without_copies(store: ClipStore, copies: CopiesConfig, clips: pa.Table) -> pa.Table:
    """The clips, copies as rejected ones; leaves the fingerprints of all in the run."""
    if not copies.reject:
        return clips
    kept = clips.filter(pc.is_in(clips["kind"], pa.array(list(INDICATOR))))
    found = _decided(store, kept, _known(copies))
    if not found:
        return clips
    is_copy = pc.is_in(clips["clip_id"], pa.array(list(found), pa.string()))
    rows: list[dict[str, Any]] = []
    for row in clips.filter(is_copy).to_pylist():
        copy = found[row["clip_id"]]
        reason = to_plain(Reason(Why.DUPLICATE, copy.share, MIN_SHARE))
        decided = {"status": "rejected", "kind": "none", "stopped_at": WriteShards.name}
        rows.append(row | decided | {"reasons": [reason], "duplicate_of": copy.kept})
    copied = pa.Table.from_pylist(rows, schema=clips.schema)
    return sorted_table(pa.concat_tables([clips.filter(pc.invert(is_copy)), copied]))


def _decided(store: ClipStore, clips: pa.Table, known: pa.Table) -> dict[str, Duplicate]:
    """The duplicates by clip id; they are looked for only where the file is about other clips."""
    own = [clips[name] for name in ("clip_id", "source_uri", "kind", "content")]
    content = _content_of(known["clip_id"], *own)
    before = _stored(store)
    if before is None or (before.schema.metadata or {}).get(b"content") != content:
        # A room with and without what moves in it changes alike as the camera passes.
        kinds = dict(zip(clips["clip_id"].to_pylist(), clips["kind"].to_pylist(), strict=True))
        clips = _with_hashes(store, clips)
        copies = find_duplicates(clips, known)
        found = {c.clip_id: c for c in copies if kinds.get(c.kept) in (None, kinds[c.clip_id])}
        kept = [found[i].kept if i in found else "" for i in clips["clip_id"].to_pylist()]
        share = [found[i].share if i in found else 0.0 for i in clips["clip_id"].to_pylist()]
        columns = [*clips.columns, pa.array(kept, pa.string()), pa.array(share, pa.float64())]
        listed = pa.table(columns, schema=_SCHEMA)
        before = pa.concat_tables([_listed(known), listed])
        _write(store, before.replace_schema_metadata({b"content": content}))
    copied = before.filter(pc.not_equal(before["duplicate_of"], ""))
    rows = copied.select(["clip_id", "duplicate_of", "share"]).to_pylist()
    return {row["clip_id"]: Duplicate(*row.values()) for row in rows}


def _content_of(*columns: pa.ChunkedArray) -> bytes:
    """Identity of what decides, but for the hashes: they follow from a clip's content."""
    digest = hashlib.sha256(f"{WriteShards.version} {MIN_SHARE} {MAX_BITS}".encode())
    for column in columns:
        digest.update("\n".join(column.to_pylist()).encode())
    return digest.hexdigest().encode()


def _with_hashes(store: ClipStore, clips: pa.Table) -> pa.Table:
    """The COLUMNS of the clips; hashes are large, and read only when they are needed."""
    listed = finished_parts(store).read(["clip_id", "change_hashes"])
    at = pc.index_in(clips["clip_id"], listed["clip_id"].combine_chunks())
    hashes = listed["change_hashes"].combine_chunks().take(at.combine_chunks())
    return clips.append_column("change_hashes", hashes).select(COLUMNS).cast(_READ)


def _listed(known: pa.Table) -> pa.Table:
    kept, share = pa.nulls(len(known), pa.string()), pa.nulls(len(known), pa.float64())
    columns = [*known.columns, pc.fill_null(kept, ""), pc.fill_null(share, 0.0)]
    return pa.table(columns, schema=_SCHEMA)


def _stored(store: ClipStore) -> pa.Table | None:
    """The run's own file; None where there is none that can be read."""
    if not store.exists(FINGERPRINTS):
        return None
    try:
        with store.open_local(FINGERPRINTS) as path:
            return _read(path)
    except (OSError, pa.ArrowException, LookupError, ValueError):
        return None  # it is written anew


def _known(copies: CopiesConfig) -> pa.Table:
    """The clips of the file that are no copies; none where no file is given."""
    path = copies.known_clips
    if not path:
        return _READ.empty_table()
    path = os.path.join(path, FINGERPRINTS) if os.path.isdir(path) else path
    try:
        found = _read(path)
    except (OSError, pa.ArrowException, LookupError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"copies.known_clips must be the {FINGERPRINTS} of a run: {path}: {reason}"
        ) from error
    return found.filter(pc.equal(found["duplicate_of"], "")).select(COLUMNS).cast(_READ)


def _read(path: str) -> pa.Table:
    file = pq.ParquetFile(path, pre_buffer=False)
    content = (file.schema_arrow.metadata or {}).get(b"content", b"")
    found = file.read(_SCHEMA.names, use_threads=False).select(_SCHEMA.names).cast(_SCHEMA)
    return found.replace_schema_metadata({b"content": content})


def _write(store: ClipStore, table: pa.Table) -> None:
    path = store.part_path(FINGERPRINTS)
    pq.write_table(table, path, compression="zstd")
    store.move_in(path, FINGERPRINTS)
