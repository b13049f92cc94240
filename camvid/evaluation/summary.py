"""Summarises the scores of a run: over all clips, and by what makes their scenes hard."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from camvid.artifacts import NAN
from camvid.evaluation.maps import ConfidenceBin, pool_bins
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.sequences import judge

WRONG_PATH_PERCENT = 5.0  # ATE above, of the path, is a wrong trajectory
GOOD_PATH_PERCENT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Means and medians over clips, each over those where it is defined.

    Kinds, paths and their verdicts are judged where the images decide them (`observable`).
    """

    num_clips: int
    num_observable: int
    right_kind: float  # share
    num_wrong_kinds: int = 0  # that claim what is not so; the others claim less
    confusion: dict[str, int] = field(default_factory=dict[str, int])  # "true -> found"
    cameras: dict[str, int] = field(default_factory=dict[str, int])  # "true -> found"
    num_failed: int = 0
    num_invented_paths: int = 0
    num_wrong_paths: int = 0  # given as 4d or 3d with ATE above 5 % of the path
    registered: float = NAN  # mean share of frames, of clips whose camera travels
    within_1_percent: float = NAN  # share, of clips whose camera travels
    median_ate_percent: float = NAN
    median_rpe_rotation_deg: float = NAN
    pan_rotation_deg: float = NAN  # median over rotation-only and zooming cameras
    worst_pan_rotation_deg: float = NAN
    auc_3: float = NAN  # means, of clips with known poses
    auc_30: float = NAN
    median_focal_error: float = NAN
    depth_abs_rel_static: float = NAN
    depth_delta_static: float = NAN
    depth_abs_rel_movers: float = NAN
    depth_delta_movers: float = NAN
    median_depth_abs_rel_movers: float = NAN
    depth_ause: float = NAN
    mask_iou: float = NAN
    mask_precision: float = NAN
    mask_recall: float = NAN
    j_moving: float = NAN  # means over clips with tight masks of the source
    f_moving: float = NAN
    j_all: float = NAN
    f_all: float = NAN
    joints_pck: float = NAN
    motion_median_error: float = NAN
    interval_coverage: float = NAN  # share of true motion strengths in their 90 % interval
    motion_rank_correlation: float = NAN  # Spearman, over the clips where something moves
    still_moving_auc: float = NAN  # of motion strength
    object_auc: float = NAN  # the same over found objects that lie on still and moving ones


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """All clips with a truth."""

    clips: tuple[ClipScores, ...]
    overall: Summary
    by_ingredient: dict[str, Summary]
    depth_by_confidence: tuple[ConfidenceBin, ...]


def score_run(clips: Sequence[ClipScores]) -> RunScores:
    """The clips, and what they come to."""
    ingredients = sorted({name for clip in clips for name in clip.ingredients})
    return RunScores(
        clips=tuple(clips),
        overall=summarise(clips),
        by_ingredient={
            name: summarise([clip for clip in clips if name in clip.ingredients])
            for name in ingredients
        },
        depth_by_confidence=pool_bins([clip.depth.by_confidence for clip in clips]),
    )


