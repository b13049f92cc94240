"""The report and the dataset card of a run, from its index and its artifacts."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

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
from camvid.config import read_toml
from camvid.errors import ConfigError
from camvid.record import ClipRecord
from camvid.report.build import build_report
from camvid.report.card import dataset_card
from camvid.report.evidence import ClipEvidence
from camvid.report.funnel import funnel_from_index
from camvid.settings import setting
from camvid.store import ClipStore
from camvid.tracks import with_owners

log = logging.getLogger(__name__)
A = TypeVar("A")
CARD = "README.md"
_SEAL = b"<!-- written by camvid "


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """How much of the run is drawn; the table lists every clip either way."""

    max_clip_pages: int = setting(200, "clips", "So many get a page of their own in the report.")

    def __post_init__(self) -> None:
        if self.max_clip_pages < 0:
            raise ConfigError(f"max_clip_pages must be at least 0, got {self.max_clip_pages}")


def run_name(store: ClipStore) -> str:
    """The last part of the run's address."""
    return PurePosixPath(store.root.rstrip("/")).name or "run"


def write_report(store: ClipStore, config: ReportConfig, index: Sequence[ClipRecord]) -> str:
    """Builds report/index.html and the clips' pages; returns the report's path in the run."""
    drawn = [r.clip_id for r in index if r.clip_id and store.has(r.clip_id, Frames)]
    pages = set(drawn[: config.max_clip_pages])
    if len(pages) < len(drawn):
        log.warning("report: pages for %d of %d clips", len(pages), len(drawn))
    return build_report(
        run_name(store),
        index,
        funnel_from_index(index),
        lambda clip_id: load_evidence(store, clip_id) if clip_id in pages else None,
        store.write_bytes,
        weights=_weights(store),
    )


def _weights(store: ClipStore) -> list[str]:
    """The weights that made the run, as its run.toml lists them."""
    if not store.exists("run.toml"):
        return []
    with store.open_local("run.toml") as local:
        return read_toml(local).get("provenance", {}).get("weights", [])


def write_card(
    store: ClipStore, index: Sequence[ClipRecord], provenance: Mapping[str, Any]
) -> None:
    """README.md of the run: the dataset card. One that was written by hand is left as it is."""
    if store.exists(CARD) and not _is_ours(store.read_bytes(CARD)):
        log.warning(
            "%s/%s is not the card that was written last: left as it is; delete it for a new one",
            store.root,
            CARD,
        )
        return
    shown = {key: value for key, value in provenance.items() if key != "videos"}
    card = dataset_card(run_name(store), funnel_from_index(index), index, shown)
    store.write_bytes(CARD, (text := card.encode()) + _seal(text))


def _is_ours(data: bytes) -> bool:
    """Whether this is a card of ours, and nobody changed it since."""
    text, mark, rest = data.rpartition(_SEAL)
    return bool(mark) and _seal(text) == mark + rest


def _seal(text: bytes) -> bytes:
    """The card's last line, by which it is known again."""
    return _SEAL + hashlib.sha256(text).hexdigest()[:16].encode() + b" -->\n"


def load_evidence(store: ClipStore, clip_id: str) -> ClipEvidence:
    """Everything that the stages left for a clip."""

    def load(kind: type[A]) -> A | None:
        return store.load(clip_id, kind) if store.has(clip_id, kind) else None

    masks, tracks = load(ObjectMasks), load(PointTracks)
    if masks is not None and tracks is not None:
        tracks = with_owners(tracks, masks)
    return ClipEvidence(
        clip=store.load(clip_id, Clip),
        frames=store.load(clip_id, Frames),
        masks=masks,
        reconstruction=load(Reconstruction),
        tracks=tracks,
        motion=load(MotionReport),
        verdict=load(Verdict),
        depth=load(DepthMaps),
    )
