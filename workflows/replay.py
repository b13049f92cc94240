"""Runs one stage of one clip again, from the inputs that a finished run stored."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from camvid.errors import ConfigError, DamagedArtifact, StoreError
from camvid.index import find_record, read_index
from camvid.pipeline import CLIP_STAGES
from camvid.plain import did_you_mean
from camvid.record import ClipRecord
from camvid.stage import ClipRow, run_stage
from camvid.store import ClipStore
from stages.split import Split, load_video_record
from workflows.curate import CurateConfig
from workflows.licences import LicenceConfig, weights_in_use
from workflows.run_toml import read_run_toml


def rows_of_run(store: ClipStore, index: Sequence[ClipRecord], before: str) -> Iterator[ClipRow]:
    """The run's rows as they stood before the stage `before`."""
    wanted = {(record.source_uri, record.clip_id): record for record in index}
    for uri in dict.fromkeys(record.source_uri for record in index):
        video = load_video_record(store, uri)
        for row in video.rows if video else ():
            if wanted.pop((uri, row.clip_id), None):
                yield _advance(store, row, before)
    for uri, clip_id in wanted:  # of which the video's record is lost
        yield _lost(ClipRow(clip_id=clip_id, video_uri=uri), Split.name)


def _advance(store: ClipStore, row: ClipRow, before: str) -> ClipRow:
    for stage in CLIP_STAGES[: CLIP_STAGES.index(before)]:
        if row.status != "ok":
            return row
        record = store.load_record(row.clip_id, stage)
        if record is None:
            return _lost(row, stage)
        row = row.after(replace(record, reused=True))
    return row


def _lost(row: ClipRow, stage: str) -> ClipRow:
    """A row that cannot be replayed: it fails rather than leave the index without a word."""
    return replace(
        row,
        status="failed",
        stopped_at=stage,
        cause=DamagedArtifact.__name__,
        error=f"{row.clip_id or row.video_uri}: the record of {stage} must be readable, but is"
        " missing or damaged; `camvid curate` makes it anew",
    )


def replay_stage(store: ClipStore, name: str, clip_id: str) -> ClipRow:
    """Runs one stage of one clip again, from its inputs, whatever is there."""
    if name not in CLIP_STAGES:
        raise ConfigError(f"stage `{name}` cannot be replayed{did_you_mean(name, CLIP_STAGES)}")
    run = read_run_toml(store)
    index = [find_record(read_index(store), clip_id)]
    rows = list(rows_of_run(store, index, name))
    if not rows or rows[0].status != "ok":
        state = f"was {rows[0].status} in {rows[0].stopped_at}" if rows else "has no record"
        raise StoreError(f"clip {clip_id} must have come to the stage {name}, but it {state}")
    chosen = run.section(name, getattr(CurateConfig(), name))
    weights_in_use([chosen], run.section("licences", LicenceConfig()))
    return run_stage(chosen.build(), store, rows[0], force=True)
