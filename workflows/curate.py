"""The CamVid-30K curation (GenXD, arXiv 2411.02319, section 3): raw videos to a 4D dataset.

The stages and their order are those of `camvid.pipeline`.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa

from camvid.arrow import pc
from camvid.attempts import Attempts
from camvid.books.clip_table import ClipTable
from camvid.books.finished import graph_keys
from camvid.errors import DamagedArtifact
from camvid.pipeline import CLIP_STAGES
from camvid.settings import table
from camvid.stage import ClipRow, StageConfig
from camvid.store import ClipStore
from camvid.video.source import Source
from camvid.video.sources import Sources
from stages.align_depth import AlignDepthConfig
from stages.describe import DescribeConfig
from stages.filter import FilterConfig
from stages.measure_motion import MeasureMotionConfig
from stages.rate_rigidity import RateRigidityConfig
from stages.reconstruct import ReconstructConfig
from stages.segment import SegmentConfig
from stages.split import SplitConfig
from stages.track import TrackConfig
from stages.verify import VerifyConfig
from stages.write_shards import WriteShardsConfig
from workflows.books import Books, list_rows
from workflows.breaker import Breaker, BreakerConfig
from workflows.copies import CopiesConfig, known_key
from workflows.gather import gather
from workflows.licences import LicenceConfig, weights_in_use
from workflows.limits import LimitsConfig
from workflows.observe import log_lines_of, log_row, of_run
from workflows.provenance import make_provenance, weight_lines
from workflows.reporting import ReportConfig
from workflows.resume import Resume
from workflows.run_folder import claim
from workflows.run_state import StateWriter
from workflows.run_toml import write_run_toml
from workflows.shard_writing import Background, EarlyShards, ShardWriting
from workflows.tried_last import in_order, remembered

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """The whole run, one section per stage and what concerns all of them."""

    split: SplitConfig = table(SplitConfig())
    segment: SegmentConfig = table(SegmentConfig())
    track: TrackConfig = table(TrackConfig())
    reconstruct: ReconstructConfig = table(ReconstructConfig())
    rate_rigidity: RateRigidityConfig = RateRigidityConfig()
    verify: VerifyConfig = VerifyConfig()
    align_depth: AlignDepthConfig = table(AlignDepthConfig())
    measure_motion: MeasureMotionConfig = MeasureMotionConfig()
    describe: DescribeConfig = table(DescribeConfig())
    filter: FilterConfig = table(FilterConfig())
    write_shards: WriteShardsConfig = table(WriteShardsConfig())
    report: ReportConfig = table(ReportConfig())
    limits: LimitsConfig = table(LimitsConfig())
    breaker: BreakerConfig = table(BreakerConfig())
    licences: LicenceConfig = table(LicenceConfig())
    copies: CopiesConfig = table(CopiesConfig())

    def clip_stages(self) -> tuple[StageConfig, ...]:
        """The stages that take one clip from artifact to artifact."""
        return tuple(getattr(self, name) for name in CLIP_STAGES)


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


def curate(
    videos: Sources | Sequence[str],
    out: str,
    config: CurateConfig,
    execute: Executor,
    on_row: Callable[[ClipRow], None] = lambda row: None,
    *,
    retry_failed: bool = False,
) -> ClipTable:
    """Runs the whole graph on `videos` and leaves the dataset in `out`; returns the index.

    Args:
        retry_failed: try clips anew that crashed, hung or took too much memory in earlier runs.

    Raises:
        ConfigError: `out` holds files that are no run's, or another command works on it; nothing
            was written.
    """
    # What is missing, damaged or not accepted ends the run before it leaves a trace.
    weights = weights_in_use((config.split, *config.clip_stages()), config.licences)
    known = known_key(config.copies)
    split = replace(config.split, known_clips=config.copies.known_clips if known else "")
    store = ClipStore(out)
    claim(store)
    sources = Sources.of(videos)
    state = StateWriter(store, sources.count())
    attempts = Attempts(run=state.run, stopped=state.stopped_before, retry_failed=retry_failed)
    graph = graph_keys((split, *config.clip_stages()), weights, known)
    resume = Resume(store, graph)

    def count(row: ClipRow) -> None:
        state.count(row)
        on_row(row)

    def executed(some: Iterator[Source]) -> Iterable[ClipRow]:
        for source in some:  # where there is none, no model need load
            some = itertools.chain([source], some)
            return execute(some, split, config.clip_stages(), out, attempts)
        return ()

    def once_more(names: Collection[str]) -> Iterable[ClipRow]:
        return executed(source for source in sources if source.name in names)

    provenance = make_provenance(weight_lines(weights), sources)
    background = execute if isinstance(execute, Background) else None
    writing = ShardWriting(store, config.write_shards, provenance, background)
    early = EarlyShards(writing, resume)
    todo = resume.todo(writing.by_bucket(sources), count)
    first = executed(early.handed_out(in_order(store, todo)))
    write_run_toml(store, config, provenance)  # the first file: it makes the folder a run's
    passed = resume.passed()
    breaker = Breaker(config.breaker, came=Counter(passed), passed=passed)
    with state, log_lines_of(state.run), remembered(store) as remember:

        def run(
            rows: Iterable[ClipRow], on_listed: Callable[[pa.Table], None] = lambda rows: None
        ) -> pa.Table:
            with Books(store, graph, on_listed) as book:
                for found in _with_second_pass(rows, once_more):
                    row = of_run(found, state.run)
                    remember(row)
                    book(row)
                    breaker.watch(row)
                    log_row(row)
                    count(row)
            return book.table()

        made = run(first, early)
        state.check()
        early.join()
        finished = resume.finished
        clips = pa.concat_tables([finished, made])
        gathered = gather(store, writing, config.copies, clips, provenance)
        again = _listed_but_damaged(gathered.damaged, finished)
        if len(again):
            finished = finished.filter(pc.invert(pc.is_in(finished["source_uri"], again)))
            clips = pa.concat_tables([finished, made, run(once_more(set(again.to_pylist())))])
            gathered = gather(store, writing, config.copies, clips, provenance)
        list_rows(store, [gathered.damaged])
        return gathered.index


def _listed_but_damaged(damaged: pa.Table, finished: pa.Table) -> pa.Array:
    """Videos of clips that were passed over as finished, and turned out to be damaged."""
    listed = damaged.filter(pc.is_in(damaged["clip_id"], finished["clip_id"].combine_chunks()))
    return pc.unique(listed["source_uri"])


def _with_second_pass(
    first: Iterable[ClipRow], once_more: Callable[[Collection[str]], Iterable[ClipRow]]
) -> Iterator[ClipRow]:
    """All rows; clips on whose damaged artifacts a stage came are taken through once more.

    What was damaged is gone by then, so the stage that had written it runs again, wherever it
    runs. Clips that stay damaged are failed rows.
    """
    damaged: dict[str, ClipRow] = {}
    for row in first:
        if row.cause == DamagedArtifact.__name__:
            log.warning("%s", row.error)
            damaged[row.clip_id] = row
        else:
            yield row
    again = {row.video_uri for row in damaged.values()}
    if not again:
        return
    for row in once_more(again):
        if damaged.pop(row.clip_id, None):
            yield row
    yield from damaged.values()  # the video changed meanwhile
