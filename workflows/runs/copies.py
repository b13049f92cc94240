"""Clips of which a copy is kept leave the shards; the fingerprints of all clips go to a file.

The decision is made over all clips of the run when they are gathered, and anew in the next command:
a copy's own verdict stays in the books, should the kept one go.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camvid.arrow import pc
from camvid.books.clip_table import sorted_table
from camvid.books.fingerprints import (
    CLIPS,
    FINGERPRINTS,
    SCHEMA,
    UNREADABLE,
    known_clips,
    read_fingerprints,
)
from camvid.books.finished import finished_parts
from camvid.duplicates import COLUMNS, MAX_BITS, MIN_SHARE, Duplicate, find_duplicates
from camvid.outcome import INDICATOR, Reason
from camvid.pipeline import FIRST
from camvid.plain import to_plain
from camvid.reasons import Why
from camvid.settings import setting
from camvid.store import ClipStore
from stages.write_shards import WriteShards

# What a clip is taken for a copy by, beside its hashes: a million whole rows are half a gigabyte.
_DECIDING = ("clip_id", "source_uri", "start_s", "kind", "content")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiesConfig:
    """What becomes of videos that show the same as others, coded, scaled, trimmed or boxed anew."""

    reject: bool = setting(True, "true or false", "Of clips that show the same, keep one.")
    known_clips: str = setting(
        "", "path", f"`{FINGERPRINTS}` of another run, of which clips are copies, too."
    )


def known_key(copies: CopiesConfig) -> str:
    """Identity of the clips that are known, "" for none; ConfigError unless they can be read."""
    if not (copies.reject and copies.known_clips):
        return ""
    return _content_of(known_clips(copies.known_clips)["clip_id"]).decode()


def without_copies(store: ClipStore, copies: CopiesConfig, clips: pa.Table) -> pa.Table:
    """The clips, copies as rejected ones; leaves the fingerprints of all in the run."""
    if not copies.reject:
        return clips
    kept = pc.is_in(clips["kind"], pa.array(list(INDICATOR)))
    kept = clips.select(_DECIDING).filter(pc.or_(kept, _are_known(clips)))
    found = _decided(store, kept, known_clips(copies.known_clips))
    if not found:
        return clips
    is_copy = pc.is_in(clips["clip_id"], pa.array(list(found), pa.string()))
    rows: list[dict[str, Any]] = []
    for row in clips.filter(is_copy).to_pylist():
        copy = found[row["clip_id"]]
        reason = to_plain(Reason(Why.DUPLICATE, copy.share, MIN_SHARE))
        stopped_at = row["stopped_at"] or WriteShards.name
        decided = {"status": "rejected", "kind": "none", "stopped_at": stopped_at}
        rows.append(row | decided | {"reasons": [reason], "duplicate_of": copy.kept})
    copied = pa.Table.from_pylist(rows, schema=clips.schema)
    return sorted_table(pa.concat_tables([clips.filter(pc.invert(is_copy)), copied]))


def _are_known(clips: pa.Table) -> pa.Array:
    """Whether `split` took no further what other runs know."""
    at_split = pc.equal(clips["stopped_at"].cast(pa.string()), FIRST)
    lines = np.flatnonzero(at_split.to_numpy())
    names = [
        {reason["name"] for reason in reasons or ()}
        for reasons in clips["reasons"].take(pa.array(lines)).to_pylist()
    ]
    known = np.zeros(len(clips), bool)
    known[lines] = [Why.DUPLICATE in found for found in names]
    return pa.array(known)


def _decided(store: ClipStore, clips: pa.Table, known: pa.Table) -> dict[str, Duplicate]:
    """The duplicates by clip id; they are looked for only where the file is about other clips."""
    own = [clips[name] for name in ("clip_id", "source_uri", "kind", "content")]
    content = _content_of(known["clip_id"], *own)
    before = _stored(store)
    if before is None or (before.schema.metadata or {}).get(b"content") != content:
        kinds, clips = clips["kind"], _with_hashes(store, clips)
        found = {copy.clip_id: copy for copy in _duplicates(clips, kinds, known)}
        kept = [found[i].kept if i in found else "" for i in clips["clip_id"].to_pylist()]
        share = [found[i].share if i in found else 0.0 for i in clips["clip_id"].to_pylist()]
        columns = [*clips.columns, pa.array(kept, pa.string()), pa.array(share, pa.float64())]
        listed = pa.table(columns, schema=SCHEMA)
        before = pa.concat_tables([_listed(known), listed])
        _write(store, before.replace_schema_metadata({b"content": content}))
    copied = before.filter(pc.not_equal(before["duplicate_of"], ""))
    rows = copied.select(["clip_id", "duplicate_of", "share"]).to_pylist()
    return {row["clip_id"]: Duplicate(*row.values()) for row in rows}


def _duplicates(clips: pa.Table, kinds: pa.ChunkedArray, known: pa.Table) -> Iterator[Duplicate]:
    """Those of each kind: a room with and without what moves in it changes alike as one passes."""
    for kind in pc.unique(kinds):
        yield from find_duplicates(clips.filter(pc.equal(kinds, kind)), known)


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
    return clips.append_column("change_hashes", hashes).select(COLUMNS).cast(CLIPS)


def _listed(known: pa.Table) -> pa.Table:
    kept, share = pa.nulls(len(known), pa.string()), pa.nulls(len(known), pa.float64())
    columns = [*known.columns, pc.fill_null(kept, ""), pc.fill_null(share, 0.0)]
    return pa.table(columns, schema=SCHEMA)


def _stored(store: ClipStore) -> pa.Table | None:
    """The run's own file; None where there is none that can be read."""
    if not store.exists(FINGERPRINTS):
        return None
    try:
        with store.open_local(FINGERPRINTS) as path:
            return read_fingerprints(path)
    except UNREADABLE:
        return None  # it is written anew


def _write(store: ClipStore, table: pa.Table) -> None:
    path = store.part_path(FINGERPRINTS)
    pq.write_table(table, path, compression="zstd")
    store.move_in(path, FINGERPRINTS)
