"""The rows of index.parquet as Arrow columns: counted and filtered at a million rows.

A run's books have a row per clip. As Python objects these take 7 kB each, as columns 0.4 kB; so
what looks at all rows works on columns, and a record is made of a row only where it is asked for.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.columns import columns_of, from_row, to_row
from camvid.record import SAFE_ID, ClipRecord
from camvid.shards.schema import SCHEMA_VERSION

SCHEMA = pa.schema(
    [(known.name, known.arrow) for known in columns_of(ClipRecord)],
    metadata={"camvid.schema_version": SCHEMA_VERSION},
)
CHECKED = ("clip_id", "video_id", "status", "kind")  # columns that `check_rows` reads
_BATCH = 4096  # rows that are Python objects at a time


class ClipTable(Sequence[ClipRecord]):
    """A sequence of records, held as columns; `table` may lack columns that nobody asks for."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @classmethod
    def of(cls, records: Iterable[ClipRecord]) -> "ClipTable":
        """The table of these records; one that is a table already is itself."""
        if isinstance(records, ClipTable):
            return records
        rows = [to_row(record) for record in records]
        return cls(pa.Table.from_pylist(rows, schema=SCHEMA))

    def __len__(self) -> int:
        return self.table.num_rows

    @overload
    def __getitem__(self, index: int) -> ClipRecord: ...
    @overload
    def __getitem__(self, index: slice) -> "ClipTable": ...
    def __getitem__(self, index: int | slice) -> "ClipRecord | ClipTable":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        (row,) = self.take([range(len(self))[index]]).table.to_pylist()
        return from_row(ClipRecord, row)

    def __iter__(self) -> Iterator[ClipRecord]:
        for batch in self.table.to_batches(max_chunksize=_BATCH):
            yield from (from_row(ClipRecord, row) for row in batch.to_pylist())

    def take(self, rows: Any) -> "ClipTable":
        """These rows, by number."""
        return ClipTable(self.table.take(pa.array(rows, pa.int64())))

    def where(self, mask: pa.ChunkedArray) -> "ClipTable":
        """The rows of which `mask` is true; where that is all of them, no copy."""
        return self if pc.all(mask).as_py() else ClipTable(self.table.filter(mask))

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers as float64 [N]; NaN where it was not measured."""
        column = pc.cast(self.table[name], pa.float64())
        return pc.fill_null(column, np.nan).to_numpy()

    @cached_property
    def outcome(self) -> pa.ChunkedArray:
        """`ClipRecord.outcome` of every row."""
        kind, status = self.table["kind"], self.table["status"]
        failed = pc.or_(pc.equal(status, "failed"), pc.equal(kind, ""))
        return pc.if_else(failed, "failed", kind)

    @cached_property
    def first_reason(self) -> pa.Array:
        """The name of each row's first reason; null where it has none."""
        return self.first_name("reasons")

    def first_name(self, column: str) -> pa.Array:
        """The name of the first entry in a column of reasons; null where there is none."""
        reasons = self.table[column].combine_chunks()
        starts, lengths = reasons.offsets[:-1], pc.list_value_length(reasons)
        none = pc.equal(pc.fill_null(lengths, 0), 0)
        first = pc.if_else(none, pa.scalar(None, pa.int32()), starts)
        return pc.struct_field(reasons.values.take(first), "name")


def sorted_table(table: pa.Table) -> pa.Table:
    """The rows by source, time and clip id."""
    keys = pa.table(
        [table["source_uri"], pc.fill_null(table["start_s"], 0.0), table["clip_id"]],
        names=["source_uri", "start_s", "clip_id"],
    )
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    if (order.to_numpy() == np.arange(len(keys))).all():
        return table  # as it was written: a copy of a million rows is 0.4 GB
    return table.take(order)


def check_rows(table: pa.Table) -> None:
    """ValueError where a row is no `ClipRecord`, as that itself would say it."""
    status, kind = table["status"], table["kind"]
    kept = pc.and_(pc.equal(status, "ok"), pc.is_in(kind, pa.array(["4d", "3d", "video"])))
    refused = pc.and_(pc.equal(status, "rejected"), pc.equal(kind, "none"))
    agrees = pc.or_(pc.or_(kept, refused), pc.equal(status, "failed"))
    named = pc.equal(table["clip_id"], "")
    named = pc.or_(named, pc.match_substring_regex(table["clip_id"], f"^(?:{SAFE_ID})$"))
    wrong = pc.invert(pc.fill_null(pc.and_(agrees, named), False))
    if pc.any(wrong).as_py():
        for _ in ClipTable(table.filter(wrong).slice(0, 1)):
            raise ValueError("a row of the index has no status, kind or clip id")
