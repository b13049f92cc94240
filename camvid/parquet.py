"""Small Parquet tables from and to bytes, on the calling thread.

`pyarrow.parquet.read_table` hands even small reads to Arrow's thread pools, and a process that
ends soon after may abort in their teardown (apache/arrow issue 34314; 2 of 60 short runs, here).
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


def table_from_bytes(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a whole Parquet file, or some of its columns; ArrowInvalid where it is damaged."""
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    return file.read(columns=list(columns) if columns else None, use_threads=False)


def table_to_bytes(table: pa.Table, *, compression: str = "zstd") -> bytes:
    """Writes a whole Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=compression, use_dictionary=compression != "none")
    return sink.getvalue().to_pybytes()
