"""Writes the shards of a run: each bucket once its videos are through, the rest at the end."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.errors import DamagedArtifact
from camvid.memory import release_memory
from camvid.outcome import INDICATOR
from camvid.shards.buckets import CLIPS, Bucket, RunShards, bucket_of, buckets_of, count_buckets
from camvid.store import ClipStore
from camvid.video.source import Source
from stages.write_shards import WriteShardsConfig
from workflows.runs.resume import Resume
from workflows.runs.rows import StoredRows

_MAX_HELD = 50_000  # videos in memory while they are put in order
Damaged = dict[str, DamagedArtifact]  # by clip id


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketTask:
    """A bucket and what it takes to write it, on whichever machine."""

    root: str
    bucket: Bucket
    config: WriteShardsConfig
    weights: list[str]

    def __call__(self) -> Damaged:
        """Writes it; gives the clips that were left out."""
        store = ClipStore(self.root)
        write_shards = self.config.build()
        write_shards(store, self.bucket, StoredRows(store, self.bucket.clips), self.weights)
        release_memory()
        return write_shards.damaged


@runtime_checkable
class Background(Protocol):
    """Runs tasks beside the stages; an executor with machines of its own is one."""

    def submit(self, task: BucketTask) -> None: ...

    def wait(self) -> Damaged:
        """Until all that was submitted has ended, well or not; the clips that were left out."""
        ...


class Here:
    """Runs each task at once: the plainest `Background`."""

    def __init__(self) -> None:
        self._damaged: Damaged = {}

    def submit(self, task: BucketTask) -> None:
        self._damaged |= task()

    def wait(self) -> Damaged:
        damaged, self._damaged = self._damaged, {}
        return damaged


class ShardWriting:
    """The buckets of a run, and the tasks that write them in the `background`."""

    def __init__(
        self,
        store: ClipStore,
        config: WriteShardsConfig,
        provenance: Mapping[str, Any],
        background: Background | None = None,
    ) -> None:
        self.background = background or Here()
        self._weights: list[str] = provenance["weights"]
        self._store, self._config = store, config
        num_videos: int = provenance.get("num_videos", 1)  # an older version did not count them
        num_buckets = count_buckets(num_videos, config.videos_per_bucket)
        self.shards = RunShards(store, num_buckets, config.build().settings(self._weights))

    def by_bucket(self, sources: Iterable[Source]) -> Iterator[Source]:
        """In the order in which buckets fill soonest.

        Lists are read as many times as it takes to hold few of their rows at once.
        """
        num_buckets = self.shards.num_buckets
        num_at_once = max(1, _MAX_HELD // self._config.videos_per_bucket)
        for first in range(0, num_buckets, num_at_once):
            some: defaultdict[int, list[Source]] = defaultdict(list)
            for source in sources:
                number = bucket_of(source.name, num_buckets)
                if first <= number < first + num_at_once:
                    some[number].append(source)
            yield from itertools.chain.from_iterable(some.pop(number) for number in sorted(some))

    def task(self, bucket: Bucket) -> BucketTask:
        """What writes the bucket."""
        return BucketTask(
            root=self._store.root, bucket=bucket, config=self._config, weights=self._weights
        )

    def write_outdated(self, clips: pa.Table) -> Damaged:
        """Brings all shards up to date with these clips; gives those that had to be left out."""
        submitted: list[Bucket] = []
        for bucket in self.shards.outdated(clips_of_shards(clips)):
            self.background.submit(self.task(bucket))
            submitted.append(bucket)
        damaged = self.background.wait()
        for bucket in submitted:
            if not self.shards.written(bucket.number):
                damaged |= self.task(bucket)()  # again, where its error ends the run
                self.shards.written(bucket.number)
        return damaged


class EarlyShards:
    """Has each bucket written as soon as all its videos are through, while the run goes on.

    Args:
        writing: the run's buckets.
        resume: what need not be looked at again.
    """

    def __init__(self, writing: ShardWriting, resume: Resume) -> None:
        self._writing, self._resume = writing, resume
        self._num_buckets = writing.shards.num_buckets
        self._handed_out = 0  # videos of all buckets before this one
        self._open: defaultdict[int, set[str]] = defaultdict(set)  # videos that are not through
        self._rows: defaultdict[int, list[pa.Table]] = defaultdict(list)
        self._num_rows: defaultdict[str, int] = defaultdict(int)  # of videos that are not through
        self._submitted: set[int] = set()

    def handed_out(self, sources: Iterable[Source]) -> Iterator[Source]:
        """The same, bucket by bucket: noted as they go to work."""
        for source in sources:
            number = bucket_of(source.name, self._num_buckets)
            self._open[number].add(source.name)
            self._handed_out = max(self._handed_out, number)
            yield source
        self._handed_out = self._num_buckets

    def __call__(self, rows: pa.Table) -> None:
        """Takes rows of `camvid.books.finished`, as they are listed."""
        at = buckets_of(rows["source_uri"], self._num_buckets)
        for number in np.unique(at).tolist():
            if number not in self._open:
                continue
            some = rows.filter(pa.array(at == number))
            self._rows[number].append(some.select(CLIPS))
            self._count(number, some)
        self._write_full()

    def join(self) -> None:
        """Waits for the tasks and takes note of what they wrote; from now on nothing is early."""
        self._write_full()
        self._writing.background.wait()  # what was left out, the run finds again at its end
        for number in sorted(self._submitted):
            self._writing.shards.written(number)
        self._submitted.clear()
        self._open.clear()
        self._rows.clear()

    def _count(self, number: int, rows: pa.Table) -> None:
        columns = (rows[name].to_pylist() for name in ("source_uri", "rows_of_video"))
        for video, wanted in zip(*columns, strict=True):
            self._num_rows[video] += 1
            if self._num_rows[video] == wanted:
                self._open[number].discard(video)
                del self._num_rows[video]

    def _write_full(self) -> None:
        """Writes the buckets that are through; what comes of one later waits for the run's end."""
        for number in sorted(self._rows):
            if number in self._submitted:
                del self._rows[number]
            elif number < self._handed_out and not self._open[number]:
                self._write(number)

    def _write(self, number: int) -> None:
        before = self._resume.finished_in(number, self._num_buckets).select(CLIPS)
        clips = clips_of_shards(pa.concat_tables([before, *self._rows.pop(number)]))
        bucket = self._writing.shards.unless_written(number, clips)
        if bucket:
            self._writing.background.submit(self._writing.task(bucket))
            self._submitted.add(number)


def clips_of_shards(clips: pa.Table) -> pa.Table:
    """The clips that go into shards; of equal ids the one whose video's name comes first."""
    clips = clips.select(CLIPS)
    clips = clips.filter(pc.is_in(clips["kind"], pa.array(list(INDICATOR))))
    clips = clips.sort_by([("clip_id", "ascending"), ("source_uri", "ascending")])
    ids = clips["clip_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    return clips.take(pa.array(np.unique(ids, return_index=True)[1]))
