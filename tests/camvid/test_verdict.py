"""Every clip gets one kind, and every reason is the name of a threshold or a fact."""

from dataclasses import replace

import pytest

from camvid.camerawork.moves import CameraMove, Description
from camvid.errors import ConfigError
from camvid.outcome import Reason
from camvid.reasons import Why
from camvid.record import Measures
from camvid.verdict import Policy, decide, motion_probability

GOOD = Measures(
    camera="moving",
    motion_strength=0.02,
    motion_interval_low=0.015,
    motion_interval_high=0.03,
    motion_background=0.0003,
    motion_confidence=0.9,
    unmeasured_fraction=0.0002,
    registered_fraction=1.0,
    mean_reprojection_error_px=0.4,
    median_triangulation_angle_deg=6.0,
    depth_residual=0.02,
)
STILL = {"motion_strength": 0.0002, "motion_interval_low": 0.0, "motion_interval_high": 0.001}


def names(measures: Measures, upstream: tuple[Reason, ...] = ()) -> tuple[str, list[str]]:
    verdict = decide(measures, Policy(), upstream)
    return verdict.kind, [reason.name for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("change", "kind", "reasons"),
    [
        ({}, "4d", []),
        (STILL, "3d", ["min_motion_strength"]),
        (STILL | {"motion_interval_high": 0.017}, "3d", ["min_motion_strength"]),
        (STILL | {"motion_confidence": 0.0}, "3d", ["min_motion_strength"]),
        # as 4d or video noise would pass for motion, as 3d a mover for a still thing
        ({"motion_confidence": 0.1}, "none", ["min_motion_confidence"]),
        ({"camera": "fixed"}, "video", ["camera_fixed"]),
        (
            {"camera": "unknown", "motion_confidence": 0.3},
            "none",
            ["camera_unknown", "min_motion_confidence"],
        ),
        (
            STILL | {"camera": "rotating"},
            "none",
            ["camera_rotating", "min_motion_strength"],
        ),
        ({"registered_fraction": 0.5}, "video", ["min_registered_fraction"]),
        ({"depth_residual": 0.9}, "video", ["max_depth_residual"]),
        (
            {"mean_reprojection_error_px": float("nan")},
            "video",
            ["max_mean_reprojection_error_px"],
        ),
        ({"motion_background": 0.0081}, "video", ["max_motion_background"]),
        ({"motion_background": float("nan")}, "video", ["max_motion_background"]),
    ],
)
def test_kinds(change: dict[str, object], kind: str, reasons: list[str]) -> None:
    assert names(replace(GOOD, **change)) == (kind, reasons)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        # one patch, measured in 13 of 51 pairs, that may move by anything or not at all
        (
            {"motion_strength": 0.021, "motion_interval_low": 0.0, "motion_interval_high": 0.0401},
            ["min_motion_probability"],
        ),
        ({"motion_interval_low": float("nan")}, ["min_motion_probability"]),
        (
            STILL | {"unmeasured_fraction": 0.02},
            ["max_unmeasured_fraction", "min_motion_strength"],
        ),
        (
            STILL | {"unmeasured_fraction": float("nan")},
            ["max_unmeasured_fraction", "min_motion_strength"],
        ),
        # all tracks of one object stray, and the images do not say why
        (
            STILL | {"unmeasured_probability": 0.3},
            ["max_motion_probability", "min_motion_strength"],
        ),
        # in such noise it may move along the rays of the cameras, where depth is a guess
        (
            STILL | {"motion_interval_high": 0.017, "motion_background": 0.0016},
            ["max_motion_probability", "min_motion_strength"],
        ),
        (
            {"motion_strength": float("nan")},
            ["max_motion_probability", "min_motion_strength"],
        ),
        # a background that moves more than the thing on it
        (
            {"motion_background": 0.0081, "motion_interval_low": 0.001},
            ["max_motion_background", "min_motion_probability"],
        ),
        (
            {"camera": "unknown", "motion_interval_low": 0.0},
            ["camera_unknown", "min_motion_probability"],
        ),
        # as strong as any mover at the depth that it was given, yet a static point explains it
        ({"moving_probability": 0.17}, ["min_motion_probability"]),
    ],
)
def test_undecided_clips_are_refused(change: dict[str, object], reasons: list[str]) -> None:
    assert names(replace(GOOD, **change)) == ("none", reasons)


@pytest.mark.parametrize(
    ("strength", "low", "high", "probability"),
    [
        (0.02, 0.003, 0.04, 0.95),
        (0.003, 0.001, 0.01, 0.5),
        (0.001, 0.0, 0.003, 0.05 / 3),
        (0.0, 0.0, 0.02, 0.4025 / 10),  # of motions of 0.003, noise of 0.0003 hides a tenth
        (0.02, 0.0199, 0.0201, 1.0),
        (0.02, 0.02, 0.02, 1.0),
        (0.0, 0.0, 0.0, 0.0),
    ],
)
def test_probability_that_a_clip_moves(
    strength: float, low: float, high: float, probability: float
) -> None:
    measures = replace(
        GOOD, motion_strength=strength, motion_interval_low=low, motion_interval_high=high
    )
    assert motion_probability(measures, 0.003) == pytest.approx(probability, abs=1e-5)
    measured = decide(measures, Policy()).measured
    assert measured["motion_probability"] == motion_probability(measures, 0.003)


def test_runs_that_do_not_say_what_moves_are_decided_by_the_interval() -> None:
    measures = replace(GOOD, motion_interval_low=0.003, moving_probability=float("nan"))
    assert motion_probability(measures, 0.003) == pytest.approx(0.95)
    assert motion_probability(replace(measures, moving_probability=0.5), 0.003) == pytest.approx(
        0.475
    )


