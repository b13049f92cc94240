"""What is written of each clip as it comes out of the stages: the ledger and the finished list."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import pyarrow as pa

from camvid.books.finished import GATHERED, SCHEMA, describe, finished_parts
from camvid.books.ledger import LedgerWriter
from camvid.stage import ClipRow
from camvid.store import ClipStore
from stages.run_split import VideoRecord, load_video_record

_THREADS = 8  # a remote store answers many requests at a time


class Books:
    """Takes rows as they come; a part of each book is written now and then, and at the end.

    The ledger is written first: what the finished list has, is in the ledger.
    """

    def __init__(
        self,
        store: ClipStore,
        graph: Mapping[str, str],
        on_listed: Callable[[pa.Table], None] = lambda rows: None,
    ) -> None:
        """`on_listed` is given the rows of `camvid.books.finished` as they are listed."""
        self._store, self._graph, self._on_listed = store, graph, on_listed
        self._ledger = LedgerWriter(store)
        self._finished = finished_parts(store)
        self._pending: list[ClipRow] = []
        self._written: list[pa.Table] = []

    def __enter__(self) -> Self:
        return self

    def __call__(self, row: ClipRow) -> None:
        """Books a finished row."""
        self._pending.append(row)
        if self._ledger.append(row.records):
            self._list(_is_cut)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ledger.flush()
        self._list(lambda video, row: True)

    def table(self) -> pa.Table:
        """All that was booked, with the columns that index and shards need (GATHERED)."""
        return pa.concat_tables([SCHEMA.empty_table().select(GATHERED), *self._written])

    def _list(self, ready: Callable[[VideoRecord | None, ClipRow], bool]) -> None:
        """Writes the pending rows of videos that are cut to their end."""
        with ThreadPoolExecutor(_THREADS) as pool:
            uris = list(dict.fromkeys(row.video_uri for row in self._pending))
            records = pool.map(lambda uri: load_video_record(self._store, uri), uris)
            videos = dict(zip(uris, records, strict=True))
            pairs = [(row, videos[row.video_uri]) for row in self._pending]
            chosen = [(row, video) for row, video in pairs if ready(video, row)]
            self._pending = [row for row, video in pairs if not ready(video, row)]
            rows = list(pool.map(lambda pair: self._described(*pair), chosen))
        if rows:
            table = pa.Table.from_pylist(rows, schema=SCHEMA)
            self._finished.append(table)
            self._written.append(table.select(GATHERED))
            self._on_listed(table)

    def _described(self, row: ClipRow, video: VideoRecord | None) -> dict[str, object]:
        known = video if _is_cut(video, row) else None
        stat, count = (known.stat, len(known.rows)) if known else ("", 0)
        return describe(self._store, row, self._graph, stat, count)


def _is_cut(video: VideoRecord | None, row: ClipRow) -> bool:
    """Whether the video's record knows the row: it names its clips once all of them are cut."""
    return video is not None and any(clip.clip_id == row.clip_id for clip in video.rows)


def list_rows(store: ClipStore, rows: Sequence[pa.Table]) -> None:
    """Appends rows that changed afterwards."""
    table = pa.concat_tables([SCHEMA.empty_table(), *rows])
    if table.num_rows:
        finished_parts(store).append(table)
