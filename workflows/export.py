"""Exports the clips of a run or of shards to another tool's format, part by part.

A part (a clip, or a few where they share a file) is written into a folder of its own, moved into
place, and then noted in `.camvid/parts`: what is noted is not written again, and an export that
was killed goes on from there.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from camvid.artifacts import Clip
from camvid.dataset.clip import DatasetClip
from camvid.dataset.run import Shards, open_shards
from camvid.errors import (
    ClipError,
    ConfigError,
    DamagedArtifact,
    StoreError,
    VideoError,
)
from camvid.exports.format import Entry, Format
from camvid.exports.options import ExportOptions
from camvid.exports.part_folder import part_folder, put, sweep
from camvid.exports.registry import make_format
from camvid.exports.source import SourceClip
from camvid.exports.view import make_view
from camvid.imports.cameras import GivenCameras
from camvid.outcome import Rejected
from camvid.plain import from_plain, to_plain
from camvid.record import SAFE_ID
from camvid.store import ClipStore
from camvid.video.names import is_remote, local_path
from workflows.claim import claim
from workflows.execution.parts import Writer, in_process

log = logging.getLogger(__name__)
_ASKED = ".camvid/export.json"  # it makes the folder an export's

ClipIds = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What became of one clip."""

    clip_id: str
    status: Literal["ok", "rejected", "failed"]
    entry: dict[str, Any] = field(default_factory=dict[str, Any])  # of one that is there
    why: str = ""  # of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """All that a part of an export needs to be told, on whichever process."""

    uri: str  # of the run, or of shards
    out: str
    format: str
    options: ExportOptions

    def writer(self) -> Format:
        return make_format(self.format, self.options)

    def parts(self) -> list[ClipIds]:
        """The clips, part by part; neighbours come from the same source video.

        Raises:
            ConfigError: an unknown format, or nothing to export.
            BackendUnavailable: the package that writes the format is not installed.
            StoreError: there are no shards, or none that can be read.
        """
        size = self.writer().clips_per_part
        shards = open_shards(self.uri)
        kinds = Counter(clip.kind for clip in shards)
        if not any(kinds[kind] for kind in self.options.kinds):
            held = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            raise ConfigError(
                f"{self.uri} must hold clips of kind {' or '.join(self.options.kinds)} to export,"
                f" but holds {held}: choose with --kind"
            )
        place = shards.order_by_source()
        wanted = (clip.clip_id for clip in shards if clip.kind in self.options.kinds)
        ids = sorted(wanted, key=place.__getitem__)
        if unsafe := [clip_id for clip_id in ids if not re.fullmatch(SAFE_ID, clip_id)]:
            raise StoreError(
                f"{self.uri} must name clips by letters, digits, '_', '-' and '.', as files are"
                f" named by them, but has {unsafe[0]!r}"
            )
        return [tuple(ids[k : k + size]) for k in range(0, len(ids), size)]

    def write_part(self, number: int, clip_ids: ClipIds) -> list[Exported]:
        """Writes a part, unless it is there already."""
        target, name = ClipStore(self.out), f".camvid/parts/{number:06d}.json"
        if target.exists(name):
            noted: list[Any] = json.loads(target.read_bytes(name))
            done = [from_plain(Exported, clip) for clip in noted]
            if not any(clip.status == "failed" for clip in done):
                return done
        writer = self.writer()
        first = number * writer.clips_per_part
        with part_folder(target) as folder:
            done = [
                self._write_clip(writer, clip_id, folder, first + k)
                for k, clip_id in enumerate(clip_ids)
            ]
            if any(clip.status == "ok" for clip in done):
                writer.pack(folder, number)
                put(folder, target)
        target.write_bytes(name, json.dumps(to_plain(done), indent=1).encode())
        return done

    def finish(self, done: Sequence[Exported]) -> None:
        """Writes what speaks of the whole, and clears away what was left half done."""
        target = ClipStore(self.out)
        sweep(target)
        entries: list[Entry] = [clip.entry for clip in done if clip.status == "ok"]
        if entries:
            with part_folder(target) as folder:
                self.writer().finish(entries, folder)
                put(folder, target)

    def _write_clip(self, writer: Format, clip_id: str, folder: Path, number: int) -> Exported:
        clip = _opened(self.uri).clip(clip_id)
        source = None if self.options.stored_frames else find_source(ClipStore(self.uri), clip)
        try:
            try:
                return self._write_view(writer, clip, source, folder, number)
            except VideoError as error:
                if source is None:
                    raise
                log.warning("clip %s: its stored frames are taken: %s", clip_id, error)
                return self._write_view(writer, clip, None, folder, number)
        except (ClipError, DamagedArtifact, ValueError) as error:  # the last: of its images
            return Exported(clip_id=clip_id, status="failed", why=str(error))

    def _write_view(
        self,
        writer: Format,
        clip: DatasetClip,
        source: SourceClip | None,
        folder: Path,
        number: int,
    ) -> Exported:
        view = make_view(clip, source, self.options, needs_cameras=writer.needs_cameras)
        if isinstance(view, Rejected):
            return Exported(clip_id=clip.clip_id, status="rejected", why=str(view.reason))
        scratch = ClipStore(str(folder))
        with part_folder(scratch) as own:  # what a failing clip left must not get into the part
            try:
                entry = writer.write(view, own, number)
            except OSError as error:  # a full disk is no fault of the clip
                raise StoreError(f"{self.out} must be writeable: {error}") from error
            put(own, scratch)
        return Exported(clip_id=clip.clip_id, status="ok", entry=dict(entry))


def export_clips(
    export: Export,
    parts: Sequence[ClipIds],
    *,
    write: Writer = in_process,
    on_done: Callable[[int], None] = lambda num_clips: None,
) -> list[Exported]:
    """Exports these clips; what is there already stays.

    Args:
        export: what, whereto, how.
        parts: of `export.parts()`.
        write: where parts are written.
        on_done: told how many clips are done.

    Raises:
        ConfigError: the folder holds something else.
        StoreError: it cannot be written.
    """
    shards = open_shards(export.uri).digest()
    asked = {"format": export.format, **to_plain(export.options), "shards": shards}
    claim(export.out, _ASKED, asked, owner="an export")
    done: list[Exported] = []
    for part in write(export.write_part, parts):
        done += part
        on_done(len(done))
    export.finish(done)
    return done


def find_source(store: ClipStore, clip: DatasetClip) -> SourceClip | None:
    """The clip's source video, if that is on this disk and the run says what of it is the clip."""
    if store.exists(store.artifact_name(clip.clip_id, GivenCameras)):
        return None  # the source of an imported clip is a file of cameras
    if is_remote(clip.source_uri) or not Path(local_path(clip.source_uri)).exists():
        return None
    try:
        return SourceClip(store.load(clip.clip_id, Clip), local_path(clip.source_uri))
    except DamagedArtifact:
        return None  # shards alone, or a run whose artifacts were taken away


@lru_cache(maxsize=1)
def _opened(uri: str) -> Shards:
    """The shards, which a process opens once, not for each clip."""
    return open_shards(uri)
