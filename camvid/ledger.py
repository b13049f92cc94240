"""The ledger: one row per (clip, stage), appended in parts so that a killed run keeps its books."""

from collections.abc import Sequence
from dataclasses import fields

import pyarrow as pa

from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.store import ClipStore, StageRecord

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("stage", pa.string()),
        ("version", pa.int32()),
        ("artifact", pa.string()),
        ("fingerprint", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
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
    """Gathers records and writes them as numbered parts of `ledger/`."""

    def __init__(self, store: ClipStore, part_rows: int = 256) -> None:
        self._store = store
        self._part_rows = part_rows
        self._pending: list[StageRecord] = []
        existing = store.list_names("ledger", ".parquet")
        self._next_part = 1 + max((int(n[5:10]) for n in existing), default=-1)

    def append(self, records: Sequence[StageRecord]) -> None:
        self._pending += records
        if len(self._pending) >= self._part_rows:
            self.flush()

    def flush(self) -> None:
        """Writes what is pending as one part."""
        if not self._pending:
            return
        names = [f.name for f in fields(StageRecord)]
        rows = [{name: getattr(record, name) for name in names} for record in self._pending]
        for row in rows:
            row["measured"] = list(row["measured"].items())
        data = table_to_bytes(pa.Table.from_pylist(rows, schema=SCHEMA))
        self._store.write_bytes(f"ledger/part-{self._next_part:05d}.parquet", data)
        self._next_part += 1
        self._pending.clear()


def read_ledger(store: ClipStore) -> pa.Table:
    """All parts of the ledger as one table, oldest first."""
    parts = [
        table_from_bytes(store.read_bytes(f"ledger/{name}"))
        for name in store.list_names("ledger", ".parquet")
    ]
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()
