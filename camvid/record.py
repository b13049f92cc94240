"""The record of a clip: each of its numbers and names, declared here and only here.

`Measures` and `ClipRecord` are the columns of index.parquet. From their declarations follow the
scalar columns of the shards (`camvid.shards.columns` has the others), what `filter` may decide by,
the report's tables, the dataset card and docs/COLUMNS.md. A new number is one field here, beside
what computes it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from camvid.artifacts import (
    NAN,
    CameraKind,
    Clip,
    MaskedObject,
    MotionReport,
    ObjectMotion,
    Reconstruction,
    ReconstructionQuality,
    Verdict,
)
from camvid.camerawork.moves import CameraMove
from camvid.columns import Unit, column, from_row, values_of
from camvid.objects import Origin
from camvid.outcome import INDICATOR, KINDS, Reason, Status
from camvid.pipeline import DECIDES
from camvid.point_depths import depth_range

Outcome = Literal["4d", "3d", "video", "none", "failed"]
MEANING: Mapping[Outcome, str] = {
    "4d": "good cameras and a moving object",
    "3d": "good cameras, nothing moves",
    "video": "something moves, but no camera path is known",
    "none": "good for nothing, or undecided whether anything moves: see the reasons",
    "failed": "could not be processed, see the error",
}
OUTCOMES: tuple[Outcome, ...] = tuple(MEANING)
KEPT: tuple[Outcome, ...] = tuple(INDICATOR)

SAFE_ID = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"


def _motion(
    meaning: str,
    value: Callable[[MotionReport], Any] | None = None,
    *,
    unit: Unit = "x100",
    shard: str = "column",
    **said: Any,
) -> Any:
    """A number of the motion report; most are strengths, and in the shards."""
    return column(meaning, MotionReport, value, unit=unit, shard=shard, **said)


def _quality(meaning: str, unit: Unit = "", *, shard: str = "quality", **said: Any) -> Any:
    """A number by which cameras are accepted."""
    return column(meaning, ReconstructionQuality, unit=unit, shard=shard, **said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """A clip in numbers: new thresholds need no artifact, let alone a model. NaN: not measured."""

    camera: CameraKind = column(
        "moving, fixed, rotating, zooming, or unknown where no path could be trusted",
        Reconstruction,
        default="unknown",
        shard="column",
    )
    motion_strength: float = _motion(
        "mean camera-compensated displacement of an object's keypoints over motion_pair_gap_s, as a"
        " fraction of the image side; that of the strongest object",
        training=True,
        heading="motion",
    )
    motion_interval_low: float = _motion(
        "lower end of the 90 % interval of motion_strength, from the noise of tracks and depth",
        lambda motion: motion.interval_low,
        label="lower end of the motion strength's 90 % interval",
    )
    motion_interval_high: float = _motion(
        "upper end of that interval",
        lambda motion: motion.interval_high,
        label="upper end of the motion strength's 90 % interval",
    )
    moving_probability: float = _motion(
        "that what was measured moves at all, by its tracks and by what the images show of them",
        lambda motion: motion.probability,
        unit="",
    )
    motion_lower_bound: float = _motion(
        "what no static point could explain, whatever its depth, of the strongest object",
        lambda motion: motion.lower_bound,
    )
    motion_background: float = _motion(
        "motion_strength of the static background: the noise floor",
        lambda motion: motion.background,
        label="motion of the background",
        heading="noise",
    )
    motion_confidence: float = _motion(
        "from 0 to 1: how far the motion stands out of the noise floor",
        lambda motion: motion.confidence,
        unit="",
    )
    motion_pair_gap_s: float = _motion(
        "time over which displacement is measured", lambda motion: motion.pair_gap_s, unit="s"
    )
    unmeasured_fraction: float = _motion(
        "share of the frames' area taken by the largest object whose motion is not known",
        label="share of the image taken by an object whose motion is not known",
        unit="%",
        shard="",
    )
    unmeasured_probability: float = _motion(
        "that an object moves that has tracks enough, but none by which its strength is known",
        unit="",
        shard="",
    )
    num_objects: int = _motion(
        "objects whose motion was looked at",
        lambda motion: len(motion.per_object),
        unit="count",
        shard="",
        default=0,
    )
    num_tracks: int = _motion(
        "keypoints followed, on objects and background", unit="count", shard="", default=0
    )
    registered_fraction: float = _quality(
        "share of the frames whose camera is known", "%", heading="with camera"
    )
    num_points: int = _quality("sparse points", "count", default=0)
    depth_range: float = column(
        "depth of the far sparse points over that of the near ones, 95th to 5th percentile",
        Reconstruction,
        depth_range,
        label="far depth over near depth",
        shard="quality",
    )
    points_per_frame: float = _quality("sparse points seen by a registered frame, in the mean")
    mean_reprojection_error_px: float = _quality(
        "mean distance of the sparse points' observations from where the cameras see them", "px"
    )
    median_triangulation_angle_deg: float = _quality(
        "largest angle between the rays to a sparse point, in the median", "deg"
    )
    focal_px: float = _quality("focal length", "px", label="focal length")
    focal_uncertainty: float = _quality(
        "relative standard deviation of the focal length",
        "%",
        label="relative uncertainty of the focal length",
    )
    inlier_fraction: float = _quality(
        "share of held-out observations that some static point explains", "%"
    )
    median_flow_px: float = _quality(
        "displacement of static tracks at the widest spacing, in the median", "px", shard=""
    )
    rotation_residual_px: float = _quality(
        "what the best rotation leaves of that displacement", "px", shard=""
    )
    masked_fraction: float = _quality("share of all pixels hidden from the pose solver", "%")
    depth_residual: float = _motion(
        "relative error of the depth maps at the sparse points, in the median",
        unit="%",
        shard="quality",
    )
    overlay_fraction: float = _motion(
        "share of the image that is fixed to it and hidden by that: a logo, text, a hood",
        label="share of the image hidden by an overlay (logo, text, hood, black corners)",
        unit="%",
        shard="",
        default=0.0,
    )


def measure(*artifacts: Reconstruction | MotionReport) -> Measures:
    """A clip's numbers, as far as these artifacts hold them."""
    quality = [a.quality for a in artifacts if isinstance(a, Reconstruction)]
    return Measures(**values_of(Measures, *artifacts, *quality))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecord:
    """A row of index.parquet: a clip, or (clip_id empty) a video that gave none."""

    clip_id: str = column(
        "identity, from the video's bytes and the span; empty where a video gave no clip",
        Clip,
        default="",
        shard="column",
        training=True,
    )
    video_id: str = column("identity of the source video, from its bytes", Clip, default="")
    source_uri: str = column(
        "where the source video lies", Clip, lambda c: c.video.uri, default="", shard="column"
    )
    start_s: float = column("begin of the span in the source", Clip, unit="s", shard="column")
    end_s: float = column("end of the span", Clip, unit="s", shard="column")
    num_frames: int | None = column(
        "frames of the clip", Clip, default=None, unit="count", shard="column", training=True
    )
    licence: str = column(
        "of the source video", Clip, lambda c: c.video.licence, default="", shard="column"
    )
    listed: str = column(
        "other columns of the list that named the video, as a JSON object",
        Clip,
        lambda c: c.video.listed,
        default="",
    )
    status: Status = column("ok, rejected (kind none) or failed", default="failed")
    kind: Literal["4d", "3d", "video", "none", ""] = column(
        "; ".join(f"{kind}: {MEANING[kind]}" for kind in KINDS) + "; empty where the clip failed",
        Verdict,
        default="",
        shard="column",
        training=True,
    )
    reasons: tuple[Reason, ...] = column(
        "why the kind is no better: the name of each threshold or fact that decided, what was"
        " measured, and the limit",
        Verdict,
        default=(),
        shard="column",
    )
    duplicate_of: str = column(
        "the clip, of this run or of one that it knows, that shows the same and is kept", default=""
    )
    stopped_at: str = column("the stage that rejected it or failed on it", default="")
    error: str = column("of a failure: one line", default="")
    cause: str = column("of a failure: what kind of error it was", default="")
    camera_moves: tuple[CameraMove, ...] = column(
        "classes of camera motion, in order: dolly, truck, pedestal, pan, tilt, roll, zoom, arc,"
        " each with its way (dolly_in), or static, and handheld; empty where no camera is known",
        Verdict,
        default=(),
        shard="column",
    )
    caption: str | None = column(
        "the video's, from the list that named it; else a sentence on what the camera does and what"
        " moves; null where nothing is known",
        Verdict,
        default=None,
        shard="column",
    )
    camera_reasons: tuple[Reason, ...] = column(
        "why the pose solver did not trust a camera path", Verdict, default=()
    )
    motion_reasons: tuple[Reason, ...] = column(
        "why the motion strength is not to be relied on", Verdict, default=()
    )
    measures: Measures = Measures()
    motion_probability: float = column(
        "that motion_strength is above the policy's limit",
        Verdict,
        lambda verdict: verdict.measured.get("motion_probability", NAN),
        label="probability that the motion strength is above its limit",
        unit="%",
    )
    seconds: float = column("processing time over all stages", default=0.0, unit="s")
    shard: str | None = column("file name of the shard that holds the clip", default=None)
    row_group: int | None = column("row group in the shard", default=None)
    row: int | None = column("row in the row group", default=None)

    def __post_init__(self) -> None:
        if self.clip_id and not re.fullmatch(SAFE_ID, self.clip_id):
            raise ValueError(
                f"clip_id must be letters, digits, '_', '-' or '.', got {self.clip_id!r}"
            )
        kept = self.status == "ok" and self.kind in KEPT
        if not (
            kept or self.status == "failed" or (self.status, self.kind) == ("rejected", "none")
        ):
            raise ValueError(
                "status must be ok with kind 4d, 3d or video, rejected with none, or failed; got"
                f" {self.status!r} with {self.kind!r} (clip {self.clip_id!r},"
                f" video {self.video_id!r})"
            )

    @property
    def outcome(self) -> Outcome:
        """The one of five places in which every clip ends."""
        return "failed" if self.status == "failed" or not self.kind else self.kind

    @property
    def source_name(self) -> str:
        """The file's own name, without the folders."""
        return re.split(r"[/\\]", self.source_uri.rstrip("/\\"))[-1] or self.video_id

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def has_verdict(self) -> bool:
        """Whether it went all the way to a verdict, and was measured."""
        return self.status != "failed" and self.stopped_at in ("", DECIDES)


