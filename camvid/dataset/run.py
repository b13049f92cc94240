"""Runs and shards opened for reading: their clips, one after another or by id."""

from collections.abc import Iterator
from functools import cached_property

from camvid.books.clip_table import ClipTable
from camvid.books.index import read_index
from camvid.dataset.clip import DatasetClip
from camvid.errors import StoreError
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.shards import ShardIndex, find_shards
from camvid.outcome import INDICATOR, Kind
from camvid.store import ClipStore

_CACHE_BYTES = 64_000_000  # of row groups: neighbouring clips share one


class Shards:
    """The clips of a folder of shards; opened by `camvid.open_shards`."""

    def __init__(self, uri: str, index: ShardIndex) -> None:
        self.uri = uri
        self._index = index
        self._reader = RowReader(index.root, _CACHE_BYTES)

    def __len__(self) -> int:
        return self._index.num_rows

    def __iter__(self) -> Iterator[DatasetClip]:
        return self.clips()

    def clips(self, kind: Kind | None = None) -> Iterator[DatasetClip]:
        """The clips in the shards' order, those of one kind or all; nothing of them is read yet.

        Raises:
            StoreError: there are no shards of such a kind.
        """
        if kind is not None and kind not in INDICATOR:
            choices = ", ".join(INDICATOR)
            raise StoreError(f"kind must be one of {choices}, as shards hold no others: {kind!r}")
        places = map(self._index.place, range(len(self)))
        return (DatasetClip(self._reader, p) for p in places if kind in (None, p.kind))

    def clip(self, clip_id: str) -> DatasetClip:
        """The clip of this id; StoreError where there is none."""
        number = self._numbers.get(clip_id)
        if number is None:
            raise StoreError(f"{self.uri} must hold clip {clip_id!r} in its shards, but does not")
        return DatasetClip(self._reader, self._index.place(number))

    def digest(self) -> str:
        """Changes when clips come, go or move."""
        return self._index.digest()

    def order_by_source(self) -> dict[str, int]:
        """A place for each clip id, such that clips of one source video are neighbours, by time."""
        sources, starts_s = (self._index.column(name) for name in ("source_sha256", "start_s"))
        keys = zip(sources, starts_s, self._numbers, strict=True)
        return {clip_id: place for place, (_, _, clip_id) in enumerate(sorted(keys))}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        ids = (clip_id for shard in self._index.shards for clip_id in shard.clip_ids)
        return {clip_id: number for number, clip_id in enumerate(ids)}


class Run(Shards):
    """A run's folder: the clips that it kept, and the index of all; opened by `camvid.open_run`."""

    @cached_property
    def index(self) -> ClipTable:
        """A record of every clip, kept, refused or failed, with its measures and reasons.

        `run.index.table` is the same as an Arrow table.
        """
        return read_index(ClipStore(self.uri))


def open_shards(uri: str) -> Shards:
    """Opens a folder of shards, a run's folder, or one shard; a path or any fsspec URI.

    Raises:
        StoreError: there are no shards, they cannot be read, or are of a newer version.
        ConfigError: not a path or URI of a filesystem that is installed.
    """
    return Shards(uri, find_shards(uri))


def open_run(uri: str) -> Run:
    """Opens the folder of a finished run; a path or any fsspec URI.

    Raises:
        StoreError: there is no finished run with kept clips, it cannot be read, or is of a newer
            version.
        ConfigError: not a path or URI of a filesystem that is installed.
    """
    return Run(uri, find_shards(uri))