def summarise(clips: Sequence[ClipScores]) -> Summary:
    """One line for several clips."""
    known = [c for c in clips if c.true_kind]
    observable = [c for c in known if c.observable.kind]
    travelling = [c for c in clips if c.true_camera == "moving" and c.observable.camera]
    rotation_deg = [c.trajectory.rotation_rmse_deg for c in clips if not c.trajectory.travels]
    wrong = [c for c in clips if c.kind in ("4d", "3d") and c.ate_percent > WRONG_PATH_PERCENT]
    measured = [c for c in known if c.motion_strength == c.motion_strength]
    strength = np.array([c.motion_strength for c in measured])
    true = np.array([c.true_motion_strength for c in measured])
    sure = np.array([c.observable.motion for c in measured], bool)
    objects = [o for c in clips for o in c.objects if o.is_sure]
    return Summary(
        num_clips=len(clips),
        num_observable=sum(c.observable.kind for c in clips),
        right_kind=_mean([float(c.kind == c.true_kind) for c in observable]),
        num_wrong_kinds=sum(judge(c.kind, c.true_kind) == "wrong" for c in observable),
        confusion=_counted([f"{c.true_kind} -> {c.kind}" for c in observable]),
        cameras=_counted([f"{c.true_camera} -> {c.camera}" for c in known if c.true_camera]),
        num_failed=sum(c.kind == "failed" for c in clips),
        num_invented_paths=sum(c.invented_path for c in clips),
        num_wrong_paths=len(wrong),
        registered=_mean([c.trajectory.registered_fraction for c in travelling]),
        within_1_percent=_mean([float(c.ate_percent <= GOOD_PATH_PERCENT) for c in travelling]),
        median_ate_percent=_median([c.ate_percent for c in travelling]),
        median_rpe_rotation_deg=_median([c.trajectory.rpe_rotation_deg for c in travelling]),
        pan_rotation_deg=_median(rotation_deg),
        worst_pan_rotation_deg=max((e for e in rotation_deg if e == e), default=NAN),
        auc_3=_mean([c.pairs.auc_3 for c in clips]),
        auc_30=_mean([c.pairs.auc_30 for c in clips]),
        median_focal_error=_median([c.focal_error for c in clips]),
        depth_abs_rel_static=_mean([c.depth.abs_rel_static for c in clips]),
        depth_delta_static=_mean([c.depth.delta_static for c in clips]),
        depth_abs_rel_movers=_mean([c.depth.abs_rel_movers for c in clips]),
        depth_delta_movers=_mean([c.depth.delta_movers for c in clips]),
        median_depth_abs_rel_movers=_median([c.depth.abs_rel_movers for c in clips]),
        depth_ause=_mean([c.depth.ause for c in clips]),
        mask_iou=_mean([c.masks.iou for c in clips]),
        mask_precision=_mean([c.masks.precision for c in clips]),
        mask_recall=_mean([c.masks.recall for c in clips]),
        j_moving=_mean([c.regions.j_moving for c in clips]),
        f_moving=_mean([c.regions.f_moving for c in clips]),
        j_all=_mean([c.regions.j_all for c in clips]),
        f_all=_mean([c.regions.f_all for c in clips]),
        joints_pck=_mean([c.joints.pck for c in clips]),
        motion_median_error=_median([c.motion_error for c in known]),
        interval_coverage=_mean([c.interval_holds for c in known]),
        motion_rank_correlation=rank_correlation(strength[true > 0], true[true > 0]),
        still_moving_auc=area_under_curve(
            strength[sure & (true == 0)], strength[sure & (true > 0)]
        ),
        object_auc=area_under_curve(
            np.array([o.motion_strength for o in objects if o.true_motion_strength == 0]),
            np.array([o.motion_strength for o in objects if o.true_motion_strength > 0]),
        ),
    )


def _counted(words: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _mean(values: Sequence[float]) -> float:
    defined = [v for v in values if v == v]
    return float(np.mean(defined)) if defined else NAN


def _median(values: Sequence[float]) -> float:
    defined = [v for v in values if v == v]
    return float(np.median(defined)) if defined else NAN


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho; NaN for fewer than three values, or where all are equal."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return NAN
    from scipy.stats import spearmanr  # 0.3 s: only where it is needed

    result: Any = spearmanr(first, second)
    return float(result.statistic)


def area_under_curve(still: np.ndarray, moving: np.ndarray) -> float:
    """Chance that a moving one has the greater strength than a still one; ties count half."""
    if not len(still) or not len(moving):
        return NAN
    greater = (moving[:, None] > still[None]).mean()
    return float(greater + 0.5 * (moving[:, None] == still[None]).mean())
