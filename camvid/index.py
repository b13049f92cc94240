"""index.parquet: one row per clip, and one per video that gave none. Small; no blobs to open."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa

from camvid.artifacts import Clip, Verdict
from camvid.errors import StoreError
from camvid.outcome import Reason
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.shards import Location
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.verdict import Measures, Policy, decide

INDEX = "index.parquet"
_MEASURE_TYPES = {float: pa.float64(), int: pa.int64()}
MEASURE_NAMES = [f.name for f in fields(Measures)]

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("video_id", pa.string()),
        ("source_uri", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("num_frames", pa.int64()),
        ("licence", pa.string()),
        ("status", pa.string()),
        ("kind", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("stopped_at", pa.string()),
        ("error", pa.string()),
        ("cause", pa.string()),
        ("camera", pa.string()),
        ("camera_reasons", pa.list_(pa.string())),
        ("motion_reasons", pa.list_(pa.string())),
        *((f.name, _MEASURE_TYPES[f.type]) for f in fields(Measures) if f.name != "camera"),  # pyright: ignore[reportArgumentType]
        ("motion_probability", pa.float64()),
        ("seconds", pa.float64()),
        ("shard", pa.string()),
        ("row_group", pa.int64()),
        ("row", pa.int64()),
    ]
)

IndexRow = dict[str, Any]


def stopped_row(row: ClipRow, clip: Clip | None, video_id: str = "") -> IndexRow:
    """The index row of a clip or video that a stage rejected or failed on."""
    rejected = row.status == "rejected"
    return {
        **_span(row, clip, video_id),
        "status": row.status,
        "kind": "none" if rejected else "",
        "reasons": [row.reason] if rejected else [],
        "stopped_at": row.stopped_at,
        "error": row.error,
        "cause": row.cause,
        "camera": "unknown",
        "camera_reasons": [],
        "motion_reasons": [],
        "num_objects": 0,
        "num_tracks": 0,
        "num_points": 0,
        "seconds": _seconds(row),
    }


def verdict_row(row: ClipRow, clip: Clip, verdict: Verdict, location: Location | None) -> IndexRow:
    """The index row of a clip that went all the way to a verdict."""
    built: IndexRow = {
        **_span(row, clip, clip.video_id),
        **{name: verdict.measured.get(name) for name in MEASURE_NAMES},
        "camera": verdict.camera,
        "camera_reasons": [str(r) for r in verdict.camera_reasons],
        "motion_reasons": [str(r) for r in verdict.motion_reasons],
        "error": "",
        "cause": "",
        "stopped_at": "",
        "seconds": _seconds(row),
    }
    for name in ("num_objects", "num_tracks", "num_points"):
        built[name] = int(built[name] or 0)
    return placed(with_verdict(built, verdict), location)


def with_verdict(row: IndexRow, verdict: Verdict) -> IndexRow:
    """The row under a new verdict. Status and kind agree: `rejected` with `none`."""
    return {
        **row,
        "kind": verdict.kind,
        "status": "rejected" if verdict.kind == "none" else "ok",
        "reasons": [str(reason) for reason in verdict.reasons],
        "stopped_at": "filter" if verdict.kind == "none" else "",
        "motion_probability": verdict.measured.get("motion_probability"),
    }


def placed(row: IndexRow, location: Location | None) -> IndexRow:
    """The row with the clip's place in the shards (none for clips that are in no shard)."""
    return {
        **row,
        "shard": location.shard if location else None,
        "row_group": location.row_group if location else None,
        "row": location.row if location else None,
    }


def decide_row(row: IndexRow, policy: Policy) -> Verdict | None:
    """A new verdict from the index alone; None for clips that never came to one.

    StoreError where an older version wrote the row, which measured less.
    """
    if row["status"] == "failed" or row["stopped_at"] not in ("", "filter"):
        return None
    missing = [name for name in MEASURE_NAMES if name not in row]
    if missing:
        raise StoreError(
            f"{INDEX} must have the columns {', '.join(missing)}, but an older version wrote it:"
            " run `camvid curate` again, which measures them and keeps the rest"
        )
    numbers = {n: row[n] for n in MEASURE_NAMES if row[n] is not None}
    upstream, doubts = (
        tuple(Reason.parse(text) for text in row[name])
        for name in ("camera_reasons", "motion_reasons")
    )
    return decide(Measures(**numbers), policy, upstream, doubts)


def write_index(store: ClipStore, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Writes the index, sorted by source and time, atomically; returns it with every column."""
    ordered = sorted(rows, key=lambda r: (r["source_uri"], r["start_s"] or 0.0, r["clip_id"]))
    table = pa.Table.from_pylist(ordered, schema=SCHEMA)
    store.write_bytes(INDEX, table_to_bytes(table))
    return table.to_pylist()


def read_index(store: ClipStore) -> list[IndexRow]:
    """All rows; StoreError where the run has no index yet."""
    if not store.exists(INDEX):
        raise StoreError(
            f"{store.root} must hold {INDEX}, but does not: not a run, or `camvid curate` has not"
            " finished (run it again to resume)"
        )
    try:
        rows: list[IndexRow] = table_from_bytes(store.read_bytes(INDEX)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{store.root}/{INDEX} must be Parquet, but is damaged ({error}): run `camvid curate`"
            " again"
        ) from error
    return rows


def find_row(rows: Sequence[IndexRow], clip_id: str) -> IndexRow:
    """The row whose clip id starts with `clip_id`; StoreError where none or several do."""
    found = [row for row in rows if clip_id and row["clip_id"].startswith(clip_id)]
    if len(found) != 1:
        raise StoreError(f"a clip id must name one clip of the run, {clip_id!r} names {len(found)}")
    return found[0]


def _span(row: ClipRow, clip: Clip | None, video_id: str) -> Mapping[str, Any]:
    return {
        "clip_id": row.clip_id,
        "video_id": clip.video_id if clip else video_id,
        "source_uri": row.video_uri,
        "start_s": clip.start_s if clip else None,
        "end_s": clip.end_s if clip else None,
        "num_frames": clip.num_frames if clip else None,
        "licence": clip.video.licence if clip else "",
    }


def _seconds(row: ClipRow) -> float:
    return float(sum(record.seconds for record in row.records))
