"""Measures, thresholds and verdicts in plain English."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from camvid.artifacts import Verdict
from camvid.columns import Unit, show
from camvid.outcome import Reason
from camvid.reasons import About, Why, about, rule_of
from camvid.record import ClipRecord

# What leaves a clip undecided, whether something seems to move in it or not.
_UNDECIDED = {About.MOTION, About.STILLNESS}

_LEAD = {  # what the kind says of the clip
    "4d": "cameras are good and something moves",
    "3d": "cameras are good but nothing moves",
    "video": "something moves but no camera path is known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One threshold as a table row; `passed` is None where nothing was measured."""

    name: str
    label: str
    measured: str
    limit: str
    passed: bool | None


def reason_in_words(reason: Reason) -> str:
    """One reason as half a sentence."""
    rule = rule_of(reason.name)
    if rule.is_fact:
        return rule.label
    if math.isnan(reason.measured):
        return f"{rule.label} could not be measured"
    subject = f"{rule.label} {show(reason.measured, rule.unit)}"
    if math.isnan(reason.limit):
        return subject + _note(rule.unit)
    relation = _relation(reason.measured, reason.limit)
    return f"{subject} is {relation} the limit {show(reason.limit, rule.unit)}{_note(rule.unit)}"


def reasons_in_words(reasons: Sequence[Reason]) -> str:
    """Each said once: a solver and the filter may both name the camera."""
    return "; ".join(dict.fromkeys(reason_in_words(reason) for reason in reasons))


def verdict_sentence(row: ClipRecord, verdict: Verdict | None) -> str:
    """What the clip is good for and why, in one sentence; the index has the last word on that."""
    if row.outcome == "failed":
        return f"Failed: {row.error or 'no error was recorded'}"
    why = reasons_in_words(row.reasons)
    if row.duplicate_of:
        why += f" (clip {row.duplicate_of} is kept)"
    if row.outcome == "none":
        if any(about(reason) in _UNDECIDED for reason in row.reasons):
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
    other = About.STILLNESS if moves else About.MOTION  # asked of clips of the other sort
    return tuple(
        _check(name, verdict.measured.get(rule_of(name).metric, missed.get(name, math.nan)), limit)
        for name, limit in verdict.limits.items()
        if rule_of(name).about is not other
    )


def motion_limit(verdict: Verdict | None, reasons: Sequence[Reason]) -> float:
    """The least motion strength of a moving clip (a fraction), NaN where not known."""
    if verdict is not None and Why.MIN_MOTION_STRENGTH in verdict.limits:
        return verdict.limits[Why.MIN_MOTION_STRENGTH]
    return next((r.limit for r in reasons if r.name == Why.MIN_MOTION_STRENGTH), math.nan)


def _check(name: str, measured: float, limit: float) -> Check:
    rule = rule_of(name)
    passed: bool | None = None
    if rule.bound and not math.isnan(measured):
        passed = measured >= limit if rule.bound == "at least" else measured <= limit
    return Check(
        name=name,
        label=rule.label + _note(rule.unit),
        measured=show(measured, rule.unit),
        limit=f"{rule.bound} {show(limit, rule.unit)}".strip(),
        passed=passed,
    )


def _moves(row: ClipRecord, verdict: Verdict | None) -> str:
    strength = row.measures.motion_strength
    if math.isnan(strength):
        return ""
    limit = Reason(Why.MIN_MOTION_STRENGTH, strength, motion_limit(verdict, row.reasons))
    return reason_in_words(limit)


def _relation(measured: float, limit: float) -> str:
    if measured == limit:
        return "at"
    return "below" if measured < limit else "above"


def _note(unit: Unit) -> str:
    return " (\N{MULTIPLICATION SIGN}100)" if unit == "x100" else ""
