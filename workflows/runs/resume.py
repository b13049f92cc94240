"""What a resumed run need not touch: finished clips are read from one list and anti-joined.

A video is passed over where the list has every clip of it, made by the same stages from the same
file, and what lies in the clips' folders has its size (or was taken away when the run was thinned).
Any other video goes through the stages, which look up what there is of it, clip by clip.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camvid.arrow import pc
from camvid.books.finished import GATHERED, finished_parts
from camvid.books.ledger import ledger_parts, read_ledger
from camvid.books.parts import Parts, last_of_each
from camvid.pipeline import CLIP_STAGES, DECIDES, FIRST
from camvid.shards.buckets import buckets_of
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.names import is_remote
from camvid.video.source import Source
from workflows.runs.thinning import kept

log = logging.getLogger(__name__)
_ASKED = (
    *("clip_id", "source_uri", "status", "stopped_at", "graph"),
    *("video_stat", "size_bytes", "rows_of_video"),
)
_SIZES = ["clip_id", "size_bytes"]
_CHUNK = 16_384  # videos that are looked up at once
_STAT_THREADS = 64  # requests to an object store that wait side by side


class Resume:
    """Where a run goes on: reads the run's books, and tells what of its videos is left to do.

    The books are left compact, unless they are only read.
    """

    def __init__(
        self, store: ClipStore, graph: Mapping[str, str], *, read_only: bool = False
    ) -> None:
        """`graph` is `camvid.books.finished.graph_keys` of the run's configuration.

        With `read_only` the books stay as they are.
        """
        self._parts = finished_parts(store)
        lost = [] if read_only else ledger_parts(store).compact()
        for name in [] if read_only else self._parts.compact():
            store.remove(name)  # its clips are looked up one by one, and listed again
        listed = _finished(store, self._parts, graph, lost)
        if kept(store) == "all":  # else there is less, and the shards make up for it
            listed = listed.filter(_same_size(store, listed))
        states = _states(listed["source_uri"], listed["video_stat"])
        whole = _all_of_video(states, listed["rows_of_video"])
        self._listed = listed.filter(whole)
        states = states.filter(whole).combine_chunks().dictionary_encode()
        self._state_of_line, self._states = states.indices.to_numpy(), states.dictionary
        self._names = pc.unique(self._listed["source_uri"])
        self._passed_over = np.zeros(len(self._states), bool)
        self._buckets: NDArray[np.int64] | None = None  # of the listed clips

    def todo(
        self, videos: Iterable[Source], on_row: Callable[[ClipRow], None] = lambda row: None
    ) -> Iterator[Source]:
        """The videos that have to go through the stages, as they come.

        `on_row` takes the rows of the others: finished clips, without their records.
        """
        come = iter(videos)
        while some := list(itertools.islice(come, _CHUNK)):
            state = self._find(some)
            now = np.zeros(len(self._states), bool)
            now[state[state >= 0]] = True
            self._passed_over |= now
            self._give_rows(now, on_row)
            yield from (source for source, found in zip(some, state, strict=True) if found < 0)

    @property
    def num_done(self) -> int:
        """The videos that were passed over."""
        return int(self._passed_over.sum())

    @property
    def finished(self) -> pa.Table:
        """Rows of `camvid.books.finished` of the videos that were passed over."""
        return self._gathered_at(self._passed_over[self._state_of_line])

    def finished_in(self, bucket: int, num_buckets: int) -> pa.Table:
        """Those of one bucket of shards."""
        if self._buckets is None:
            self._buckets = buckets_of(self._listed["source_uri"], num_buckets)
        return self._gathered_at((self._buckets == bucket) & self._passed_over[self._state_of_line])

    def _gathered_at(self, listed: NDArray[np.bool_]) -> pa.Table:
        lines = self._listed["line"].to_numpy()[listed]
        if len(lines) == len(self._gathered):
            return self._gathered  # all, in order: a copy of a million rows is 0.5 GB
        return self._gathered.take(pa.array(lines, pa.int64()))

    @cached_property
    def _gathered(self) -> pa.Table:
        return self._parts.read(GATHERED)

    def passed(self) -> Counter[str]:
        """How many clips came through each stage before, for the breaker."""
        counts: Counter[str] = Counter()
        order = (FIRST, *CLIP_STAGES)
        for ended in pc.value_counts(_last_stage(self._listed)).to_pylist():
            for stage in order[: order.index(ended["values"]) + 1]:
                counts[stage] += ended["counts"]
        return counts

    def _find(self, some: Sequence[Source]) -> np.ndarray:
        """Of each video the number of its state among the finished; -1 where it is not there."""
        names = pa.array([source.name for source in some], pa.string())
        known = pc.is_in(names, self._names).to_pylist()
        asked = [source if there else None for source, there in zip(some, known, strict=True)]
        threads = _STAT_THREADS if any(each and is_remote(each.uri) for each in asked) else 1
        with ThreadPoolExecutor(threads) as pool:
            stats = pa.array(pool.map(lambda each: each.stat() if each else "", asked), pa.string())
        at = pc.index_in(_states(names, stats), self._states)
        return pc.fill_null(at, -1).to_numpy()

    def _give_rows(self, states: np.ndarray, on_row: Callable[[ClipRow], None]) -> None:
        lines = np.flatnonzero(states[self._state_of_line])
        columns = self._listed.select(["clip_id", "source_uri", "status"]).take(lines)
        for batch in columns.to_batches(max_chunksize=4096):
            for clip_id, uri, status in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                on_row(ClipRow(clip_id=clip_id, video_uri=uri, status=status))


def _states(names: Any, stats: Any) -> Any:
    """A video as it is now, or was: its name, and its size and time of change."""
    return pc.binary_join_element_wise(names, stats, "\n")


def _finished(
    store: ClipStore, parts: Parts, graph: Mapping[str, str], lost: Sequence[str]
) -> pa.Table:
    """The lines that hold by the books, with their numbers.

    Of their columns it has those that are asked for here, and no others.
    """
    listed = parts.read(_ASKED, coded=["graph", "status", "stopped_at"])
    listed = listed.append_column("line", pa.array(np.arange(listed.num_rows)))
    listed = listed.filter(last_of_each(listed, parts.keys))
    listed = listed.filter(_holds(listed, graph))
    if lost or not store.list_names("ledger"):
        listed = _booked(store, listed, lost)
    return listed


def _holds(listed: pa.Table, graph: Mapping[str, str]) -> pa.ChunkedArray:
    """Whether the same stages would make it again; what failed is always tried again."""
    stage = _last_stage(listed)
    failed = pc.equal(listed["status"], "failed")
    same = pa.array(np.zeros(listed.num_rows, bool))
    for name, key in graph.items():
        right = pc.and_(pc.equal(stage, name), pc.equal(listed["graph"], key))
        same = pc.or_(same, right)
    return pc.and_(pc.fill_null(same, False), pc.invert(failed))


def _last_stage(listed: pa.Table) -> pa.ChunkedArray:
    stopped_at = listed["stopped_at"].cast(pa.string())
    return pc.if_else(pc.equal(stopped_at, ""), DECIDES, stopped_at)


def _booked(store: ClipStore, listed: pa.Table, lost: Sequence[str]) -> pa.Table:
    """Without the clips whose lines of the ledger are lost: looked up, they are booked again."""
    known = pc.unique(read_ledger(store, ["clip_id"])["clip_id"])
    for name in lost:
        log.warning("%s is damaged: its lines are written anew", name)
        store.remove(name)
    return listed.filter(pc.is_in(listed["clip_id"], known))


def _same_size(store: ClipStore, listed: pa.Table) -> pa.Array:
    """Whether what lies in the clip's folder is as large as it was; so it need not be read."""
    if not listed.num_rows:
        return pa.array([], pa.bool_())
    found = [pa.record_batch([pa.array([], pa.string()), pa.array([], pa.int64())], _SIZES)]
    sizes = store.clip_sizes()
    while some := list(itertools.islice(sizes, 4096)):
        found.append(pa.record_batch([list(column) for column in zip(*some, strict=True)], _SIZES))
    known = pa.Table.from_batches(found)
    ids, sizes = (known[name].combine_chunks() for name in _SIZES)
    at = pc.index_in(listed["clip_id"], ids).combine_chunks()
    now = sizes.take(at)
    same = pc.equal(listed["size_bytes"].combine_chunks(), now)
    without = pc.equal(listed["clip_id"].combine_chunks(), "")  # a video that gave no clip
    return pc.or_(pc.fill_null(same, False), without)


def _all_of_video(states: pa.ChunkedArray, rows_of_video: pa.ChunkedArray) -> pa.Array:
    """Whether every clip of the row's video, as it was then, is there."""
    video = states.combine_chunks().dictionary_encode().indices.to_numpy()
    there = np.bincount(video, minlength=1)
    wrong = there[video] != rows_of_video.to_numpy()
    return pa.array(np.bincount(video, weights=wrong, minlength=1)[video] == 0)
