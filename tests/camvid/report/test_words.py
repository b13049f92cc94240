"""Reasons and verdicts as a person reads them."""

import math
from typing import Any

import pytest

from camvid.artifacts import Verdict
from camvid.columns import show
from camvid.outcome import Reason
from camvid.reasons import Why
from camvid.record import ClipRecord, Measures
from camvid.report.words import checks_of, reason_in_words, reasons_in_words, verdict_sentence

TIMES = "\N{MULTIPLICATION SIGN}"


def sentence(kind: str, *reasons: Reason, verdict: Verdict | None = None, **more: Any) -> str:
    status: Any = {"none": "rejected", "": "failed"}.get(kind, "ok")
    known: Any = kind
    record = ClipRecord(clip_id="a", status=status, kind=known, reasons=reasons, **more)
    return verdict_sentence(record, verdict)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            Reason("min_motion_strength", 0.0002, 0.003),
            f"motion strength 0.02 is below the limit 0.30 ({TIMES}100)",
        ),
        (
            Reason("max_mean_reprojection_error_px", 1.62, 1.2),
            "mean reprojection error 1.62 px is above the limit 1.2 px",
        ),
        (
            Reason("min_registered_fraction", 0.31, 0.8),
            "registered fraction 31 % is below the limit 80 %",
        ),
        (Reason("min_clip_s", 0.42, 1.5), "length 0.42 s is below the limit 1.5 s"),
        (
            Reason("min_motion_probability", 0.62, 0.95),
            "probability that the motion strength is above its limit 62 % is below the limit 95 %",
        ),
        (
            Reason("max_unmeasured_fraction", 0.012, 0.005),
            "share of the image taken by an object whose motion is not known 1.2 %"
            " is above the limit 0.5 %",
        ),
        (
            Reason("max_motion_background", 0.0081, 0.003),
            f"motion of the background 0.81 is above the limit 0.30 ({TIMES}100)",
        ),
        (Reason("max_depth_residual"), "depth residual could not be measured"),
        (
            Reason("depth_tolerance", 0.02),
            "it moves by depth alone, and depth may be wrong by as much",
        ),
        (Reason("of_an_older_version"), "of an older version"),
    ],
)
def test_a_reason_in_words(reason: Reason, words: str) -> None:
    assert reason_in_words(reason) == words


def test_a_camera_named_by_solver_and_filter_is_said_once() -> None:
    reasons = [Reason("camera_fixed", 0.04, 0.5), Reason("camera_fixed")]
    assert reasons_in_words(reasons).count("stands still") == 1


def test_the_sentence_of_each_kind() -> None:
    still = Reason(Why.MIN_MOTION_STRENGTH, 0.0002, 0.003)
    assert sentence("3d", still) == (
        "Kept as 3d: cameras are good but nothing moves:"
        f" motion strength 0.02 is below the limit 0.30 ({TIMES}100)."
    )
    assert sentence("video", Reason(Why.CAMERA_ROTATING)).startswith(
        "Kept as video: something moves but no camera path is known: the camera only rotates"
    )
    doubtful = sentence("none", Reason(Why.MIN_MOTION_CONFIDENCE, 0.2, 0.5))
    assert doubtful.startswith("Not kept: whether anything moves cannot be said")
    undecided = sentence("none", still, Reason(Why.MAX_UNMEASURED_FRACTION, 0.012, 0.005))
    assert undecided.startswith("Not kept: whether anything moves cannot be said: motion strength")
    shaky = sentence("video", Reason(Why.MAX_MOTION_BACKGROUND, 0.0081, 0.003))
    assert "something moves but no camera path is known" in shaky
    assert sentence("none", Reason(Why.CAMERA_FIXED), still).startswith(
        "Not kept: the camera stands still"
    )
    assert sentence("", error="VideoError: cut off") == "Failed: VideoError: cut off"


def test_a_4d_sentence_says_what_was_passed() -> None:
    verdict = Verdict(kind="4d", reasons=(), limits={"min_motion_strength": 0.003})
    assert sentence("4d", verdict=verdict, measures=Measures(motion_strength=0.0279)) == (
        "Kept as 4d: cameras are good and something moves:"
        f" motion strength 2.79 is above the limit 0.30 ({TIMES}100)."
    )


def test_checks_compare_in_the_direction_of_the_name() -> None:
    verdict = Verdict(
        kind="none",
        reasons=(),
        measured={"motion_strength": 0.01, "depth_residual": 0.4, "focal_uncertainty": math.nan},
        limits={
            "min_motion_strength": 0.003,
            "max_depth_residual": 0.25,
            "max_focal_uncertainty": 0.1,
        },
    )
    checks = checks_of(verdict, ())
    assert [c.passed for c in checks] == [True, False, None]
    assert checks[0].limit == "at least 0.30"
    assert checks[1].measured == "40 %"


@pytest.mark.parametrize(("strength", "asked"), [(0.02, "min_"), (0.001, "max_")])
def test_a_probability_is_held_against_the_limit_that_bears_on_it(
    strength: float, asked: str
) -> None:
    verdict = Verdict(
        kind="none",
        reasons=(),
        measured={"motion_strength": strength, "motion_probability": 0.6},
        limits={
            "min_motion_strength": 0.003,
            "min_motion_probability": 0.95,
            "max_motion_probability": 0.25,
        },
    )
    _, found = checks_of(verdict, ())
    assert found.name == asked + "motion_probability"
    assert (found.measured, found.passed) == ("60 %", False)


def test_what_was_not_measured_is_a_dash() -> None:
    assert show(math.nan, "x100") == "\N{EN DASH}"
