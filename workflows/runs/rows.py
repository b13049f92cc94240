"""Rows of clips as they stood after some stage, from the records that the stages left."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import pyarrow as pa

from camvid.books.clip_table import ClipTable
from camvid.errors import DamagedArtifact
from camvid.pipeline import CLIP_STAGES
from camvid.stage import ClipRow
from camvid.store import ClipStore
from stages.run_split import VideoRecord, load_video_record
from stages.split import Split


class StoredRows:
    """Gives the row of a clip that went through all stages, by its id."""

    def __init__(self, store: ClipStore, clips: pa.Table) -> None:
        self._store, self._clips = store, clips  # with clip_id and source_uri
        self._video: tuple[str, VideoRecord | None] = ("", None)  # neighbours share it

    @cached_property
    def uris(self) -> dict[str, str]:
        """The video of each clip; where no shard is written nobody asks."""
        columns = (self._clips[name].to_pylist() for name in ("clip_id", "source_uri"))
        return dict(zip(*columns, strict=True))

    def __call__(self, clip_id: str) -> ClipRow:
        """The row; DamagedArtifact, which names the file, where a record cannot be read."""
        uri = self.uris[clip_id]
        if self._video[0] != uri:
            self._video = (uri, load_video_record(self._store, uri))
        video = self._video[1]
        found = [row for row in video.rows if row.clip_id == clip_id] if video else []
        row = found[0] if found else _lost(ClipRow(clip_id=clip_id, video_uri=uri), Split.name)
        row = _after_all(self._store, row, CLIP_STAGES)
        if row.status == "ok":
            return row
        name = self._store.record_name(clip_id, row.stopped_at)
        raise DamagedArtifact(row.error, name=name)


def rows_of_run(store: ClipStore, index: ClipTable, before: str) -> Iterator[ClipRow]:
    """The run's rows as they stood before the stage `before`."""
    names = zip(*(index.table[n].to_pylist() for n in ("source_uri", "clip_id")), strict=True)
    wanted = dict.fromkeys(names)
    for uri in dict.fromkeys(uri for uri, _ in wanted):
        video = load_video_record(store, uri)
        for row in video.rows if video else ():
            if (uri, row.clip_id) in wanted:
                del wanted[uri, row.clip_id]
                yield _after_all(store, row, CLIP_STAGES[: CLIP_STAGES.index(before)])
    for uri, clip_id in wanted:  # of which the video's record is lost
        yield _lost(ClipRow(clip_id=clip_id, video_uri=uri), Split.name)


def _after_all(store: ClipStore, row: ClipRow, stages: Iterable[str]) -> ClipRow:
    store = store.of_clip(row.clip_id)
    for stage in stages:
        if row.status != "ok":
            return row
        record = store.load_record(row.clip_id, stage)
        row = row.after(replace(record, reused=True)) if record else _lost(row, stage)
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
