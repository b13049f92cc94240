"""A discrete-event model of the graph on a cluster: splitters, workers, and the driver of Ray.

Splitters take videos, and each clip goes to a queue as soon as it is cut; a full queue stops them.
A worker takes a clip through all other stages. Before that the driver of Ray Data, of which there
is one, spends a moment on every row. What a clip takes is drawn from measured clips.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from camvid.books.index import read_index
from camvid.books.ledger import read_ledger
from camvid.pipeline import FIRST
from camvid.store import ClipStore

_QUEUED = 2  # clips for each worker, beyond which Ray holds the splitters back


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTimes:
    """Seconds that a clip took."""

    split_s: float
    stages: Mapping[str, float]  # all that follow; none where split refused it

    @property
    def stages_s(self) -> float:
        return sum(self.stages.values())


Video = tuple[ClipTimes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """How many of each there are."""

    splitters: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What came of it."""

    done_s: np.ndarray  # [clips] when each came out, from the start
    busy: dict[str, float]  # share of its time: split, stages, driver

    @property
    def clips_per_hour(self) -> float:
        """While all is under way: without the first and the last tenth."""
        first, last = (int(len(self.done_s) * share) for share in (0.1, 0.9))
        return 3600 * (last - first) / (self.done_s[last] - self.done_s[first])


def measured_videos(store: ClipStore) -> list[Video]:
    """What each video of a finished run took, by its ledger."""
    columns = read_ledger(store, ["clip_id", "stage", "seconds"]).to_pydict()
    took = {(clip, stage): s for clip, stage, s in zip(*columns.values(), strict=True)}
    stages: dict[str, dict[str, float]] = defaultdict(dict)
    for (clip_id, stage), seconds in took.items():
        if stage != FIRST:
            stages[clip_id][stage] = seconds
    videos: dict[str, list[ClipTimes]] = defaultdict(list)
    for clip_id, uri in _named(store):
        if clip_id:
            split_s = took.get((clip_id, FIRST), 0.0)
            videos[uri].append(ClipTimes(split_s=split_s, stages=stages[clip_id]))
    return [tuple(clips) for clips in videos.values()]


def _named(store: ClipStore) -> Iterable[tuple[str, str]]:
    """Clip and video of each row."""
    table = read_index(store, columns=["clip_id", "source_uri"]).table
    return zip(table["clip_id"].to_pylist(), table["source_uri"].to_pylist(), strict=True)


def drawn(videos: Sequence[Video], num_clips: int, seed: int = 0) -> Iterator[Video]:
    """Videos like these, of so many clips in all."""
    random = np.random.default_rng(seed)
    while num_clips > 0:
        video = videos[random.integers(len(videos))]
        num_clips -= len(video)
        yield video


def simulate(videos: Iterable[Video], pools: Pools, *, row_s: float) -> Simulated:
    """Takes the videos through the graph.

    Args:
        row_s: what Ray's driver spends on a row.
    """
    model = _Model(iter(videos), pools, row_s)
    for _ in range(pools.splitters):
        model.env.process(model.split())
    for _ in range(pools.workers):
        model.env.process(model.work())
    model.env.run()  # until nothing happens any more
    end_s = model.done_s[-1]
    return Simulated(
        done_s=np.array(model.done_s),
        busy={
            "split": model.busy_s["split"] / (end_s * pools.splitters),
            "stages": model.busy_s["stages"] / (end_s * pools.workers),
            "driver": model.busy_s["driver"] / end_s,
        },
    )


class _Model:
    """The processes of the model."""

    def __init__(self, videos: Iterator[Video], pools: Pools, row_s: float) -> None:
        self.env = simpy.Environment()
        self._videos, self._row_s = videos, row_s
        self._queue = simpy.Store(self.env, capacity=_QUEUED * pools.workers)
        self._driver = simpy.Resource(self.env)
        self.done_s: list[float] = []
        self.busy_s: dict[str, float] = defaultdict(float)

    def split(self) -> Iterator[Any]:
        for video in self._videos:  # shared: each takes the next
            for clip in video:
                yield self._spend("split", clip.split_s)
                yield self._queue.put(clip)

    def work(self) -> Iterator[Any]:
        while True:
            clip = yield self._queue.get()
            with self._driver.request() as turn:
                yield turn
                yield self._spend("driver", self._row_s)
            yield self._spend("stages", clip.stages_s)
            self.done_s.append(self.env.now)

    def _spend(self, what: str, seconds: float) -> simpy.Timeout:
        self.busy_s[what] += seconds
        return self.env.timeout(seconds)
