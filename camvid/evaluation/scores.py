"""A clip's scores against its truth, and a run's."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from camvid.artifacts import (
    NAN,
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    Reconstruction,
    Verdict,
)
from camvid.evaluation.maps import (
    DepthScores,
    MaskScores,
    depth_scores,
    mask_scores,
    true_maps,
)
from camvid.evaluation.trajectory import TrajectoryError, trajectory_error
from camvid.evaluation.truth import ClipTruth
from camvid.scenes.truth import true_motion_strength

NO_TRAVEL = 1e-5  # path lengths below, in units of the truth, are rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScores:
    """One clip against its truth; NaN where the truth does not say or nothing was found."""

    name: str
    clip_id: str
    kind: str
    true_kind: str  # "" where unknown
    camera: str
    true_camera: str
    trajectory: TrajectoryError
    ate_percent: float  # of the true path; NaN where the true camera does not travel
    invented_path: bool  # a trajectory was given to a camera that does not travel
    focal_error: float  # relative
    depth: DepthScores
    masks: MaskScores
    motion_strength: float
    true_motion_strength: float

    @property
    def motion_error(self) -> float:
        """Relative error of the motion strength, where something truly moves."""
        true = self.true_motion_strength
        return abs(self.motion_strength - true) / true if true > 0 else NAN


def score_clip(
    truth: ClipTruth,
    clip: Clip,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    masks: ObjectMasks,
    motion: MotionReport,
    verdict: Verdict,
) -> ClipScores:
    """Everything that can be compared."""
    true_cameras = truth.cam_from_world[clip.source_frame_index]
    trajectory = trajectory_error(
        reconstruction.cam_from_world, reconstruction.registered, true_cameras
    )
    travels = trajectory.path_length > NO_TRAVEL
    scene, depths, covers, strength = truth.scene, DepthScores(), MaskScores(), NAN
    if scene is not None:
        true_depth, object_id = true_maps(clip, scene)
        movers = np.isin(object_id, scene.moving_ids)
        depths = depth_scores(depth, true_depth, movers)
        limit = verdict.limits["min_motion_strength"]
        judged = tuple(o.object_id for o in motion.per_object if o.motion_strength >= limit)
        covers = mask_scores(masks, judged, movers)
        strengths = true_motion_strength(scene, motion.pair_gap_s).values()
        strength = float(np.nanmax([0.0, *strengths]))
    return ClipScores(
        name=truth.name,
        clip_id=clip.clip_id,
        kind=verdict.kind,
        true_kind=scene.kind if scene else "",
        camera=reconstruction.camera,
        true_camera=scene.camera if scene else ("moving" if travels else "rotating"),
        trajectory=trajectory,
        ate_percent=100 * trajectory.ate_rmse / trajectory.path_length if travels else NAN,
        invented_path=reconstruction.has_trajectory and not travels,
        focal_error=_focal_error(truth, clip, reconstruction),
        depth=depths,
        masks=covers,
        motion_strength=motion.motion_strength,
        true_motion_strength=strength,
    )


def _focal_error(truth: ClipTruth, clip: Clip, reconstruction: Reconstruction) -> float:
    if truth.K is None or not reconstruction.has_trajectory:
        return NAN
    true_focal_px = truth.K[0, 0] * clip.width_px / clip.crop_px[2]
    return float(abs(reconstruction.K[0, 0] / true_focal_px - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """All clips with a truth."""

    clips: tuple[ClipScores, ...]
    right_kind: float  # share, of the clips whose kind is known
    confusion: dict[str, int] = field(default_factory=dict[str, int])  # "true -> found"
    num_invented_paths: int = 0
    num_wrong_paths: int = 0  # given as 4d or 3d with ATE above 5 % of the path
    solved_within_1_percent: float = NAN  # of the clips whose camera travels
    median_ate_percent: float = NAN
    depth_abs_rel_static: float = NAN
    depth_abs_rel_movers: float = NAN
    mask_iou: float = NAN
    motion_median_error: float = NAN
    motion_rank_correlation: float = NAN  # Spearman, over the clips where something moves
    still_moving_auc: float = NAN  # of motion strength


def score_run(clips: Sequence[ClipScores]) -> RunScores:
    """Means and medians over the clips, each over those where it is defined."""
    known = [c for c in clips if c.true_kind]
    travelling = [c for c in clips if c.ate_percent == c.ate_percent or c.true_camera == "moving"]
    wrong = [c for c in clips if c.kind in ("4d", "3d") and c.ate_percent > 5]
    strength = np.array([c.motion_strength for c in known])
    true = np.array([c.true_motion_strength for c in known])
    return RunScores(
        clips=tuple(clips),
        right_kind=float(np.mean([c.kind == c.true_kind for c in known])) if known else NAN,
        confusion=dict(sorted(Counter(f"{c.true_kind} -> {c.kind}" for c in known).items())),
        num_invented_paths=sum(c.invented_path for c in clips),
        num_wrong_paths=len(wrong),
        solved_within_1_percent=_mean([float(c.ate_percent <= 1) for c in travelling]),
        median_ate_percent=_median([c.ate_percent for c in travelling]),
        depth_abs_rel_static=_mean([c.depth.abs_rel_static for c in clips]),
        depth_abs_rel_movers=_mean([c.depth.abs_rel_movers for c in clips]),
        mask_iou=_mean([c.masks.iou for c in clips]),
        motion_median_error=_median([c.motion_error for c in known]),
        motion_rank_correlation=rank_correlation(strength[true > 0], true[true > 0]),
        still_moving_auc=area_under_curve(strength[true == 0], strength[true > 0]),
    )


def _mean(values: Sequence[float]) -> float:
    defined = [v for v in values if v == v]
    return float(np.mean(defined)) if defined else NAN


def _median(values: Sequence[float]) -> float:
    defined = [v for v in values if v == v]
    return float(np.median(defined)) if defined else NAN


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rho; NaN for fewer than three values."""
    if len(first) < 3:
        return NAN
    from scipy.stats import spearmanr  # 0.3 s: only where it is needed

    result: Any = spearmanr(first, second)
    return float(result.statistic)


def area_under_curve(still: np.ndarray, moving: np.ndarray) -> float:
    """Chance that a moving clip has the greater strength than a still one; ties count half."""
    if not len(still) or not len(moving):
        return NAN
    greater = (moving[:, None] > still[None]).mean()
    return float(greater + 0.5 * (moving[:, None] == still[None]).mean())
