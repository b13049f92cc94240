"""One command's work on a run: what is left to do, what is booked of it, and what it leaves."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from camvid.arrow import pc
from camvid.attempts import Attempts
from camvid.books.clip_table import ClipTable
from camvid.books.finished import graph_keys
from camvid.errors import DamagedArtifact
from camvid.stage import ClipRow, StageConfig
from camvid.store import ClipStore
from camvid.video.source import Source
from camvid.video.sources import Sources
from stages.split import SplitConfig
from workflows.curate_config import CurateConfig
from workflows.runs.books import Books, list_rows
from workflows.runs.breaker import Breaker
from workflows.runs.copies import known_key
from workflows.runs.gather import gather
from workflows.runs.licences import weights_in_use
from workflows.runs.observe import log_lines_of, log_row, of_run
from workflows.runs.provenance import make_provenance, weight_lines
from workflows.runs.resume import Resume
from workflows.runs.run_folder import claim
from workflows.runs.run_state import StateWriter
from workflows.runs.run_toml import write_run_toml
from workflows.runs.shard_writing import Background, EarlyShards, ShardWriting
from workflows.runs.tried_last import in_order, remembered

log = logging.getLogger(__name__)


class Executor(Protocol):
    """Where the graph runs: takes videos through `split` and the clip stages, in any order."""

    def __call__(
        self,
        videos: Iterable[Source],
        split: SplitConfig,
        stages: Sequence[StageConfig],
        root: str,
        attempts: Attempts = ...,
    ) -> Iterable[ClipRow]: ...


class Curation:
    """A context in which one command works on a run, and other commands are told so."""

    def __init__(
        self,
        store: ClipStore,
        videos: Sources,
        config: CurateConfig,
        execute: Executor,
        on_row: Callable[[ClipRow], None],
        *,
        retry_failed: bool,
    ) -> None:
        """Reads what earlier commands left; the arguments are those of `workflows.curate`."""
        # What is missing, damaged or not accepted ends the run before it leaves a trace.
        weights = weights_in_use((config.split, *config.clip_stages()), config.licences)
        known = known_key(config.copies)
        self._split = replace(config.split, known_clips=config.copies.known_clips if known else "")
        claim(store)
        self._store, self._videos, self._config = store, videos, config
        self._execute, self._on_row = execute, on_row
        self._state = StateWriter(store, videos.count())
        self._attempts = Attempts(
            run=self._state.run, stopped=self._state.stopped_before, retry_failed=retry_failed
        )
        self._graph = graph_keys((self._split, *config.clip_stages()), weights, known)
        self._resume = Resume(store, self._graph)
        self._provenance = make_provenance(weight_lines(weights), videos)
        background = execute if isinstance(execute, Background) else None
        self._writing = ShardWriting(store, config.write_shards, self._provenance, background)
        self._early = EarlyShards(self._writing, self._resume)
        passed = self._resume.passed()
        self._breaker = Breaker(config.breaker, came=Counter(passed), passed=passed)
        self._made: list[pa.Table] = []  # rows of the finished (GATHERED) that were booked
        self._redone = pa.array([], pa.string())  # videos whose clips proved damaged

    def __enter__(self) -> Self:
        write_run_toml(self._store, self._config, self._provenance)  # makes the folder a run's
        with ExitStack() as contexts:
            contexts.enter_context(self._state)
            contexts.enter_context(log_lines_of(self._state.run))
            self._remember = contexts.enter_context(remembered(self._store))
            self._contexts = contexts.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._contexts.__exit__(kind, error, traceback)

    def todo(self) -> Iterator[Source]:
        """The videos of which something is left to do; those that failed before come last."""
        todo = self._resume.todo(self._writing.by_bucket(self._videos), self._count)
        return self._early.handed_out(in_order(self._store, todo))

    def take(self, videos: Iterable[Source]) -> None:
        """Takes videos through the stages; books each clip as it comes, and writes full shards."""
        with Books(self._store, self._graph, self._early) as book:
            for found in self._with_second_pass(self._rows(videos)):
                row = of_run(found, self._state.run)
                self._remember(row)
                book(row)
                self._breaker.watch(row)
                log_row(row)
                self._count(row)
        self._made.append(book.table())
        self._state.check()
        self._early.join()

    def gather(self) -> tuple[ClipTable, list[Source]]:
        """Writes what is left of the shards, the index and the dataset card.

        Returns:
            the index, and those videos passed over as finished of which a clip proved damaged.
        """
        finished = self._resume.finished
        if len(self._redone):
            finished = finished.filter(pc.invert(pc.is_in(finished["source_uri"], self._redone)))
        clips = pa.concat_tables([finished, *self._made])
        gathered = gather(self._store, self._writing, self._config.copies, clips, self._provenance)
        list_rows(self._store, [gathered.damaged])
        damaged = pc.is_in(finished["clip_id"], gathered.damaged["clip_id"].combine_chunks())
        self._redone = pc.unique(finished.filter(damaged)["source_uri"])
        return gathered.index, self._named(set(self._redone.to_pylist()))

    def _rows(self, videos: Iterable[Source]) -> Iterable[ClipRow]:
        rest = iter(videos)
        first = next(rest, None)
        if first is None:
            return ()  # no model need load
        some, stages = itertools.chain([first], rest), self._config.clip_stages()
        return self._execute(some, self._split, stages, self._store.root, self._attempts)

    def _with_second_pass(self, rows: Iterable[ClipRow]) -> Iterator[ClipRow]:
        """All rows; clips on whose damaged artifacts a stage came are taken through once more.

        What was damaged is gone by then, so the stage that had written it runs again, wherever it
        runs. Clips that stay damaged are failed rows.
        """
        damaged: dict[str, ClipRow] = {}
        for row in rows:
            if row.cause == DamagedArtifact.__name__:
                log.warning("%s", row.error)
                damaged[row.clip_id] = row
            else:
                yield row
        for row in self._rows(self._named({row.video_uri for row in damaged.values()})):
            if damaged.pop(row.clip_id, None):
                yield row
        yield from damaged.values()  # the video changed meanwhile

    def _named(self, names: Collection[str]) -> list[Source]:
        """The videos of these names; lists are read once more to find them."""
        return [source for source in self._videos if source.name in names] if names else []

    def _count(self, row: ClipRow) -> None:
        self._state.count(row)
        self._on_row(row)
