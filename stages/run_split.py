"""The barrier of `split`, the one stage that fans out, as `run_stage` is the other stages'."""

import hashlib
import json
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from camvid.artifacts import Clip, Frames
from camvid.attempts import (
    ANY_RUN,
    MAX_ATTEMPTS,
    UNFINISHED,
    Attempts,
    ended,
    given_up,
    is_given_up,
)
from camvid.errors import ConfigError, DamagedArtifact
from camvid.memory import peak_gpu_bytes, peak_rss_bytes, release_memory
from camvid.outcome import Reason
from camvid.parallel import one_thread_per_call
from camvid.plain import from_plain, to_plain
from camvid.reasons import Why
from camvid.stage import ClipRow, failure
from camvid.store import ClipStore, StageRecord, Stored
from camvid.video.cut import CutClip
from camvid.video.source import Source
from stages.split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecord:
    """What `split` made of a video; lets a resumed run pass over it unread."""

    uri: str
    stat: str  # size and time of change: a video that changed is split again
    fingerprint: str
    rows: tuple[ClipRow, ...] = field(default=())


def run_split(
    split: Split, store: ClipStore, source: Source, attempts: Attempts = ANY_RUN
) -> Iterator[ClipRow]:
    """The video's clips as rows, each as soon as it is cut; copies of known ones are rejected.

    What is written down of the video does not say so: it holds whatever is known next time.
    """
    for row in _rows_of(split, store, source, attempts):
        if split.known and row.status == "ok":
            row = split.known.unless_known(row, store.load(row.clip_id, Clip))
        yield row


def _rows_of(
    split: Split, store: ClipStore, source: Source, attempts: Attempts
) -> Iterator[ClipRow]:
    """The video's clips as rows, each as soon as it is cut.

    Whatever goes wrong with a video is one failed row of it, beside the clips that were cut
    before; only what concerns the whole run is raised (`camvid.stage.failure`). Rows call the
    video by its name (`Source.name`).
    """
    start = time.perf_counter()
    try:
        stat = source.stat()
        identity = split.fingerprint(source.name, stat)
    except Exception as error:  # noqa: BLE001  (the barrier: one video must not sink the run)
        yield _failed(source.name, "", start, error)
        return
    known = load_video_record(store, source.name)
    if known and known.fingerprint == identity and _is_whole(store, known):
        yield from (_reused(row) for row in known.rows)
        return
    before = _attempt_at(known)
    number = attempts.count(before, identity)
    empty = VideoRecord(uri=source.name, stat=stat, fingerprint=identity)
    if known and before and number >= MAX_ATTEMPTS:
        yield from (_reused(row) for row in known.rows[:-1])
        yield _row_of(source.name, given_up(before, source.name))
        return
    begun = attempts.begin(_record("", identity, 0.0), number + 1)
    save_video_record(store, replace(empty, rows=(_row_of(source.name, begun),)))
    rows: list[ClipRow] = []
    try:
        for row in _split(split, store, source, identity):
            rows.append(row := _measured(row, number, attempts.run))
            yield row
    except BaseException:
        store.remove(_record_name(source.name))  # the run ends, and not by this video's fault
        raise
    release_memory()
    save_video_record(store, replace(empty, rows=tuple(rows)))


def split_ended(
    store: ClipStore, name: str, cut: Sequence[ClipRow], cause: str, what: str
) -> ClipRow | None:
    """Writes down how an attempt at a video ended that did not come back.

    `cut` are the clips that came out before. Returns the failed row if it was the last attempt.
    """
    known = load_video_record(store, name)
    record = _attempt_at(known)
    if known is None or record is None or record.cause != UNFINISHED:
        return None
    record = ended(record, name, cause, what)
    row = _row_of(name, record)
    save_video_record(store, replace(known, rows=(*cut, row)))
    return row if is_given_up(record) else None


def _measured(row: ClipRow, attempts: int, run: str) -> ClipRow:
    """The row with what it took: attempts that did not come back, memory; and where it ran."""
    took = {
        "attempts": attempts,
        "run": run,
        "peak_rss_bytes": peak_rss_bytes(),
        "peak_gpu_bytes": peak_gpu_bytes(),
        "host": socket.gethostname(),
    }
    return replace(row, records=tuple(replace(record, **took) for record in row.records))


def _attempt_at(known: VideoRecord | None) -> StageRecord | None:
    """The record in which an attempt at a video would stand: that of its last row."""
    return known.rows[-1].records[-1] if known and known.rows else None


def lost_video(name: str) -> ClipRow:
    """The row of a video of which nothing came back, though all work is done."""
    error = f"{name}: rows must come of every video, but none came; run the same command again"
    return _row_of(name, _record("", "", 0.0, status="failed", cause="lost", error=error))


