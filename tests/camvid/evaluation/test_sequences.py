"""Clips of one source taken together."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.evaluation.joints import JointScores
from camvid.evaluation.pairwise import PairwiseScores
from camvid.evaluation.regions import RegionScores
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.sequences import judge, sequence_scores
from camvid.evaluation.trajectory import TrajectoryError

REGIONS = RegionScores(num_frames=30, j_moving=0.8, f_moving=0.6, j_all=0.5, f_all=0.4)
CLIP = ClipScores(
    name="goat",
    clip_id="a",
    num_frames=40,
    kind="4d",
    true_kind="4d",
    camera="moving",
    true_camera="moving",
    trajectory=TrajectoryError(),
    regions=REGIONS,
    motion_strength=0.02,
)
STOPPED = ClipScores(
    name="goat",
    clip_id="",
    kind="failed",
    true_kind="4d",
    camera="unknown",
    true_camera="moving",
    trajectory=TrajectoryError(),
)


def test_one_clip_is_its_sequence() -> None:
    scores = sequence_scores([CLIP], 32)
    assert (scores.kind, scores.judgement, scores.regions) == ("4d", "right", REGIONS)


def test_frames_that_no_clip_holds_were_not_found() -> None:
    scores = sequence_scores([CLIP, STOPPED], 62)
    assert scores.regions.num_frames == 60
    assert scores.regions.j_moving == pytest.approx(0.4)
    assert (scores.kind, scores.judgement) == ("4d+failed", "refused")
    alone = sequence_scores([STOPPED], 62)
    assert (alone.regions.j_all, alone.judgement) == (0.0, "refused")
    assert np.isnan(alone.motion_strength)
    assert sequence_scores([STOPPED], 0).regions == RegionScores()


def test_two_clips_count_by_their_frames() -> None:
    long = replace(
        CLIP,
        clip_id="b",
        num_frames=90,
        kind="3d",
        motion_strength=0.01,
        regions=replace(REGIONS, num_frames=90, j_moving=0.4),
        joints=JointScores(num_joints=30, pck=0.5, pck_at_rest=0.1),
        pairs=PairwiseScores(auc_3=0.7, auc_30=0.9),
    )
    short = replace(CLIP, joints=JointScores(num_joints=10, pck=0.9, pck_at_rest=0.5))
    scores = sequence_scores([short, long], 122)
    assert scores.regions.j_moving == pytest.approx((0.8 * 30 + 0.4 * 90) / 120)
    assert scores.joints == JointScores(num_joints=40, pck=pytest.approx(0.6), pck_at_rest=0.2)
    assert (scores.kind, scores.judgement, scores.motion_strength) == ("4d+3d", "wrong", 0.02)
    assert scores.pairs.auc_3 == 0.7  # of the longest


@pytest.mark.parametrize(
    ("kind", "true_kind", "expected"),
    [
        ("4d", "4d", "right"),
        ("video", "4d", "refused"),
        ("none", "3d", "refused"),
        ("failed", "video", "refused"),
        ("3d", "4d", "wrong"),
        ("4d", "video", "wrong"),
        ("video", "none", "wrong"),
        ("4d", "", ""),
    ],
)
def test_only_a_claim_can_be_wrong(kind: str, true_kind: str, expected: str) -> None:
    assert judge(kind, true_kind) == expected
