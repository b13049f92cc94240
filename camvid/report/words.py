"""Measures, thresholds and verdicts in plain English."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from camvid.artifacts import Verdict
from camvid.outcome import Reason
from camvid.report.rows import Outcome, ReportRow

Unit = Literal["x100", "%", "px", "deg", "s", "", "count"]

MEANING: Mapping[Outcome, str] = {
    "4d": "good cameras and a moving object",
    "3d": "good cameras, nothing moves",
    "video": "something moves, but no camera path is known",
    "none": "good for nothing, or undecided whether anything moves: see the reasons",
    "failed": "could not be processed, see the error",
}

FACTS: Mapping[str, str] = {
    "camera_fixed": "the camera stands still, so nothing can be triangulated",
    "camera_rotating": "the camera only rotates, so nothing can be triangulated",
    "camera_zooming": "the camera zooms in place, so nothing can be triangulated",
    "camera_unknown": "no trustworthy camera path was found",
    "no_objects": "no object that could move was found",
    "no_tracks": "no keypoint could be followed",
    "no_reconstruction": "no camera path could be reconstructed",
    "depth_tolerance": "it moves by depth alone, and depth may be wrong by as much",
}

_LABELS: Mapping[str, str] = {
    "focal_px": "focal length",
    "focal_uncertainty": "relative uncertainty of the focal length",
    "motion_interval_low": "lower end of the motion strength's 90 % interval",
    "motion_interval_high": "upper end of the motion strength's 90 % interval",
    "motion_background": "motion of the background",
    "motion_probability": "probability that the motion strength is above its limit",
    "unmeasured_fraction": "share of the pictures taken by an object whose motion is not known",
    "overlay_fraction": "share of the image hidden by an overlay (logo, text, hood, black corners)",
    "inset_fraction": "share of the image that shows another video (inset or split screen)",
    "clip_s": "length",
    "side_px": "shorter side",
    "corner_count": "number of corners",
    "frame_change": "change between frames",
    "object_tracks": "number of tracks on the object",
    "object_pairs": "number of frame pairs of the object",
    "background_tracks": "number of background tracks",
    "static_tracks": "number of static tracks",
    "trajectory_jump": "jump in the camera path",
    "off_flat_image_fraction": "share of tracks that a flat image sliding does not explain",
    "radial_distortion": "shift of the image's corner by the lens's distortion",
    "distortion_focal_error": "relative error of the focal length for the lens's distortion",
    "center_wander_fraction": "share of the error that an image shifted on its sensor explains",
    "center_wander_focal_error": "relative uncertainty of the focal length for such an image",
    "step_agreement": "agreement of the camera path's steps",
}

# What leaves a clip undecided, by whether its strength is above the limit.
_DOUBTS_MOTION = frozenset({"min_motion_probability", "min_motion_confidence"})
_DOUBTS_STILLNESS = frozenset({"max_motion_probability", "max_unmeasured_fraction"})
_UNDECIDED = _DOUBTS_STILLNESS | _DOUBTS_MOTION

_LEAD = {  # what the kind says of the clip
    "4d": "cameras are good and something moves",
    "3d": "cameras are good but nothing moves",
    "video": "something moves but no camera path is known",
}

_SPELLED = {
    "num": "number of",
    "xy": "position",
    "inv": "inverse",
    "sfm": "SfM",
    "fps": "frame rate",
}
_SUFFIX_UNIT: Mapping[str, Unit] = {"px": "px", "deg": "deg", "s": "s", "fraction": "%"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One threshold as a table row; `passed` is None where nothing was measured."""

    name: str
    label: str
    measured: str
    limit: str
    passed: bool | None


def metric_of(threshold: str) -> str:
    """`motion_strength` of `min_motion_strength`."""
    return threshold.removeprefix("min_").removeprefix("max_")


def unit_of(metric: str) -> Unit:
    """The unit in which people are shown a measure, from the suffix of its name."""
    if metric in ("depth_residual", "radial_distortion") or metric.endswith("_focal_error"):
        return "%"  # relative errors
    if metric == "motion_probability":
        return "%"
    if metric.startswith("motion_") and not metric.endswith(("_s", "confidence", "ratio")):
        return "x100"
    if metric.startswith("num_"):
        return "count"
    return _SUFFIX_UNIT.get(metric.rsplit("_", 1)[-1], "")


def label_of(metric: str) -> str:
    """`mean reprojection error` of `mean_reprojection_error_px`."""
    if metric in _LABELS:
        return _LABELS[metric]
    words = metric.split("_")
    if len(words) > 1 and words[-1] in ("px", "deg", "s"):
        words = words[:-1]
    return " ".join(_SPELLED.get(word, word) for word in words)


