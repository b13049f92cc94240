"""A book that grows while a run lasts: numbered Parquet parts, merged from time to time.

A part is written whole or not at all, so a killed run keeps those it had. Many small ones would
make a book slow to read: runs of them are merged into the last of each, under whose name the others
are then taken away. Whoever is killed in between leaves lines twice, never none; so the lines of a
book have a key, and of equal keys the last line holds.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camvid.arrow import pc
from camvid.errors import StoreError
from camvid.store import ClipStore

log = logging.getLogger(__name__)
_NAME = re.compile(r"part-(\d{5,})\.parquet")
# A part of this size is left as it is; merging unpacks several times as much. With this, and no
# copy of a whole list, resuming 300,000 clips takes 0.80 GB, with 64 MB and the copies 0.99.
_LARGE_BYTES = 16_000_000
_MERGE_AT = 64  # parts written since the last merge

Upgrade = Callable[[pa.Table], pa.Table]


@dataclass(slots=True)
class Parts:
    """The parts of one book in a folder of the run."""

    store: ClipStore
    folder: str
    schema: pa.Schema
    keys: tuple[str, ...]  # of lines equal in these columns the last one holds
    upgraded: Upgrade = lambda part: part  # what an older version wrote, in the present form
    _next: int = -1
    _small: list[str] = field(default_factory=list[str])  # written by us and not merged yet

    def names(self) -> list[str]:
        """The parts that are ours, oldest first."""
        found = (_NAME.fullmatch(name) for name in self.store.list_names(self.folder))
        numbered = sorted((int(match[1]), match[0]) for match in found if match)
        return [name for _, name in numbered]

    def append(self, table: pa.Table) -> None:
        """Writes one more part."""
        if self._next < 0:
            names = self.names()
            self._next = 1 + (int(_NAME.fullmatch(names[-1])[1]) if names else -1)  # pyright: ignore[reportOptionalSubscript]
        name = f"part-{self._next:05d}.parquet"
        self._write(name, table)
        self._next += 1
        self._small.append(name)
        if len(self._small) >= _MERGE_AT:
            self._merge(self._small)
            self._small.clear()

    def read(self, columns: Sequence[str] = (), coded: Collection[str] = ()) -> pa.Table:
        """All parts as one table, oldest first; one that is damaged, or lacks columns, is left out.

        Args:
            columns: those that are read, if not all.
            coded: of these, those with few different texts: they come dictionary-encoded.
        """
        schema = pa.schema([self.schema.field(name) for name in columns or self.schema.names])
        for name in coded:
            kind = pa.dictionary(pa.int32(), pa.string())
            schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
        parts = [part for _, part in self._read_each(self.names(), schema)]
        return pa.concat_tables([schema.empty_table(), *parts]).unify_dictionaries()

    def compact(self) -> list[str]:
        """Merges what is small, as a new run begins to write; gives the damaged parts' paths."""
        sizes = {name: self.store.size_bytes(f"{self.folder}/{name}") for name in self.names()}
        damaged = [n for n, size in sizes.items() if size >= _LARGE_BYTES and not self._opens(n)]
        batch: list[str] = []
        for name in (name for name, size in sizes.items() if size < _LARGE_BYTES):
            batch.append(name)
            if sum(sizes[each] for each in batch) >= _LARGE_BYTES:
                damaged += self._merge(batch)
                batch = []
        damaged += self._merge(batch)
        return [f"{self.folder}/{name}" for name in damaged]

    def _merge(self, names: Sequence[str]) -> list[str]:
        """Into the last of them; damaged ones stay as they are, and are returned."""
        whole = dict(self._read_each(names, self.schema))
        if len(whole) > 1:
            merged = pa.concat_tables(whole.values())
            *others, last = whole
            self._write(last, merged.filter(last_of_each(merged, self.keys)))
            for name in others:
                self.store.remove(f"{self.folder}/{name}")
        return [name for name in names if name not in whole]

    def _opens(self, name: str) -> bool:
        return bool(list(self._read_each([name], pa.schema([]))))

    def _read_each(self, names: Sequence[str], schema: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
        for name in names:
            try:
                yield name, self._read_one(f"{self.folder}/{name}", schema)
            except (pa.ArrowException, OSError, LookupError, ValueError, StoreError) as error:
                line = " ".join(str(error).split())
                why = "damaged, or of an older version"
                log.warning("%s/%s is %s; left out: %s", self.folder, name, why, line)

    def _read_one(self, name: str, schema: pa.Schema) -> pa.Table:
        coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        with self.store.open_local(name) as path:
            file = pq.ParquetFile(path, pre_buffer=False, read_dictionary=coded)
            part = file.read(columns=schema.names, use_threads=False).select(schema.names)
        return part if part.schema.equals(schema) else self.upgraded(part).cast(schema)

    def _write(self, name: str, table: pa.Table) -> None:
        name = f"{self.folder}/{name}"
        path = self.store.part_path(name)
        pq.write_table(table, path, compression="zstd")
        self.store.move_in(path, name)


def last_of_each(table: pa.Table, keys: Sequence[str]) -> pa.Array:
    """Of each row, whether no later one has the same values in the columns `keys`."""
    code = np.zeros(table.num_rows, np.int64)
    for key in keys:
        column = table[key].combine_chunks()
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        indices = pc.add(pc.fill_null(coded.indices, -1), 1)
        code = code * (len(coded.dictionary) + 1) + indices.to_numpy()
    _, last = np.unique(code[::-1], return_index=True)
    mask = np.zeros(len(code), bool)
    mask[len(code) - 1 - last] = True
    return pa.array(mask)
