"""The CamVid-30K curation (GenXD, arXiv 2411.02319, section 3): raw videos to a 4D dataset.

The stages and their order are those of `camvid.pipeline`.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from camvid.artifacts import Clip, Verdict
from camvid.attempts import Attempts
from camvid.errors import DamagedArtifact
from camvid.index import placed, stopped_record, verdict_record, write_index
from camvid.ledger import LedgerWriter
from camvid.memory import release_memory
from camvid.outcome import Kind
from camvid.pipeline import CLIP_STAGES
from camvid.record import ClipRecord
from camvid.settings import table
from camvid.stage import ClipRow, StageConfig, failure
from camvid.store import ClipStore, StageRecord
from camvid.video.names import source_name
from stages.align_depth import AlignDepthConfig
from stages.filter import FilterConfig
from stages.measure_motion import MeasureMotionConfig
from stages.rate_rigidity import RateRigidityConfig
from stages.reconstruct import ReconstructConfig
from stages.segment import SegmentConfig
from stages.split import SplitConfig
from stages.track import TrackConfig
from stages.verify import VerifyConfig
from stages.write_shards import WriteShards, WriteShardsConfig
from workflows.breaker import Breaker, BreakerConfig
from workflows.licences import LicenceConfig, weights_in_use
from workflows.limits import LimitsConfig
from workflows.provenance import make_provenance, weight_lines
from workflows.reporting import ReportConfig, write_card
from workflows.run_folder import claim
from workflows.run_state import StateWriter
from workflows.run_toml import write_run_toml
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
    filter: FilterConfig = table(FilterConfig())
    write_shards: WriteShardsConfig = table(WriteShardsConfig())
    report: ReportConfig = table(ReportConfig())
    limits: LimitsConfig = table(LimitsConfig())
    breaker: BreakerConfig = table(BreakerConfig())
    licences: LicenceConfig = table(LicenceConfig())

    def clip_stages(self) -> tuple[StageConfig, ...]:
        """The stages that take one clip from artifact to artifact."""
        return tuple(getattr(self, name) for name in CLIP_STAGES)


class Executor(Protocol):
    """Where the graph runs: takes videos through `split` and the clip stages, in any order."""

    def __call__(
        self,
        videos: Sequence[str],
        split: SplitConfig,
        stages: Sequence[StageConfig],
        root: str,
        attempts: Attempts = ...,
    ) -> Iterable[ClipRow]: ...


def curate(
    videos: Sequence[str],
    out: str,
    config: CurateConfig,
    execute: Executor,
    on_row: Callable[[ClipRow], None] = lambda row: None,
    *,
    retry_failed: bool = False,
) -> list[ClipRecord]:
    """Runs the whole graph on `videos` and leaves the dataset in `out`; returns the index.

    Args:
        retry_failed: try clips anew that crashed, hung or took too much memory in earlier runs.

    Raises:
        ConfigError: `out` holds files that are no run's, or another command works on it; nothing
            was written.
    """
    # What is missing, damaged or not accepted ends the run before it leaves a trace.
    weights = weights_in_use((config.split, *config.clip_stages()), config.licences)
    store = ClipStore(out)
    claim(store)
    state = StateWriter(store, len(videos))
    attempts = Attempts(run=state.run, stopped=state.stopped_before, retry_failed=retry_failed)

    def executed(some: Sequence[str]) -> Iterable[ClipRow]:
        return execute(some, config.split, config.clip_stages(), out, attempts)

    ordered = in_order(store, videos)
    first = executed(ordered)
    provenance = make_provenance(weight_lines(weights), videos)
    write_run_toml(store, config, provenance)  # the first file: it makes the folder a run's
    with state:
        rows: list[ClipRow] = []
        with remembered(store) as remember, booked(store, Breaker(config.breaker)) as book:
            for row in _with_second_pass(ordered, first, executed):
                remember(row)
                book(row)
                state.count(row)
                on_row(row)
                rows.append(row)
        state.check()
        return gather(store, config.write_shards, _once_per_clip(rows), provenance)


def gather(
    store: ClipStore,
    sizes: WriteShardsConfig,
    rows: Sequence[ClipRow],
    provenance: Mapping[str, Any],
) -> list[ClipRecord]:
    """Shards, index and dataset card from the rows of all clips."""
    finished: dict[str, tuple[ClipRow, Kind]] = {}
    index: dict[int, ClipRecord] = {}
    for number, row in enumerate(rows):
        try:
            clip = store.load(row.clip_id, Clip, row.stored(Clip)) if row.clip_id else None
            if clip is None or row.status != "ok":
                index[number] = stopped_record(row, clip)
                continue
            verdict = store.load(row.clip_id, Verdict, row.stored(Verdict))
        except DamagedArtifact as error:
            store.remove(error.name)
            index[number] = stopped_record(_failed(row, error), None)
            continue
        finished[row.clip_id] = (row, verdict.kind)
        index[number] = verdict_record(row, clip, verdict)
    write_shards = sizes.build()
    places = write_shards(store, finished, provenance["weights"])
    for number, row in enumerate(rows):
        if error := write_shards.damaged.get(row.clip_id):
            index[number] = stopped_record(_failed(row, error), None)
    release_memory()
    written = write_index(store, [placed(r, places.get(r.clip_id)) for r in index.values()])
    write_card(store, written, provenance)
    return written


def _failed(row: ClipRow, error: DamagedArtifact) -> ClipRow:
    """The row of a clip that cannot be gathered: the next run makes what is damaged anew."""
    record = StageRecord(
        clip_id=row.clip_id,
        stage=WriteShards.name,
        version=WriteShards.version,
        artifact="",
        fingerprint="",
        **failure(error, ""),
    )
    return row.after(record)


def _with_second_pass(
    videos: Sequence[str],
    first: Iterable[ClipRow],
    execute: Callable[[Sequence[str]], Iterable[ClipRow]],
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
    for row in execute([video for video in videos if source_name(video) in again]):
        if damaged.pop(row.clip_id, None):
            yield row
    yield from damaged.values()  # the video changed meanwhile


@contextmanager
def booked(store: ClipStore, breaker: Breaker) -> Generator[Callable[[ClipRow], None], None, None]:
    """Gives what books each row as it comes, and stops the run where it has become pointless."""
    ledger = LedgerWriter(store)

    def book(row: ClipRow) -> None:
        ledger.append(row.records)
        breaker.watch(row)

    try:
        yield book
    finally:
        ledger.flush()


def _once_per_clip(rows: Sequence[ClipRow]) -> list[ClipRow]:
    """Rows in a fixed order; a clip reached by two names of one file counts once."""
    ordered = sorted(rows, key=lambda row: (row.video_uri, row.clip_id))
    seen: set[str] = set()
    unique: list[ClipRow] = []
    for row in ordered:
        if row.clip_id and row.clip_id in seen:
            log.warning("%s holds clip %s again; it counts once", row.video_uri, row.clip_id)
            continue
        seen.add(row.clip_id)
        unique.append(row)
    return unique
