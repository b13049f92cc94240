"""A clip's scores against its truth."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import (
    F64,
    NAN,
    CameraKind,
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    Reconstruction,
    Verdict,
)
from camvid.evaluation.maps import DepthScores, MaskScores, depth_scores, mask_scores, true_maps
from camvid.evaluation.objects import ObjectScores, object_scores
from camvid.evaluation.trajectory import NO_TRAVEL, TrajectoryError, trajectory_error
from camvid.evaluation.truth import ClipTruth
from camvid.geometry import camera_centers
from camvid.scenes.fairness import Observable, observable
from camvid.scenes.truth import true_motion_strength

_ALL_TOLD = Observable(camera=True, motion=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScores:
    """One clip against its truth; NaN where the truth does not say or nothing was found."""

    name: str
    clip_id: str
    ingredients: tuple[str, ...]  # what makes the scene hard
    observable: Observable  # what the pictures can tell
    kind: str  # "failed" where the pipeline did
    true_kind: str  # "" where unknown
    camera: str
    true_camera: str
    trajectory: TrajectoryError
    invented_path: bool = False  # a trajectory was given to a camera that does not travel
    focal_error: float = NAN  # relative, median over frames
    depth: DepthScores = DepthScores()
    masks: MaskScores = MaskScores()
    motion_strength: float = NAN
    true_motion_strength: float = NAN
    motion_error: float = NAN  # relative, where something truly moves
    objects: tuple[ObjectScores, ...] = ()

    @property
    def ate_percent(self) -> float:
        """Of the true path; NaN where the true camera does not travel."""
        return self.trajectory.ate_percent


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
    trajectory = trajectory_error(
        reconstruction.cam_from_world,
        reconstruction.registered,
        truth.cam_from_world[clip.source_frame_index],
    )
    scene, depths, covers, strength = truth.scene, DepthScores(), MaskScores(), NAN
    objects: tuple[ObjectScores, ...] = ()
    if scene is not None:
        true_depth, object_id = true_maps(clip, scene)
        movers = np.isin(object_id, scene.moving_ids)
        depths = depth_scores(depth, true_depth, movers)
        limit = verdict.limits["min_motion_strength"]
        judged = tuple(o.object_id for o in motion.per_object if o.motion_strength >= limit)
        covers = mask_scores(masks, judged, movers)
        strengths = true_motion_strength(scene, motion.pair_gap_s)
        strength = float(np.nanmax([0.0, *strengths.values()]))
        objects = object_scores(masks, motion, scene, object_id, strengths)
    return ClipScores(
        name=truth.name,
        clip_id=clip.clip_id,
        ingredients=scene.ingredients if scene else (),
        observable=observable(scene) if scene else _ALL_TOLD,
        kind=verdict.kind,
        true_kind=scene.kind if scene else "",
        camera=reconstruction.camera,
        true_camera=_true_camera(truth),
        trajectory=trajectory,
        invented_path=reconstruction.has_trajectory and not trajectory.travels,
        focal_error=_focal_error(truth, clip, reconstruction),
        depth=depths,
        masks=covers,
        motion_strength=motion.motion_strength,
        true_motion_strength=strength,
        motion_error=abs(motion.motion_strength / strength - 1) if strength > 0 else NAN,
        objects=objects,
    )


def score_stopped(truth: ClipTruth, clip_id: str, kind: str) -> ClipScores:
    """A clip or video that never came to a verdict: rejected on the way, or failed."""
    scene = truth.scene
    unknown = np.zeros(len(truth.cam_from_world), bool)
    return ClipScores(
        name=truth.name,
        clip_id=clip_id,
        ingredients=scene.ingredients if scene else (),
        observable=observable(scene) if scene else _ALL_TOLD,
        kind=kind,
        true_kind=scene.kind if scene else "",
        camera="unknown",
        true_camera=_true_camera(truth),
        trajectory=trajectory_error(truth.cam_from_world, unknown, truth.cam_from_world),
    )


def _true_camera(truth: ClipTruth) -> CameraKind:
    if truth.scene is not None:
        return truth.scene.camera
    travels = np.ptp(camera_centers(truth.cam_from_world), axis=0).max() > NO_TRAVEL
    return "moving" if travels else "rotating"


def _focal_error(truth: ClipTruth, clip: Clip, reconstruction: Reconstruction) -> float:
    if truth.K_per_frame is None or not reconstruction.has_cameras:
        return NAN
    true_px = truth.K_per_frame[clip.source_frame_index, 0, 0] * clip.width_px / clip.crop_px[2]
    known = np.flatnonzero(reconstruction.registered)
    focal_px = np.array([reconstruction.K_of(int(t))[0, 0] for t in known])
    stays = np.ptp(truth.cam_from_world, axis=0).max() < NO_TRAVEL
    return focal_error(focal_px, true_px[known], up_to_scale=bool(stays))


def focal_error(focal_px: F64, true_px: F64, *, up_to_scale: bool) -> float:
    """Median relative error of focal lengths [T].

    A camera that neither travels nor turns shows only by what factor it zooms: `up_to_scale`.
    """
    ratio = focal_px / true_px
    if up_to_scale:
        ratio = ratio / np.median(ratio)
    return float(np.median(np.abs(ratio - 1)))
