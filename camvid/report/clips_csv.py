"""report/clips.csv: every row of the index for a spreadsheet, beside a page that lists some."""

import pyarrow as pa
import pyarrow.csv as pv

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable

_CHUNK = 65_536  # rows that are text at a time
_FORMULA = r"^([=+\-@\t\r])"  # a spreadsheet would run a name that begins so


def write_clips_csv(path: str, rows: ClipTable) -> None:
    """Writes the table to a local file; of lists (of reasons) the names, in one cell."""
    writer = None
    for start in range(0, max(1, len(rows)), _CHUNK):
        part = rows.table.slice(start, _CHUNK)
        text = pa.table({name: _as_text(part[name]) for name in part.column_names})
        writer = writer or pv.CSVWriter(path, text.schema)
        writer.write_table(text)
    if writer:
        writer.close()


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        column = pa.chunked_array([_names(chunk) for chunk in column.chunks], pa.string())
    if pa.types.is_string(column.type):
        return pc.replace_substring_regex(column, _FORMULA, r"'\1")
    return column


def _names(listed: pa.ListArray) -> pa.Array:
    names = listed.values
    if pa.types.is_struct(names.type):
        names = pc.struct_field(names, "name")
    return pc.binary_join(pa.ListArray.from_arrays(listed.offsets, names), "; ")
