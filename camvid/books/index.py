"""index.parquet: one row per clip, and one per video that gave none; numbers only, no arrays."""

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from camvid.arrow import pc
from camvid.artifacts import Clip, Verdict
from camvid.books.clip_table import CHECKED, SCHEMA, ClipTable, check_rows, sorted_table
from camvid.columns import values_of
from camvid.errors import ConfigError, StoreError
from camvid.outcome import Reason
from camvid.pipeline import DECIDES
from camvid.plain import from_plain, to_plain
from camvid.record import ClipRecord, caption_of, measures_of
from camvid.shards.schema import check_version
from camvid.stage import ClipRow
from camvid.store import ClipStore

INDEX = "index.parquet"
_ROW_GROUP = 65_536  # rows: one record is read without the others


def stopped_record(row: ClipRow, clip: Clip | None) -> ClipRecord:
    """The record of a clip or video that a stage rejected or failed on."""
    return ClipRecord(
        **_source(row, clip),
        status=row.status,
        kind="none" if row.status == "rejected" else "",
        reasons=(row.reason,) if row.reason else (),
        stopped_at=row.stopped_at,
        error=row.error,
        cause=row.cause,
        seconds=_seconds(row),
    )


def verdict_record(row: ClipRow, clip: Clip, verdict: Verdict) -> ClipRecord:
    """The record of a clip that went all the way to a verdict; status and kind agree."""
    refused = verdict.kind == "none"
    return ClipRecord(
        **_source(row, clip),
        **(values_of(ClipRecord, verdict) | caption_of(clip, verdict)),
        status="rejected" if refused else "ok",
        stopped_at=DECIDES if refused else "",
        measures=measures_of(verdict),
        seconds=_seconds(row),
    )


def write_index(store: ClipStore, records: Iterable[ClipRecord]) -> ClipTable:
    """Writes the index, sorted by source and time, atomically; returns it in that order."""
    table = sorted_table(ClipTable.of(records).table)
    path = store.part_path(INDEX)
    pq.write_table(table, path, compression="zstd", row_group_size=_ROW_GROUP)
    store.move_in(path, INDEX)
    return ClipTable(table)


def read_index(
    store: ClipStore, needed: Collection[str] = (), columns: Sequence[str] | None = None
) -> ClipTable:
    """All records, those of older versions too; what these did not measure is NaN.

    Args:
        store: the run.
        needed: columns without which the caller can do nothing.
        columns: those that are read, if not all; the table has no others then.

    Raises:
        StoreError: the run has no index yet; it is damaged, or of a newer major version; an older
            version wrote it without a column that is `needed`.
    """
    with _opened(store) as file:
        _check_schema(store, file.schema_arrow, needed)
        wanted = tuple(dict.fromkeys((*(columns or SCHEMA.names), *CHECKED)))
        present = [name for name in wanted if name in file.schema_arrow.names]
        table = _upgraded(file.read(columns=present, use_threads=False), wanted)
        check_rows(table)
    return ClipTable(table.select(columns or SCHEMA.names))


@contextmanager
def _opened(store: ClipStore) -> Generator[pq.ParquetFile, None, None]:
    """The index; whatever is wrong with it is one line."""
    if not store.exists(INDEX):
        raise StoreError(
            f"{store.root} must hold {INDEX}, but does not: not a run, or `camvid curate` has not"
            " finished (run it again to resume)"
        )
    try:
        with store.open_local(INDEX) as path:
            yield pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError, ConfigError, ValueError, LookupError) as error:
        raise StoreError(
            f"{store.root}/{INDEX} must be an index as `camvid curate` writes it, but is damaged"
            f" ({' '.join(str(error).split())}): run that again"
        ) from error


def _check_schema(store: ClipStore, schema: pa.Schema, needed: Collection[str]) -> None:
    metadata = schema.metadata or {}
    if b"camvid.schema_version" in metadata:  # from 1.5 on
        check_version(metadata, f"{store.root}/{INDEX}")
    missing = sorted(set(needed) - set(schema.names))
    if missing:
        raise StoreError(
            f"{INDEX} must have the columns {', '.join(missing)}, but an older version wrote"
            " it: run `camvid curate` again, which measures them and keeps the rest"
        )


def _upgraded(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The columns as this version has them; what an older one did not write is null."""
    columns: dict[str, Any] = {}
    for field in (SCHEMA.field(name) for name in names):
        if field.name not in table.column_names:
            columns[field.name] = pa.nulls(table.num_rows, field.type)
        elif pa.types.is_list(field.type) and table[field.name].type != field.type:
            rows = [
                [to_plain(from_plain(Reason, r)) for r in row or ()]
                for row in table[field.name].to_pylist()
            ]
            columns[field.name] = pa.array(rows, field.type)
        else:
            columns[field.name] = table[field.name].cast(field.type)
    return pa.table(columns)


def read_record(store: ClipStore, clip_id: str) -> ClipRecord:
    """As `find_record`, of a run's index, of which no more is read than that takes."""
    ids = read_index(store, columns=["clip_id"])
    row = _find(ids, clip_id)
    with _opened(store) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if row < size:
                table = file.read_row_group(group, use_threads=False)
                present = [name for name in SCHEMA.names if name in table.column_names]
                return ClipTable(_upgraded(table.select(present).slice(row, 1), SCHEMA.names))[0]
            row -= size
    raise StoreError(f"{store.root}/{INDEX} changed while it was read: try again")


def find_record(records: Sequence[ClipRecord], clip_id: str) -> ClipRecord:
    """The one whose clip id starts with `clip_id`; StoreError where none or several do."""
    table = ClipTable.of(records)
    return table[_find(table, clip_id)]


def _find(table: ClipTable, clip_id: str) -> int:
    """Number of the row."""
    begins = pc.starts_with(table.table["clip_id"], clip_id)
    found = pc.indices_nonzero(begins) if clip_id else ()
    if len(found) != 1:
        raise StoreError(f"a clip id must name one clip of the run, {clip_id!r} names {len(found)}")
    return int(found[0].as_py())


def _source(row: ClipRow, clip: Clip | None) -> dict[str, Any]:
    """What is known of where a clip comes from; a copy of the video may have cut it, too."""
    known = values_of(ClipRecord, clip) if clip else {}
    return known | {"clip_id": row.clip_id, "source_uri": row.video_uri}


def _seconds(row: ClipRow) -> float:
    return float(sum(record.seconds for record in row.records))