def show(metric: str, value: float) -> str:
    """A measure's value with its unit, as people are shown it; an en dash if not measured."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    unit = unit_of(metric)
    if unit == "x100":
        return f"{100 * value:.2f}"
    if unit == "%":
        return f"{round(100 * value, 1):g} %"
    if unit == "count":
        return f"{value:,.0f}"
    number = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return number + {"px": " px", "deg": "\N{DEGREE SIGN}", "s": " s"}.get(unit, "")


def reason_in_words(reason: Reason) -> str:
    """One reason as half a sentence."""
    metric = metric_of(reason.name)
    if math.isnan(reason.measured):
        unmeasured = f"{label_of(metric)} could not be measured"
        spelled = unmeasured if metric != reason.name else reason.name.replace("_", " ")
        return FACTS.get(reason.name, spelled)
    subject = f"{label_of(metric)} {show(metric, reason.measured)}"
    if reason.name in FACTS:
        return FACTS[reason.name]
    if math.isnan(reason.limit):
        return subject
    relation = _relation(reason.name, reason.measured, reason.limit)
    return f"{subject} is {relation} the limit {show(metric, reason.limit)}{_note(metric)}"


def reasons_in_words(reasons: Sequence[Reason]) -> str:
    """Each said once: a solver and the filter may both name the camera."""
    return "; ".join(dict.fromkeys(reason_in_words(reason) for reason in reasons))


def verdict_sentence(row: ReportRow, verdict: Verdict | None) -> str:
    """What the clip is good for and why, in one sentence; the index has the last word on that."""
    if row.outcome == "failed":
        return f"Failed: {row.error or 'no error was recorded'}"
    why = reasons_in_words(row.reasons)
    if row.outcome == "none":
        if any(reason.name in _UNDECIDED for reason in row.reasons):
            return f"Not kept: whether anything moves cannot be said: {why}."
        return f"Not kept: {why or 'no reason was recorded'}."
    if row.outcome == "4d" and not why:
        why = _moves(row, verdict)
    return f"Kept as {row.outcome}: {_LEAD[row.outcome]}{': ' if why else ''}{why}."


def checks_of(verdict: Verdict | None, reasons: Sequence[Reason]) -> tuple[Check, ...]:
    """Every threshold that bore on the clip, with what was measured.

    Without a verdict, those that rejected it.
    """
    if verdict is None:
        known = [r for r in reasons if not math.isnan(r.limit)]
        return tuple(_check(r.name, r.measured, r.limit) for r in known)
    missed = {r.name: r.measured for r in verdict.reasons}
    moves = verdict.measured.get("motion_strength", math.nan) >= motion_limit(verdict, reasons)
    other = _DOUBTS_STILLNESS if moves else _DOUBTS_MOTION  # asked of clips of the other sort
    return tuple(
        _check(name, _measured(verdict.measured, name, missed), limit)
        for name, limit in verdict.limits.items()
        if name not in other
    )


def motion_limit(verdict: Verdict | None, reasons: Sequence[Reason]) -> float:
    """The least motion strength of a moving clip (a fraction), NaN where not known."""
    if verdict is not None and "min_motion_strength" in verdict.limits:
        return verdict.limits["min_motion_strength"]
    return next((r.limit for r in reasons if r.name == "min_motion_strength"), math.nan)


def _check(name: str, measured: float, limit: float) -> Check:
    metric = metric_of(name)
    bound = {"min_": "at least ", "max_": "at most "}.get(name[:4], "")
    passed: bool | None = None
    if bound and not math.isnan(measured):
        passed = measured >= limit if name.startswith("min_") else measured <= limit
    label = label_of(metric) + _note(metric)
    return Check(
        name=name,
        label=label,
        measured=show(metric, measured),
        limit=bound + show(metric, limit),
        passed=passed,
    )


def _measured(measured: Mapping[str, float], name: str, missed: Mapping[str, float]) -> float:
    for key in (name, metric_of(name)):
        if key in measured:
            return measured[key]
    return missed.get(name, math.nan)


def _moves(row: ReportRow, verdict: Verdict | None) -> str:
    strength = show("motion_strength", row.motion_strength)
    limit = motion_limit(verdict, row.reasons)
    if math.isnan(row.motion_strength):
        return ""
    above = "" if math.isnan(limit) else f" is above the limit {show('motion_strength', limit)}"
    return f"motion strength {strength}{above}{_note('motion_strength')}"


def _relation(name: str, measured: float, limit: float) -> str:
    """By the values where they differ: a name may be no `min_` or `max_`."""
    if measured == limit:
        return "at"
    return "below" if measured < limit else "above"


def _note(metric: str) -> str:
    return " (\N{MULTIPLICATION SIGN}100)" if unit_of(metric) == "x100" else ""
