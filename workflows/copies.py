"""Clips of which a copy is kept leave the shards; the fingerprints of those kept go to a file.

The decision is made over all clips of the run when they are gathered, and anew in the next command:
a copy's own verdict stays in the books, should the kept one go.
"""

import os
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from camvid.arrow import pc
from camvid.clip_table import sorted_table
from camvid.duplicates import COLUMNS, MIN_SHARE, find_duplicates
from camvid.errors import ConfigError
from camvid.finished import SCHEMA
from camvid.outcome import INDICATOR, Reason
from camvid.plain import to_plain
from camvid.reasons import Why
from camvid.settings import setting
from camvid.store import ClipStore
from stages.write_shards import WriteShards

FINGERPRINTS = "fingerprints.parquet"
_SCHEMA = pa.schema([SCHEMA.field(name) for name in COLUMNS])


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
    """The clips, copies as rejected ones; leaves the fingerprints of all others in the run."""
    if not copies.reject:
        return clips
    kept = clips.filter(pc.is_in(clips["kind"], pa.array(list(INDICATOR))))
    known = _known(copies)
    found = {copy.clip_id: copy for copy in find_duplicates(kept, known)}
    names = pa.array(list(found), pa.string())
    originals = kept.filter(pc.invert(pc.is_in(kept["clip_id"], names))).select(COLUMNS)
    _write(store, pa.concat_tables([known, originals.cast(_SCHEMA)]))
    if not found:
        return clips
    is_copy = pc.is_in(clips["clip_id"], names)
    rows: list[dict[str, Any]] = []
    for row in clips.filter(is_copy).to_pylist():
        copy = found[row["clip_id"]]
        reason = to_plain(Reason(Why.DUPLICATE, copy.share, MIN_SHARE))
        decided = {"status": "rejected", "kind": "none", "stopped_at": WriteShards.name}
        rows.append(row | decided | {"reasons": [reason], "duplicate_of": copy.kept})
    copied = pa.Table.from_pylist(rows, schema=clips.schema)
    return sorted_table(pa.concat_tables([clips.filter(pc.invert(is_copy)), copied]))


def _known(copies: CopiesConfig) -> pa.Table:
    """The clips of the file; none where none is given."""
    path = copies.known_clips
    if not path:
        return _SCHEMA.empty_table()
    path = os.path.join(path, FINGERPRINTS) if os.path.isdir(path) else path
    try:
        return (
            pq.ParquetFile(path, pre_buffer=False)
            .read(_SCHEMA.names, use_threads=False)
            .cast(_SCHEMA)
        )
    except (OSError, pa.ArrowException, LookupError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"copies.known_clips must be the {FINGERPRINTS} of a run: {path}: {reason}"
        ) from error


def _write(store: ClipStore, table: pa.Table) -> None:
    path = store.part_path(FINGERPRINTS)
    pq.write_table(table, path, compression="zstd")
    store.move_in(path, FINGERPRINTS)
