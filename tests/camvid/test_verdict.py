"""Every clip gets one kind, and every reason is the name of a threshold or a fact."""

from dataclasses import replace

import pytest

from camvid.errors import ConfigError
from camvid.outcome import Reason
from camvid.verdict import Measures, Policy, decide

GOOD = Measures(
    camera="moving",
    motion_strength=0.02,
    motion_confidence=0.9,
    registered_fraction=1.0,
    mean_reprojection_error_px=0.4,
    median_triangulation_angle_deg=6.0,
    depth_residual=0.02,
)


def names(measures: Measures, upstream: tuple[Reason, ...] = ()) -> tuple[str, list[str]]:
    verdict = decide(measures, Policy(), upstream)
    return verdict.kind, [reason.name for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("change", "kind", "reasons"),
    [
        ({}, "4d", []),
        ({"motion_strength": 0.0}, "3d", ["min_motion_strength"]),
        ({"motion_strength": 0.0, "motion_confidence": 0.0}, "3d", ["min_motion_strength"]),
        ({"motion_confidence": 0.1}, "video", ["min_motion_confidence"]),
        ({"camera": "fixed"}, "video", ["camera_fixed"]),
        (
            {"camera": "unknown", "motion_confidence": 0.1},
            "video",
            ["camera_unknown", "min_motion_confidence"],
        ),
        (
            {"camera": "rotating", "motion_strength": 0.001},
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
        ({"motion_strength": float("nan")}, "3d", ["min_motion_strength"]),
    ],
)
def test_kinds(change: dict[str, object], kind: str, reasons: list[str]) -> None:
    assert names(replace(GOOD, **change)) == (kind, reasons)


def test_the_solvers_own_reasons_stand_first() -> None:
    collapsed = Reason("min_focal_share", 0.02, 0.3)
    found = names(replace(GOOD, camera="unknown"), (collapsed,))
    assert found == ("video", ["min_focal_share", "camera_unknown"])


def test_reasons_carry_measure_and_limit() -> None:
    verdict = decide(replace(GOOD, motion_strength=0.001), Policy(min_motion_strength=0.004))
    assert verdict.reasons == (Reason("min_motion_strength", 0.001, 0.004),)
    assert verdict.measured["motion_strength"] == 0.001
    assert verdict.limits["min_motion_strength"] == 0.004


def test_negative_thresholds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"filter.min_motion_strength` must be at least 0"):
        Policy(min_motion_strength=-1)