def _split(split: Split, store: ClipStore, source: Source, identity: str) -> Iterator[ClipRow]:
    start = time.perf_counter()
    pieces = split(source)
    num_clips = 0
    try:
        while True:
            with one_thread_per_call():  # not while a clip that was cut is taken on
                piece = next(pieces, None)
            if piece is None:
                break
            yield _save(split, store, piece, identity, time.perf_counter() - start)
            num_clips += 1
            start = time.perf_counter()
    except Exception as error:  # noqa: BLE001  (the barrier: one video must not sink the run)
        yield _failed(source.name, identity, start, error)
        return
    if not num_clips:
        reason = Reason(Why.NO_DECODABLE_SPAN)
        record = _record("", identity, 0.0, status="rejected", reason=reason)
        yield _row_of(source.name, record)


def _row_of(name: str, record: StageRecord) -> ClipRow:
    """The row of a video as a whole."""
    return ClipRow(clip_id="", video_uri=name).after(record)


def _failed(name: str, identity: str, start: float, error: Exception) -> ClipRow:
    outcome = failure(error, f"{name}, {Split.name}")
    if name not in outcome["error"]:
        outcome["error"] = f"{name}: {outcome['error']}"
    record = _record("", identity, time.perf_counter() - start, **outcome)
    return _row_of(name, record)


def _is_whole(store: ClipStore, known: VideoRecord) -> bool:
    """Whether nothing failed, and all that was cut is there."""
    for row in known.rows:
        clip_store = store.of_clip(row.clip_id)
        if any(r.status == "failed" or not clip_store.is_whole(r) for r in row.records):
            return False
        try:
            if row.clip_id:
                clip_store.load(row.clip_id, Clip)
        except DamagedArtifact:
            return False
    return True


def _save(split: Split, store: ClipStore, piece: CutClip, identity: str, seconds: float) -> ClipRow:
    clip = piece.clip
    record = _record(clip.clip_id, identity, seconds)
    stored: dict[str, Stored] = {}
    if piece.rejected:
        measured = dict(piece.rejected.measured)
        record = replace(record, status="rejected", reason=piece.rejected.reason, measured=measured)
    else:
        stored[Frames.__name__] = store.save_frames(clip, piece.jpegs)
        for artifact in piece.extra:
            stored[type(artifact).__name__] = store.save(clip.clip_id, artifact)
    # Not recorded as stored: a copy of the video cuts the same clip, and names itself in it.
    store.save(clip.clip_id, clip)
    record = replace(record, stored=stored)
    row = ClipRow(clip_id=clip.clip_id, video_uri=clip.video.uri).after(record)
    return replace(row, fingerprints=_identities(piece, split))


def _identities(piece: CutClip, split: Split) -> dict[str, str]:
    """Identity of what was cut: its source and how it was cut, not where that lies.

    What a list says of the video has its own: shards are written anew where it changes, but no
    stage runs again.
    """
    video = piece.clip.video
    known = [json.dumps(video.calibration)] if video.calibration else []
    identity = split.fingerprint(video.sha256, piece.clip.clip_id, *known)
    kinds = (Clip, Frames, *map(type, piece.extra))
    identities = {kind.__name__: identity for kind in kinds}
    if video.caption or video.listed or video.licence != split.config.licence:
        said = json.dumps([video.licence, video.caption, video.listed])
        identities["listed"] = hashlib.sha256(said.encode()).hexdigest()
    return identities


def _record(clip_id: str, identity: str, seconds: float, **outcome: Any) -> StageRecord:
    settings: dict[str, Any] = {"status": "ok", **outcome}
    return StageRecord(
        clip_id=clip_id,
        stage=Split.name,
        version=Split.version,
        artifact=Clip.__name__,
        fingerprint=identity,
        seconds=seconds,
        **settings,
    )


def _record_name(name: str) -> str:
    return f"videos/{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"


def _reused(row: ClipRow) -> ClipRow:
    return replace(row, records=tuple(replace(r, reused=True) for r in row.records))


def save_video_record(store: ClipStore, record: VideoRecord) -> None:
    store.write_bytes(_record_name(record.uri), json.dumps(to_plain(record), indent=1).encode())


def load_video_record(store: ClipStore, video: str) -> VideoRecord | None:
    """What an earlier run made of this video; None where it made nothing, or nothing readable."""
    name = _record_name(video)
    if not store.exists(name):
        return None
    try:
        record = from_plain(VideoRecord, json.loads(store.read_bytes(name)))
    except (ValueError, TypeError, ConfigError):
        return None  # an older layout or damage: the video is split again
    return record if all(map(_is_complete, record.rows)) else None


def _is_complete(row: ClipRow) -> bool:
    """Whether the row says what later stages ask of it."""
    frames = {kind.__name__ for kind in (Clip, Frames)}
    return bool(row.records) and (row.status != "ok" or frames <= row.fingerprints.keys())
