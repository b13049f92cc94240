"""A clip's scores against its truth."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from camvid.artifacts import (
    F64,
    NAN,
    CameraKind,
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.evaluation.joints import JointScores, joint_scores
from camvid.evaluation.maps import DepthScores, MaskScores, depth_scores, mask_scores, true_maps
from camvid.evaluation.objects import ObjectScores, object_scores
from camvid.evaluation.pairwise import PairwiseScores, pairwise_scores
from camvid.evaluation.regions import RegionScores, read_mask, region_scores
from camvid.evaluation.trajectory import NO_TRAVEL, TrajectoryError, trajectory_error
from camvid.evaluation.truth import ClipTruth
from camvid.geometry import camera_centers
from camvid.scenes.fairness import Observable, observable
from camvid.scenes.truth import SceneTruth, true_motion_strength
from camvid.tracking.tracks import with_owners

_ALL_OBSERVABLE = Observable(camera=True, motion=True)
_EVEN = 0.5  # odds of moving and of standing still; NaN in runs that do not say
_STANDS = ("fixed", "rotating", "zooming")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipResults:
    """What a run found in one clip that came to a verdict."""

    clip: Clip
    reconstruction: Reconstruction
    depth: DepthMaps
    masks: ObjectMasks
    tracks: PointTracks | None  # needed where joints are known
    motion: MotionReport
    verdict: Verdict

    @property
    def moving_ids(self) -> tuple[int, ...]:
        """The objects judged to move: likely, and by more than the threshold."""
        limit = self.verdict.limits["min_motion_strength"]
        return tuple(
            o.object_id
            for o in self.motion.per_object
            if o.motion_strength >= limit and not o.probability < _EVEN
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScores:
    """One clip against its truth; NaN where the truth does not say or nothing was found."""

    name: str
    clip_id: str
    num_frames: int = 0  # 0 where it came to no verdict
    ingredients: tuple[str, ...] = ()  # what makes the scene hard
    observable: Observable = _ALL_OBSERVABLE  # what the images decide
    kind: str  # "failed" where the pipeline did
    true_kind: str  # "" where unknown
    camera: str
    true_camera: str  # "" where unknown
    trajectory: TrajectoryError
    pairs: PairwiseScores = PairwiseScores()
    invented_path: bool = False  # a trajectory was given to a camera that does not travel
    focal_px: float = NAN  # median over frames, in pixels of the clip
    true_focal_px: float = NAN
    focal_error: float = NAN  # relative, median over frames
    depth: DepthScores = DepthScores()
    masks: MaskScores = MaskScores()
    regions: RegionScores = RegionScores()
    joints: JointScores = JointScores()
    motion_strength: float = NAN
    true_motion_strength: float = NAN
    motion_error: float = NAN  # relative, where something truly moves
    interval_holds: float = NAN  # 1 or 0: the true strength lies in the 90 % interval, there
    objects: tuple[ObjectScores, ...] = ()

    @property
    def ate_percent(self) -> float:
        """Of the true path; NaN where the true camera does not travel."""
        return self.trajectory.ate_percent


def score_clip(truth: ClipTruth, found: ClipResults) -> ClipScores:
    """Everything that can be compared."""
    clip, reconstruction = found.clip, found.reconstruction
    scores = score_stopped(truth, clip.clip_id, found.verdict.kind)
    true_cameras = truth.cameras_at(clip.source_frame_index)
    if true_cameras is not None:
        solved = reconstruction.cam_from_world, reconstruction.registered, true_cameras
        scores = replace(
            scores, trajectory=trajectory_error(*solved), pairs=pairwise_scores(*solved)
        )
    scores = replace(
        scores,
        num_frames=clip.num_frames,
        camera=reconstruction.camera,
        invented_path=reconstruction.has_trajectory and scores.true_camera in _STANDS,
        regions=region_scores(found.masks, found.moving_ids, clip, truth.masks),
        joints=_joints(truth, found),
        motion_strength=found.motion.motion_strength,
    )
    scores = _with_focal(scores, truth, found)
    return scores if truth.scene is None else _with_scene(scores, truth.scene, found)


def score_stopped(truth: ClipTruth, clip_id: str, kind: str) -> ClipScores:
    """A clip or video that never came to a verdict: rejected by a stage, or failed."""
    scene = truth.scene
    trajectory, pairs = TrajectoryError(), PairwiseScores()
    if truth.cam_from_world is not None:
        poses = truth.cam_from_world
        trajectory = trajectory_error(poses, np.zeros(len(poses), bool), poses)
        pairs = PairwiseScores(auc_3=0.0, auc_30=0.0)
    return ClipScores(
        name=truth.name,
        clip_id=clip_id,
        ingredients=scene.ingredients if scene else (),
        observable=observable(scene) if scene else _ALL_OBSERVABLE,
        kind=kind,
        true_kind=scene.kind if scene else truth.labels.kind or "",
        camera="unknown",
        true_camera=_true_camera(truth),
        trajectory=trajectory,
        pairs=pairs,
    )


def _with_scene(scores: ClipScores, scene: SceneTruth, found: ClipResults) -> ClipScores:
    """Adds what only a rendered scene knows: depth, masks and motion of every pixel."""
    true_depth, object_id = true_maps(found.clip, scene)
    movers = np.isin(object_id, scene.moving_ids)
    strengths = true_motion_strength(scene, found.motion.pair_gap_s)
    strength = float(np.nanmax([0.0, *strengths.values()]))
    error, holds = NAN, NAN
    if strength > 0:
        error = abs(found.motion.motion_strength / strength - 1)
        low, high = found.motion.interval_low, found.motion.interval_high
        holds = float(low <= strength <= high) if low == low else NAN
    return replace(
        scores,
        depth=depth_scores(found.depth, true_depth, movers),
        masks=mask_scores(found.masks, found.moving_ids, movers),
        true_motion_strength=strength,
        motion_error=error,
        interval_holds=holds,
        objects=object_scores(found.masks, found.motion, scene, object_id, strengths),
    )


def _joints(truth: ClipTruth, found: ClipResults) -> JointScores:
    """Joints of the truth along the run's tracks; the animal's size is that of its true mask."""
    if truth.joints is None or found.tracks is None:
        return JointScores()
    video = found.clip.video
    area_px: dict[int, float] = {}
    for index in truth.joints.source_frame_index.tolist():
        if index in truth.masks:
            share = float(read_mask(truth.masks[index]).mean())
            area_px[index] = share * video.width_px * video.height_px
    tracks = with_owners(found.tracks, found.masks)
    return joint_scores(truth.joints, found.clip, tracks, area_px)


def _true_camera(truth: ClipTruth) -> CameraKind | Literal[""]:
    if truth.scene is not None:
        return truth.scene.camera
    if truth.labels.camera is not None or truth.cam_from_world is None:
        return truth.labels.camera or ""
    travels = np.ptp(camera_centers(truth.cam_from_world), axis=0).max() > NO_TRAVEL
    return "moving" if travels else "rotating"


def _with_focal(scores: ClipScores, truth: ClipTruth, found: ClipResults) -> ClipScores:
    """Adds focal lengths in pixels of the clip; the error is over the frames with a camera."""
    clip, known = found.clip, found.reconstruction.registered
    focal_px = found.reconstruction.K_per_frame[known, 0, 0]
    scores = replace(scores, focal_px=_median(focal_px))
    true_px = truth.focal_px_at(clip.source_frame_index)
    if true_px is None:
        return scores
    true_px = true_px * clip.width_px / clip.crop_px[2]
    scores = replace(scores, true_focal_px=_median(true_px))
    if not len(focal_px):
        return scores
    poses = truth.cam_from_world
    stays = poses is not None and bool(np.ptp(poses, axis=0).max() < NO_TRAVEL)
    error = focal_error(focal_px, true_px[known], up_to_scale=stays)
    return replace(scores, focal_error=error)


def focal_error(focal_px: F64, true_px: F64, *, up_to_scale: bool) -> float:
    """Median relative error of focal lengths [T].

    A camera that neither travels nor turns shows only by what factor it zooms: `up_to_scale`.
    """
    ratio = focal_px / true_px
    if up_to_scale:
        ratio = ratio / np.median(ratio)
    return float(np.median(np.abs(ratio - 1)))


def _median(values: F64) -> float:
    return float(np.median(values)) if len(values) else NAN