def _of_object(
    meaning: str, value: Callable[[ObjectMotion], Any] | None = None, unit: Unit = "x100"
) -> Any:
    return column(meaning, ObjectMotion, value, unit=unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """An object of a clip, as `objects` of a shard has it."""

    object_id: int = column("the object's value in masks, above 0", MaskedObject, default=0)
    label: str = column("a word for people", MaskedObject, default="")
    score: float = column("from 0 to 1: how sure the segmenter is", MaskedObject)
    origin: Origin = column(
        "what made it an object: class (a network knows what it is), salient, moving,"
        " salient_moving, or overlay (fixed to the image, not measured)",
        MaskedObject,
        default=Origin.CLASS,
    )
    area_fraction: float = _of_object("share of the image, in the mean", unit="%")
    motion_strength: float = _of_object("as the clip's, of this object")
    motion_low: float = _of_object(
        "least strength over all depths that it may have, likely or not", lambda found: found.low
    )
    motion_high: float = _of_object("largest strength over those depths", lambda found: found.high)
    motion_interval_low: float = _of_object(
        "lower end of the 90 % interval of its strength", lambda found: found.interval_low
    )
    motion_interval_high: float = _of_object(
        "upper end of that interval", lambda found: found.interval_high
    )
    motion_probability: float = _of_object(
        "that it moves at all, by its tracks and by what the images show of them",
        lambda found: found.probability,
        unit="",
    )
    motion_lower_bound: float = _of_object(
        "what no static point could explain, whatever its depth", lambda found: found.lower_bound
    )
    num_tracks: int = column("keypoints on it that were measured", ObjectMotion, default=0)


def measures_of(verdict: Verdict) -> Measures:
    """The numbers that a verdict was reached by."""
    counts = {f.name for f in fields(Measures) if f.type is int}
    numbers = {
        name: int(value) if name in counts else value for name, value in verdict.measured.items()
    }
    return from_row(Measures, {**numbers, "camera": verdict.camera})


def caption_of(clip: Clip | None, verdict: Verdict) -> dict[str, Any]:
    """The caption of a clip: what somebody said of its video goes before our own words."""
    said = clip.video.caption if clip else ""
    return {"caption": said or verdict.caption}
