"""The CamVid-30K curation (GenXD, arXiv 2411.02319, section 3): raw videos to a 4D dataset.

split            shots of one camera each                        (section 3.1)
segment          everything that may move, masked greedily       (3.1)
reconstruct      camera poses by masked structure from motion    (3.1)
verify           the masks, held against the cameras
align_depth      dense depth in the units of the sparse points   (3.2)
track            keypoints on every object                       (3.2)
measure_motion   what camera motion does not explain             (3.2)
filter           the clip's kind, with reasons                   (3.2)
write_shards     Parquet for training
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from camvid.artifacts import Clip, Verdict
from camvid.index import IndexRow, placed, stopped_row, verdict_row, write_index
from camvid.ledger import LedgerWriter
from camvid.memory import give_back
from camvid.outcome import Kind
from camvid.stage import ClipRow, StageConfig
from camvid.store import ClipStore
from stages.align_depth import AlignDepthConfig
from stages.filter import FilterConfig
from stages.measure_motion import MeasureMotionConfig
from stages.reconstruct import ReconstructConfig
from stages.segment import SegmentConfig
from stages.split import SplitConfig
from stages.track import TrackConfig
from stages.verify import VerifyConfig
from stages.write_shards import WriteShardsConfig
from workflows.breaker import Breaker
from workflows.licences import LicenceConfig, weights_in_use
from workflows.provenance import Provenance, make_provenance, weight_lines, write_run_toml
from workflows.reporting import ReportConfig, write_card

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """The whole run, one section per stage, in order."""

    split: SplitConfig = SplitConfig()
    segment: SegmentConfig = SegmentConfig()
    reconstruct: ReconstructConfig = ReconstructConfig()
    verify: VerifyConfig = VerifyConfig()
    align_depth: AlignDepthConfig = AlignDepthConfig()
    track: TrackConfig = TrackConfig()
    measure_motion: MeasureMotionConfig = MeasureMotionConfig()
    filter: FilterConfig = FilterConfig()
    write_shards: WriteShardsConfig = WriteShardsConfig()
    report: ReportConfig = ReportConfig()
    licences: LicenceConfig = LicenceConfig()

    def clip_stages(self) -> tuple[StageConfig, ...]:
        """The stages that take one clip from artifact to artifact."""
        return (
            self.segment,
            self.reconstruct,
            self.verify,
            self.align_depth,
            self.track,
            self.measure_motion,
            self.filter,
        )


class Executor(Protocol):
    """Where the graph runs: takes videos through `split` and the clip stages, in any order."""

    def __call__(
        self,
        videos: Sequence[str],
        split: SplitConfig,
        stages: Sequence[StageConfig],
        root: str,
    ) -> Iterable[ClipRow]: ...


def curate(
    videos: Sequence[str],
    out: str,
    config: CurateConfig,
    execute: Executor,
    on_row: Callable[[ClipRow], None] = lambda row: None,
) -> list[IndexRow]:
    """Runs the whole graph on `videos` and leaves the dataset in `out`; returns the index."""
    # What is missing, damaged or not accepted ends the run before it leaves a trace.
    weights = weights_in_use((config.split, *config.clip_stages()), config.licences)
    executed = execute(videos, config.split, config.clip_stages(), out)
    store = ClipStore(out)
    provenance = make_provenance(weight_lines(weights), videos)
    write_run_toml(store, config, provenance)
    rows = list(_watched(executed, store, on_row))
    return gather(store, config, _once_per_clip(rows), provenance)


def gather(
    store: ClipStore, config: CurateConfig, rows: Sequence[ClipRow], provenance: Provenance
) -> list[IndexRow]:
    """Shards, index and dataset card from the rows of all clips."""
    finished: dict[str, tuple[ClipRow, Kind]] = {}
    index: list[IndexRow] = []
    for row in rows:
        clip = store.load(row.clip_id, Clip) if row.clip_id else None
        if clip is None or row.status != "ok":
            index.append(stopped_row(row, clip))
            continue
        verdict = store.load(row.clip_id, Verdict)
        finished[row.clip_id] = (row, verdict.kind)
        index.append(verdict_row(row, clip, verdict, None))
    places = config.write_shards.build()(store, finished, provenance["weights"])
    give_back()
    index = write_index(store, [placed(row, places.get(row["clip_id"])) for row in index])
    write_card(store, index, provenance)
    return index


def _watched(
    rows: Iterable[ClipRow], store: ClipStore, on_row: Callable[[ClipRow], None]
) -> Iterator[ClipRow]:
    """Books each row as it comes; stops the run where nearly all fail alike."""
    ledger, breaker = LedgerWriter(store), Breaker()
    try:
        for row in rows:
            ledger.append(row.records)
            on_row(row)
            breaker.watch(row)
            yield row
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