def test_what_moves_may_be_unmeasured_in_part() -> None:
    assert names(replace(GOOD, unmeasured_fraction=0.5)) == ("4d", [])


def test_the_solvers_own_reasons_stand_first() -> None:
    collapsed = Reason("min_focal_share", 0.02, 0.3)
    found = names(replace(GOOD, camera="unknown"), (collapsed,))
    assert found == ("video", ["min_focal_share", "camera_unknown"])


def test_reasons_carry_measure_and_limit() -> None:
    verdict = decide(replace(GOOD, **STILL), Policy(min_motion_strength=0.004))
    assert verdict.reasons == (Reason("min_motion_strength", 0.0002, 0.004),)
    assert verdict.measured["motion_strength"] == 0.0002
    assert verdict.limits["min_motion_strength"] == 0.004


TURNING = replace(
    GOOD,
    camera="rotating",
    median_triangulation_angle_deg=float("nan"),
    depth_residual=float("nan"),
    focal_uncertainty=0.01,
)


@pytest.mark.parametrize(
    ("change", "kind", "reasons"),
    [
        ({}, "4d", []),
        (STILL, "none", ["camera_rotating", "min_motion_strength"]),
        ({"motion_confidence": 0.1}, "none", ["min_motion_confidence"]),
        ({"focal_uncertainty": 0.4}, "video", ["max_focal_uncertainty"]),
        ({"registered_fraction": 0.5}, "video", ["min_registered_fraction"]),
        ({"camera": "zooming"}, "video", ["camera_zooming"]),
        ({"camera": "fixed"}, "video", ["camera_fixed"]),
    ],
)
def test_rotating_cameras_may_count_as_known(
    change: dict[str, object], kind: str, reasons: list[str]
) -> None:
    verdict = decide(replace(TURNING, **change), Policy(rotating="4d"))
    assert (verdict.kind, [reason.name for reason in verdict.reasons]) == (kind, reasons)
    usual = decide(replace(TURNING, **change), Policy())
    undecided = {"motion_strength", "motion_confidence"} & change.keys()
    assert usual.kind == ("none" if undecided else "video")
    assert usual.reasons[0].name.startswith("camera_")


STANDING = replace(
    TURNING,
    camera="fixed",
    mean_reprojection_error_px=float("nan"),
    focal_uncertainty=float("nan"),
)


@pytest.mark.parametrize(
    ("change", "kind", "reasons"),
    [
        ({}, "4d", []),
        (STILL, "none", ["camera_fixed", "min_motion_strength"]),
        ({"motion_confidence": 0.1}, "none", ["min_motion_confidence"]),
        ({"motion_background": 0.01}, "video", ["max_motion_background"]),
        ({"camera": "rotating"}, "video", ["camera_rotating"]),
    ],
)
def test_fixed_cameras_may_count_as_known(
    change: dict[str, object], kind: str, reasons: list[str]
) -> None:
    verdict = decide(replace(STANDING, **change), Policy(fixed="4d"))
    assert (verdict.kind, [reason.name for reason in verdict.reasons]) == (kind, reasons)
    usual = decide(replace(STANDING, **change), Policy())
    assert usual.reasons[0].name.startswith("camera_")


@pytest.mark.parametrize(
    ("strength", "low", "high", "doubts"),
    [
        (0.02, 0.01, 0.03, []),
        (0.02, 0.001, 0.05, ["motion_interval_low"]),
        (0.001, 0.0, 0.002, []),
        (0.001, 0.0, 0.01, ["motion_interval_high"]),
    ],
)
def test_an_interval_across_the_threshold_is_named(
    strength: float, low: float, high: float, doubts: list[str]
) -> None:
    measures = replace(
        GOOD, motion_strength=strength, motion_interval_low=low, motion_interval_high=high
    )
    stage = (Reason("min_depth_confidence", 15, 64),)
    verdict = decide(measures, Policy(), motion_reasons=stage)
    names = [reason.name for reason in verdict.motion_reasons]
    assert names == [*doubts, "min_depth_confidence"]
    assert decide(measures, Policy(), motion_reasons=verdict.motion_reasons) == verdict


def test_negative_thresholds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"min_motion_strength must be at least 0"):
        Policy(min_motion_strength=-1)


@pytest.mark.parametrize(
    ("asked", "moves", "kept"),
    [
        ((), (), True),
        (("dolly_in",), ("pan_left", "dolly_in"), True),
        (("dolly_in", "dolly_out"), ("dolly_out",), True),
        (("dolly_in",), ("dolly_out",), False),
        (("dolly_in",), (), False),
        (("-handheld",), ("dolly_in",), True),
        (("-handheld",), ("dolly_in", "handheld"), False),
        (("dolly_in", "-handheld"), ("dolly_in", "handheld"), False),
    ],
)
def test_classes_of_camera_motion_are_asked_for_and_refused(
    asked: tuple[str, ...], moves: tuple[CameraMove, ...], kept: bool
) -> None:
    verdict = decide(GOOD, Policy(camera_moves=asked), description=Description(camera_moves=moves))
    assert verdict.kind == ("4d" if kept else "none")
    assert [reason.name for reason in verdict.reasons] == ([] if kept else ["camera_moves"])


def test_what_is_not_wanted_is_named_before_what_the_cameras_lack() -> None:
    fixed, upstream = replace(GOOD, camera="fixed"), (Reason(Why.CAMERA_FIXED),)
    verdict = decide(fixed, Policy(camera_moves=("dolly_in",)), upstream)
    assert [reason.name for reason in verdict.reasons] == ["camera_moves", "camera_fixed"]


def test_a_class_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"'doly_in' is no class .* did you mean `dolly_in`"):
        Policy(camera_moves=("-doly_in",))
