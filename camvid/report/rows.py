"""One row of index.parquet, read leniently: a column may be absent, None or NaN (not measured)."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from camvid.errors import StoreError
from camvid.outcome import KINDS, Reason

Outcome = Literal["4d", "3d", "video", "none", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("4d", "3d", "video", "none", "failed")
KEPT: tuple[Outcome, ...] = ("4d", "3d", "video")

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A clip, or (clip_id empty) a video that gave none; numbers are NaN where not measured."""

    clip_id: str
    video_id: str
    source_uri: str
    licence: str
    outcome: Outcome
    stopped_at: str  # the stage that rejected it or failed on it, empty where not said
    camera: str
    reasons: tuple[Reason, ...]
    error: str
    cause: str  # what kind of error it was
    start_s: float
    end_s: float
    motion_strength: float
    motion_lower_bound: float
    motion_background: float
    motion_confidence: float
    num_objects: float
    registered_fraction: float
    mean_reprojection_error_px: float
    median_triangulation_angle_deg: float
    focal_px: float
    num_points: float
    depth_residual: float
    seconds: float

    @property
    def source_name(self) -> str:
        """The file's own name, without the folders."""
        return re.split(r"[/\\]", self.source_uri.rstrip("/\\"))[-1] or self.video_id

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def parse_row(row: Mapping[str, object]) -> ReportRow:
    """Reads one row; a status and kind that contradict each other are a StoreError."""
    clip_id = _text(row.get("clip_id"))
    if clip_id and not _SAFE_ID.fullmatch(clip_id):
        raise StoreError(
            f"index: clip_id must be letters, digits, '_', '-' or '.', got {clip_id!r}"
        )
    return ReportRow(
        clip_id=clip_id,
        video_id=_text(row.get("video_id")),
        source_uri=_text(row.get("source_uri")),
        licence=_text(row.get("licence")),
        outcome=_outcome(row),
        stopped_at=_text(row.get("stopped_at")),
        camera=_text(row.get("camera")) or "unknown",
        reasons=tuple(_reason(_text(r)) for r in _items(row.get("reasons"))),
        error=_text(row.get("error")),
        cause=_text(row.get("cause")),
        start_s=_number(row.get("start_s")),
        end_s=_number(row.get("end_s")),
        motion_strength=_number(row.get("motion_strength")),
        motion_lower_bound=_number(row.get("motion_lower_bound")),
        motion_background=_number(row.get("motion_background")),
        motion_confidence=_number(row.get("motion_confidence")),
        num_objects=_number(row.get("num_objects")),
        registered_fraction=_number(row.get("registered_fraction")),
        mean_reprojection_error_px=_number(row.get("mean_reprojection_error_px")),
        median_triangulation_angle_deg=_number(row.get("median_triangulation_angle_deg")),
        focal_px=_number(row.get("focal_px")),
        num_points=_number(row.get("num_points")),
        depth_residual=_number(row.get("depth_residual")),
        seconds=_number(row.get("seconds")),
    )


def _outcome(row: Mapping[str, object]) -> Outcome:
    status, kind = _text(row.get("status")), _text(row.get("kind")) or "none"
    if status == "failed":
        return "failed"
    agrees = (status == "ok" and kind in KEPT) or (status == "rejected" and kind == "none")
    if not agrees:
        raise StoreError(
            "index: status must be ok with kind 4d, 3d or video, rejected with none, or failed;"
            f" got {status!r} with {kind!r} (clip {_text(row.get('clip_id'))!r},"
            f" video {_text(row.get('video_id'))!r})"
        )
    return KINDS[KINDS.index(cast(Any, kind))]


def _reason(text: str) -> Reason:
    """The parsed reason; text that only looks like one is a fact without numbers."""
    try:
        return Reason.parse(text)
    except ValueError:
        return Reason(text)


def _text(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)


def _number(value: object) -> float:
    if value is None or value == "":
        return math.nan
    return float(cast(Any, value))


def _items(value: object) -> Iterable[object]:
    """A list column's items; pandas gives NaN, arrow None, numpy an array."""
    if value is None or isinstance(value, float):
        return ()
    return (value,) if isinstance(value, str) else cast(Iterable[object], value)
