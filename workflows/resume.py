"""What a resumed run need not touch: finished clips are read from one list and anti-joined.

A video is passed over where the list has every clip of it, made by the same stages from the same
file, and what lies in the clips' folders has its size (or was taken away when the run was thinned).
Any other video goes through the stages, which look up what there is of it, clip by clip.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.finished import GATHERED, finished_parts
from camvid.ledger import ledger_parts, read_ledger
from camvid.parts import Parts, last_of_each
from camvid.pipeline import CLIP_STAGES, DECIDES, FIRST
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.names import is_remote, source_name
from camvid.video.stat import stat_key
from workflows.thinning import kept

log = logging.getLogger(__name__)
_ASKED = (
    *("clip_id", "source_uri", "status", "stopped_at", "graph"),
    *("video_stat", "size_bytes", "rows_of_video"),
)
_SIZES = ["clip_id", "size_bytes"]
_STAT_THREADS = 64  # requests to an object store that wait side by side


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Where a run goes on."""

    finished: pa.Table  # rows of `camvid.finished` that hold
    todo: list[str]  # the videos that have others

    def rows(self) -> Iterator[ClipRow]:
        """A row for each finished clip, without its records."""
        columns = self.finished.select(["clip_id", "source_uri", "status"])
        for batch in columns.to_batches(max_chunksize=4096):
            for clip_id, uri, status in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                yield ClipRow(clip_id=clip_id, video_uri=uri, status=status)

    def passed(self) -> Counter[str]:
        """How many of them came through each stage, for the breaker."""
        counts: Counter[str] = Counter()
        order = (FIRST, *CLIP_STAGES)
        for ended in pc.value_counts(_last_stage(self.finished)).to_pylist():
            for stage in order[: order.index(ended["values"]) + 1]:
                counts[stage] += ended["counts"]
        return counts


def plan_resume(store: ClipStore, videos: Sequence[str], graph: Mapping[str, str]) -> Resume:
    """Reads the run's books and leaves them compact.

    Args:
        store: the run.
        videos: all that the run is about, as they were given.
        graph: `camvid.finished.graph_keys` of the run's configuration.
    """
    lost = ledger_parts(store).compact()
    parts = finished_parts(store)
    for name in parts.compact():
        store.remove(name)  # its clips are looked up one by one, and listed again
    names = pa.array([source_name(video) for video in videos], pa.string())
    listed = _finished(store, parts, graph, lost, names)
    listed = listed.filter(_same_video(listed, videos, names))
    if kept(store) == "all":  # else there is less, and the shards make up for it
        listed = listed.filter(_same_size(store, listed))
    listed = listed.filter(_all_of_video(listed))
    done = pc.is_in(names, pc.unique(listed["source_uri"]))
    todo = [v for v, is_done in zip(videos, done.to_pylist(), strict=True) if not is_done]
    return Resume(finished=_rows(parts, listed["line"].to_numpy()), todo=todo)


def _finished(
    store: ClipStore, parts: Parts, graph: Mapping[str, str], lost: Sequence[str], names: pa.Array
) -> pa.Table:
    """The lines of these videos that hold by the books, with their numbers.

    Of their columns it has those that are asked for here, and no others.
    """
    listed = parts.read(_ASKED, coded=["graph", "status", "stopped_at"])
    listed = listed.append_column("line", pa.array(np.arange(listed.num_rows)))
    listed = listed.filter(last_of_each(listed, parts.keys))
    listed = listed.filter(_holds(listed, graph))
    listed = listed.filter(pc.is_in(listed["source_uri"], names))
    if lost or not store.list_names("ledger"):
        listed = _booked(store, listed, lost)
    return listed


def _rows(parts: Parts, lines: np.ndarray) -> pa.Table:
    """These lines with what index and shards are made of."""
    listed = parts.read(GATHERED)
    return listed if len(lines) == listed.num_rows else listed.take(pa.array(lines, pa.int64()))


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


def _same_video(listed: pa.Table, videos: Sequence[str], names: pa.Array) -> pa.ChunkedArray:
    """Whether the clip's video is as large and as old as it was."""
    known = pc.is_in(names, pc.unique(listed["source_uri"])).to_numpy(zero_copy_only=False)
    asked = [video if there else "" for video, there in zip(videos, known, strict=True)]
    threads = _STAT_THREADS if any(map(is_remote, asked)) else 1
    with ThreadPoolExecutor(threads) as pool:
        stats = pa.array(pool.map(lambda uri: stat_key(uri) if uri else "", asked), pa.string())
    now = stats.take(pc.index_in(listed["source_uri"], names).combine_chunks())
    return pc.equal(listed["video_stat"], pa.chunked_array([now]))


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


def _all_of_video(listed: pa.Table) -> pa.Array:
    """Whether every clip of the row's video is there."""
    video = listed["source_uri"].combine_chunks().dictionary_encode().indices.to_numpy()
    there = np.bincount(video, minlength=1)
    wrong = there[video] != listed["rows_of_video"].to_numpy()
    return pa.array(np.bincount(video, weights=wrong, minlength=1)[video] == 0)
