"""A run's file of fingerprints: how its clips change, and of which others they are copies."""

import os

import pyarrow as pa
import pyarrow.parquet as pq

from camvid.arrow import pc
from camvid.books.finished import SCHEMA as FINISHED
from camvid.duplicates import COLUMNS
from camvid.errors import ConfigError

FINGERPRINTS = "fingerprints.parquet"
CLIPS = pa.schema([FINISHED.field(name) for name in COLUMNS])
SCHEMA = pa.schema([*CLIPS, ("duplicate_of", pa.string()), ("share", pa.float64())])
UNREADABLE = (OSError, pa.ArrowException, LookupError, ValueError)


def read_fingerprints(path: str) -> pa.Table:
    """The file's rows; one of UNREADABLE where it cannot be read."""
    file = pq.ParquetFile(path, pre_buffer=False)
    content = (file.schema_arrow.metadata or {}).get(b"content", b"")
    found = file.read(SCHEMA.names, use_threads=False).select(SCHEMA.names).cast(SCHEMA)
    return found.replace_schema_metadata({b"content": content})


def known_clips(path: str) -> pa.Table:
    """The clips of a run, or of its file, that are no copies; none where no path is given."""
    if not path:
        return CLIPS.empty_table()
    path = os.path.join(path, FINGERPRINTS) if os.path.isdir(path) else path
    try:
        found = read_fingerprints(path)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"copies.known_clips must be the {FINGERPRINTS} of a run: {path}: {reason}"
        ) from error
    return found.filter(pc.equal(found["duplicate_of"], "")).select(COLUMNS).cast(CLIPS)
