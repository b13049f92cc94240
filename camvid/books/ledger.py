"""The ledger: one row per (clip, stage), written in parts so that a killed run keeps them."""

import time
from collections.abc import Collection, Sequence
from dataclasses import fields

import pyarrow as pa

from camvid.books.parts import Parts
from camvid.columns import arrow_type
from camvid.outcome import Reason
from camvid.plain import from_plain, to_plain
from camvid.store import ClipStore, StageRecord

FOLDER = "ledger"
SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("stage", pa.string()),
        ("version", pa.int32()),
        ("artifact", pa.string()),
        ("fingerprint", pa.string()),
        ("status", pa.string()),
        ("reason", arrow_type(Reason)),
        ("error", pa.string()),
        ("cause", pa.string()),
        ("measured", pa.map_(pa.string(), pa.float64())),
        ("seconds", pa.float64()),
        ("peak_rss_bytes", pa.int64()),
        ("peak_gpu_bytes", pa.int64()),
        ("host", pa.string()),
        ("reused", pa.bool_()),
    ]
)


class LedgerWriter:
    """Gathers records and writes them as numbered parts of `ledger/`.

    A part is written when it is full, when `part_s` seconds have passed, and after the first
    records: whoever asks how far a run is must not wait for the 32 clips that fill one.
    """

    def __init__(self, store: ClipStore, part_rows: int = 256, part_s: float = 60.0) -> None:
        self._parts = ledger_parts(store)
        self._part_rows, self._part_s = part_rows, part_s
        self._last_s = float("-inf")
        self._pending: list[StageRecord] = []

    def append(self, records: Sequence[StageRecord]) -> bool:
        """Takes records; whether they have just been written, with those before."""
        self._pending += records
        waited = time.monotonic() - self._last_s
        due = len(self._pending) >= self._part_rows or waited >= self._part_s
        if due:
            self.flush()
        return due

    def flush(self) -> None:
        """Writes what is pending as one part."""
        if not self._pending:
            return
        names = [f.name for f in fields(StageRecord)]
        rows = [{name: getattr(record, name) for name in names} for record in self._pending]
        for row in rows:
            row["measured"] = list(row["measured"].items())
            row["reason"] = to_plain(row["reason"]) if row["reason"] else None
        self._parts.append(pa.Table.from_pylist(rows, schema=SCHEMA))
        self._last_s = time.monotonic()
        self._pending.clear()


def ledger_parts(store: ClipStore) -> Parts:
    """The ledger's files."""
    return Parts(store, FOLDER, SCHEMA, ("clip_id", "stage", "error"), _upgraded)


def read_ledger(
    store: ClipStore, columns: Sequence[str] = (), coded: Collection[str] = ()
) -> pa.Table:
    """All parts of the ledger as one table, oldest first; a damaged part is left out.

    Of the `columns`, those that are `coded` come dictionary-encoded.
    """
    return ledger_parts(store).read(columns, coded)


def _upgraded(part: pa.Table) -> pa.Table:
    """A part of a version that kept reasons as text."""
    if "reason" not in part.column_names:
        return part
    reasons = [to_plain(from_plain(Reason, r)) if r else None for r in part["reason"].to_pylist()]
    column = pa.array(reasons, arrow_type(Reason))
    return part.set_column(part.schema.get_field_index("reason"), "reason", column)
