"""index.parquet: one row per clip, and one per video that gave none; numbers only, no arrays."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from camvid.artifacts import Clip, Verdict
from camvid.columns import columns_of, from_row, to_row, values_of
from camvid.errors import ConfigError, StoreError
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.pipeline import DECIDES
from camvid.record import ClipRecord, measures_of
from camvid.schema import SCHEMA_VERSION, check_version
from camvid.shards import Location
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.verdict import Policy, decide

INDEX = "index.parquet"
SCHEMA = pa.schema(
    [(known.name, known.arrow) for known in columns_of(ClipRecord)],
    metadata={"camvid.schema_version": SCHEMA_VERSION},
)


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
        **values_of(ClipRecord, verdict),
        status="rejected" if refused else "ok",
        stopped_at=DECIDES if refused else "",
        measures=measures_of(verdict),
        seconds=_seconds(row),
    )


def placed(record: ClipRecord, location: Location | None) -> ClipRecord:
    """The record with the clip's place in the shards (none for clips that are in no shard)."""
    if location is None:
        return record
    return replace(record, shard=location.shard, row_group=location.row_group, row=location.row)


def decide_again(record: ClipRecord, policy: Policy) -> Verdict | None:
    """A new verdict from the index alone; None for clips that never came to one."""
    if not record.has_verdict:
        return None
    return decide(record.measures, policy, record.camera_reasons, record.motion_reasons)


def write_index(store: ClipStore, records: Sequence[ClipRecord]) -> list[ClipRecord]:
    """Writes the index, sorted by source and time, atomically; returns it in that order."""
    ordered = sorted(records, key=lambda r: (r.source_uri, _start_s(r), r.clip_id))
    table = pa.Table.from_pylist([to_row(record) for record in ordered], schema=SCHEMA)
    store.write_bytes(INDEX, table_to_bytes(table))
    return ordered


def read_index(store: ClipStore, needed: Collection[str] = ()) -> list[ClipRecord]:
    """All records, those of older versions too; what these did not measure is NaN.

    Raises:
        StoreError: the run has no index yet; it is damaged, or of a newer major version; an older
            version wrote it without a column that is `needed`.
    """
    if not store.exists(INDEX):
        raise StoreError(
            f"{store.root} must hold {INDEX}, but does not: not a run, or `camvid curate` has not"
            " finished (run it again to resume)"
        )
    try:
        table = table_from_bytes(store.read_bytes(INDEX))
        metadata = table.schema.metadata or {}
        if b"camvid.schema_version" in metadata:  # from 1.5 on
            check_version(metadata, f"{store.root}/{INDEX}")
        missing = sorted(set(needed) - set(table.column_names))
        if missing:
            raise StoreError(
                f"{INDEX} must have the columns {', '.join(missing)}, but an older version wrote"
                " it: run `camvid curate` again, which measures them and keeps the rest"
            )
        return [from_row(ClipRecord, row) for row in table.to_pylist()]
    except (pa.ArrowException, OSError, ConfigError, ValueError) as error:
        raise StoreError(
            f"{store.root}/{INDEX} must be an index as `camvid curate` writes it, but is damaged"
            f" ({error}): run that again"
        ) from error


def find_record(records: Sequence[ClipRecord], clip_id: str) -> ClipRecord:
    """The one whose clip id starts with `clip_id`; StoreError where none or several do."""
    found = [record for record in records if clip_id and record.clip_id.startswith(clip_id)]
    if len(found) != 1:
        raise StoreError(f"a clip id must name one clip of the run, {clip_id!r} names {len(found)}")
    return found[0]


def _source(row: ClipRow, clip: Clip | None) -> dict[str, Any]:
    """What is known of where a clip comes from; a copy of the video may have cut it, too."""
    known = values_of(ClipRecord, clip) if clip else {}
    return known | {"clip_id": row.clip_id, "source_uri": row.video_uri}


def _seconds(row: ClipRow) -> float:
    return float(sum(record.seconds for record in row.records))


def _start_s(record: ClipRecord) -> float:
    return 0.0 if math.isnan(record.start_s) else record.start_s
