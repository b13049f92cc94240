"""The report and the dataset card of a run, from its index and its artifacts."""

import hashlib
import itertools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

from camvid.arrow import pc
from camvid.artifacts import (
    Clip,
    DepthMaps,
    Frames,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.books.clip_table import ClipTable
from camvid.books.index import read_record
from camvid.codecs import decode_jpegs
from camvid.config import read_toml
from camvid.errors import ConfigError
from camvid.record import ClipRecord
from camvid.report.build import ReportOptions, build_report
from camvid.report.card import LICENCE_FILE, dataset_card, licence_text
from camvid.report.card_plots import card_plots
from camvid.report.clips_csv import write_clips_csv
from camvid.report.evidence import ClipEvidence
from camvid.report.funnel import funnel_from_index
from camvid.report.selection import choose
from camvid.report.statistics import run_statistics
from camvid.settings import setting
from camvid.shards.manifest import Location
from camvid.shards.writer import read_jpegs
from camvid.store import ClipStore
from camvid.tracking.tracks import with_owners
from workflows.runs.thinning import kept

log = logging.getLogger(__name__)
A = TypeVar("A")
CARD = "README.md"
_PLOTS = "card"
_CSV = "report/clips.csv"
_SEAL = b"<!-- written by camvid "


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """How much of the run is drawn and listed; everything is counted either way."""

    max_clip_pages: int = setting(200, "clips", "So many get a page of their own in the report.")

    def __post_init__(self) -> None:
        if self.max_clip_pages < 0:
            raise ConfigError(f"max_clip_pages must be at least 0, got {self.max_clip_pages}")


def run_name(store: ClipStore) -> str:
    """The last part of the run's address."""
    return PurePosixPath(store.root.rstrip("/")).name or "run"


def write_report(store: ClipStore, config: ReportConfig, index: Iterable[ClipRecord]) -> str:
    """Builds report/index.html, clips.csv and the clips' pages; returns the report's path."""
    rows = ClipTable.of(index)
    path = store.part_path(_CSV)
    write_clips_csv(path, rows)
    store.move_in(path, _CSV)
    pages = _with_pages(store, rows, config.max_clip_pages)
    if len(pages) < (num_clips := pc.sum(pc.not_equal(rows.table["clip_id"], "")).as_py() or 0):
        keep = kept(store)
        why = f"; the run was thinned (--keep {keep})" if keep != "all" else ""
        log.warning("report: pages for %d of %d clips%s", len(pages), num_clips, why)
    return build_report(
        run_name(store),
        rows,
        funnel_from_index(rows),
        lambda clip_id: load_evidence(store, clip_id) if clip_id in pages else None,
        store.write_bytes,
        ReportOptions(),
        weights=_weights(store),
        csv=PurePosixPath(_CSV).name,
    )


def _with_pages(store: ClipStore, rows: ClipTable, limit: int) -> set[str]:
    """The clips that are drawn: listed ones with frames, of every kind and reason alike."""
    clips = rows.where(pc.not_equal(rows.table["clip_id"], ""))
    # Some have no frames: more are asked than are drawn, but not all of a large run.
    chosen = clips.take(choose(clips, 2 * limit)).table
    pairs = zip(chosen["clip_id"].to_pylist(), chosen["shard"].to_pylist(), strict=True)
    drawn = (clip_id for clip_id, shard in pairs if _has_frames(store, clip_id, shard))
    return set(itertools.islice(drawn, limit))


def _has_frames(store: ClipStore, clip_id: str, shard: str | None) -> bool:
    """Its own, or in a thinned run those in its shard."""
    return store.has(clip_id, Frames) or (shard is not None and store.has(clip_id, Clip))


def _weights(store: ClipStore) -> list[str]:
    """The weights that made the run, as its run.toml lists them."""
    if not store.exists("run.toml"):
        return []
    with store.open_local("run.toml") as local:
        return read_toml(local).get("provenance", {}).get("weights", [])


def write_card(store: ClipStore, index: ClipTable, provenance: Mapping[str, Any]) -> None:
    """README.md of the run: the dataset card, and what it names. What a hand wrote is left."""
    shown = {key: value for key, value in provenance.items() if key != "videos"}
    plots = card_plots(run_statistics(index), index)
    for name, text in plots.items():
        store.write_bytes(f"{_PLOTS}/{name}", text.encode())
    names = [f"{_PLOTS}/{name}" for name in plots]
    funnel = funnel_from_index(index)
    _write_ours(store, CARD, dataset_card(run_name(store), funnel, index, shown, names))
    _write_ours(store, LICENCE_FILE, f"# Licence\n\n{licence_text(index, shown)}\n")


def _write_ours(store: ClipStore, name: str, text: str) -> None:
    if store.exists(name) and not _is_ours(store.read_bytes(name)):
        log.warning(
            "%s/%s is not the one that was written last: left as it is; delete it for a new one",
            store.root,
            name,
        )
        return
    store.write_bytes(name, (data := text.encode()) + _seal(data))


def _is_ours(data: bytes) -> bool:
    """Whether this is a card of ours, and nobody changed it since."""
    text, mark, rest = data.rpartition(_SEAL)
    return bool(mark) and _seal(text) == mark + rest


def _seal(text: bytes) -> bytes:
    """The card's last line, by which it is known again."""
    return _SEAL + hashlib.sha256(text).hexdigest()[:16].encode() + b" -->\n"


def _frames(store: ClipStore, clip_id: str) -> Frames:
    if store.has(clip_id, Frames) or kept(store) == "all":
        return store.load(clip_id, Frames)
    record = read_record(store, clip_id)
    place = Location(record.shard or "", record.row_group or 0, record.row or 0)
    return Frames(rgb=decode_jpegs(read_jpegs(store, place)))


def load_evidence(store: ClipStore, clip_id: str) -> ClipEvidence:
    """Everything that the stages left for a clip."""
    store = store.of_clip(clip_id)

    def load(kind: type[A]) -> A | None:
        return store.load(clip_id, kind) if store.has(clip_id, kind) else None

    masks, tracks = load(ObjectMasks), load(PointTracks)
    if masks is not None and tracks is not None:
        tracks = with_owners(tracks, masks)
    return ClipEvidence(
        clip=store.load(clip_id, Clip),
        frames=_frames(store, clip_id),
        masks=masks,
        reconstruction=load(Reconstruction),
        tracks=tracks,
        motion=load(MotionReport),
        verdict=load(Verdict),
        depth=load(DepthMaps),
    )
