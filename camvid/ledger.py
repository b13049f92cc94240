"""The ledger: one row per (clip, stage), written in parts so that a killed run keeps them."""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import fields

import pyarrow as pa

from camvid.columns import arrow_type
from camvid.outcome import Reason
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.plain import from_plain, to_plain
from camvid.store import ClipStore, StageRecord

log = logging.getLogger(__name__)

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


_PART_NAME = re.compile(r"part-(\d{5,})\.parquet")


class LedgerWriter:
    """Gathers records and writes them as numbered parts of `ledger/`.

    A part is written when it is full, when `part_s` seconds have passed, and after the first
    records: whoever asks how far a run is must not wait for the 32 clips that fill one.
    """

    def __init__(self, store: ClipStore, part_rows: int = 256, part_s: float = 60.0) -> None:
        self._store = store
        self._part_rows, self._part_s = part_rows, part_s
        self._last_s = float("-inf")
        self._pending: list[StageRecord] = []
        self._next_part = 1 + max((number for number, _ in _parts(store)), default=-1)

    def append(self, records: Sequence[StageRecord]) -> None:
        self._pending += records
        waited = time.monotonic() - self._last_s
        if len(self._pending) >= self._part_rows or waited >= self._part_s:
            self.flush()

    def flush(self) -> None:
        """Writes what is pending as one part."""
        if not self._pending:
            return
        names = [f.name for f in fields(StageRecord)]
        rows = [{name: getattr(record, name) for name in names} for record in self._pending]
        for row in rows:
            row["measured"] = list(row["measured"].items())
            row["reason"] = to_plain(row["reason"]) if row["reason"] else None
        data = table_to_bytes(pa.Table.from_pylist(rows, schema=SCHEMA))
        self._store.write_bytes(f"ledger/part-{self._next_part:05d}.parquet", data)
        self._next_part += 1
        self._last_s = time.monotonic()
        self._pending.clear()


def read_ledger(store: ClipStore) -> pa.Table:
    """All parts of the ledger as one table, oldest first; a damaged part is left out."""
    tables = [_read_part(store, name) for _, name in _parts(store)]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def _read_part(store: ClipStore, name: str) -> pa.Table:
    try:
        part = table_from_bytes(store.read_bytes(f"ledger/{name}")).select(SCHEMA.names)
        return part if part.schema.equals(SCHEMA) else _upgraded(part)
    except (pa.ArrowException, OSError, KeyError) as error:
        log.warning("ledger/%s is damaged, left out: %s", name, error)
        return SCHEMA.empty_table()


def _upgraded(part: pa.Table) -> pa.Table:
    """A part of a version that kept reasons as text."""
    reasons = [to_plain(from_plain(Reason, r)) if r else None for r in part["reason"].to_pylist()]
    column = pa.array(reasons, arrow_type(Reason))
    return part.set_column(SCHEMA.get_field_index("reason"), "reason", column).cast(SCHEMA)


def _parts(store: ClipStore) -> list[tuple[int, str]]:
    """Number and name of each part that is ours, in order."""
    found = (_PART_NAME.fullmatch(name) for name in store.list_names("ledger"))
    return sorted((int(match[1]), match[0]) for match in found if match)
