"""Lists with columns: CSV, JSON lines or Parquet files of a video a row, read row by row.

`uri` is needed. `licence`, `caption`, `start_s` and `end_s` (the span that is wanted, in seconds)
and `calibration` (fx, fy, cx, cy or K, row by row; or four columns of these names) are known; all
other columns are carried through to the index and the shards.
"""

import csv
import json
import math
import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from camvid.errors import ConfigError
from camvid.plain import to_plain
from camvid.video.addresses import without_secrets
from camvid.video.lists import encoding_of
from camvid.video.names import is_file_uri, is_remote, local_path, name_of, writable
from camvid.video.source import Calibration, Source

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")
_FOCAL = ("fx", "fy", "cx", "cy")
_OTHER_NAMES = {"license": "licence", "start": "start_s", "end": "end_s", "K": "calibration"}
_KNOWN = frozenset({"uri", "licence", "caption", "start_s", "end_s", "calibration"})
_BATCH = 4096  # rows of Parquet that are in memory at a time
_Row = Mapping[str, Any] | str  # or what is wrong with it


def is_table(path: str) -> bool:
    """Whether the name is that of a list with columns."""
    return path.lower().endswith(SUFFIXES)


def check_table(path: str) -> None:
    """ConfigError unless it can be read and its first row has a `uri`."""
    with _rows(path) as rows:
        first = next(iter(rows), None)
    if first is None:
        raise ConfigError(f"{writable(path)} must have a row for each video, found none")
    found = first[1]
    if isinstance(found, str) or "uri" not in found:
        what = found if isinstance(found, str) else f"{', '.join(found) or 'no columns'}"
        raise ConfigError(f"{writable(path)} must have a column `uri`, found {what}")


def count_rows(path: str) -> int:
    """About how many rows it has, without reading them: lines may be blank, or parts of a row."""
    if path.lower().endswith(".parquet"):
        return int(pq.read_metadata(path).num_rows)
    with open(path, "rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return max(1, lines - path.lower().endswith(".csv"))


def read_table(path: str) -> Iterator[Source]:
    """The rows in order; one that names no video has a `fault` that gives its line.

    Raises:
        ConfigError: the list cannot be read, or no longer.
    """
    with _rows(path) as rows:
        for line, row in rows:
            where = f"{writable(os.path.abspath(path))}:{line}"
            try:
                if isinstance(row, str):
                    raise ValueError(row)
                yield _source(row, os.path.dirname(path) or os.curdir)
            except (ValueError, TypeError, RecursionError) as error:
                yield Source(uri=where, fault=f"{where}: the row must name a video: {error}")


@contextmanager
def _rows(path: str) -> Generator[Iterable[tuple[int, _Row]], None, None]:
    """The rows with their lines in the file; whatever is wrong with the file is one line."""
    try:
        if path.lower().endswith(".parquet"):
            with pq.ParquetFile(path, pre_buffer=False) as file:
                yield _of_parquet(file)
            return
        with open(path, "rb") as head:
            encoding = encoding_of(head.read(4))
        with open(path, encoding=encoding, errors="surrogateescape", newline="") as text:
            yield _of_csv(text) if path.lower().endswith(".csv") else _of_json(text)
    except (OSError, UnicodeError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigError(
            f"{writable(path)} must be a readable list of videos: {reason}"
        ) from error


def _of_parquet(file: pq.ParquetFile) -> Iterator[tuple[int, _Row]]:
    batches = file.iter_batches(_BATCH, use_threads=False)
    yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)


def _of_csv(text: Iterable[str]) -> Iterator[tuple[int, _Row]]:
    reader = csv.DictReader(text, restkey="")
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num, f"no CSV ({error})"
            continue
        if row is None:
            return
        if "" in row or None in row.values():
            yield reader.line_num, "it must have as many fields as the header"
        else:
            yield reader.line_num, row


def _of_json(text: Iterable[str]) -> Iterator[tuple[int, _Row]]:
    for line, spelled in enumerate(text, start=1):
        if not spelled.strip():
            continue
        try:
            row = json.loads(spelled)
        except (ValueError, RecursionError) as error:
            yield line, f"no JSON ({error})"
            continue
        yield line, row if isinstance(row, dict) else "it must be a JSON object"


def _source(row: Mapping[str, Any], folder: str) -> Source:
    """The row's video; ValueError says what is wrong with the row."""
    given = {_OTHER_NAMES.get(name, name): v for name, v in row.items() if v not in (None, "")}
    uri = given.get("uri")
    if not isinstance(uri, str) or "\0" in uri:
        raise ValueError(f"`uri` must be a text, got {uri!r}")
    start_s, end_s = _seconds(given, "start_s", 0.0), _seconds(given, "end_s", math.inf)
    if not 0 <= start_s < end_s:
        raise ValueError(f"`start_s` must be 0 or more and below `end_s`, got {start_s}, {end_s}")
    calibration = _calibration(given)
    rest = {k: v for k, v in given.items() if k not in _KNOWN and not (calibration and k in _FOCAL)}
    return Source(
        uri=_resolved(uri, folder),
        start_s=start_s,
        end_s=end_s,
        licence=_text(given, "licence"),
        caption=_text(given, "caption"),
        calibration=calibration,
        listed=_as_json(rest) if rest else "",
    )


def _resolved(uri: str, folder: str) -> str:
    """As in lists without columns: relative paths start at the list's own folder."""
    if is_remote(uri):
        return writable(uri)
    if is_file_uri(uri):
        return name_of(local_path(uri))
    return name_of(str(Path(folder, os.path.expanduser(uri))))


def _as_json(columns: Mapping[str, Any]) -> str:
    spelled = json.dumps(to_plain(columns), ensure_ascii=False, sort_keys=True, default=str)
    return without_secrets(_in_utf8(spelled))


def _in_utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be a text, got {value!r}")
    return without_secrets(_in_utf8(value))


def _seconds(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be seconds, got {value!r}") from None


def _calibration(given: Mapping[str, Any]) -> Calibration:
    """fx, fy, cx, cy; from these columns, or from four or nine numbers in one."""
    value: Any = given.get("calibration")
    if value is None and all(name in given for name in _FOCAL):
        value = [given[name] for name in _FOCAL]
    if value is None:
        return ()
    try:
        spelled = value if isinstance(value, str) else json.dumps(to_plain(value))
        numbers = [float(number) for number in re.split(r"[\s,;\[\]]+", spelled) if number]
        if len(numbers) == 9:
            numbers = [numbers[i] for i in (0, 4, 2, 5)]
        fx, fy, cx, cy = numbers
    except (TypeError, ValueError):
        fx = fy = cx = cy = math.nan
    if not (fx > 0 and fy > 0 and math.isfinite(fx + fy + cx + cy)):
        raise ValueError(f"`calibration` must be fx, fy, cx, cy or a K, got {value!r}")
    return fx, fy, cx, cy
