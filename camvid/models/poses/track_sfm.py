"""Embedded pose solver: tracks of the static scene, mapped by COLMAP."""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import cv2
import numpy as np

from camvid.artifacts import (
    U16,
    Clip,
    Frames,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.models.features.options import (
    AlikedLightGlueOptions,
    SiftMatcherOptions,
    XFeatOptions,
)
from camvid.models.poses.feature_tracks import (
    FeatureTrackOptions,
    feature_tracks,
    keyframe_tracks,
)
from camvid.models.protocols import FeatureMatcher
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.objects import Origin
from camvid.outcome import Reason
from camvid.overlay.masks import overlay_of
from camvid.parallel import map_threads
from camvid.reasons import About, Why, about, missed_limits
from camvid.settings import constant, table
from camvid.sfm.acceptance import (
    AcceptanceOptions,
    Evidence,
    failed_tests,
    measure_quality,
    with_lens_uncertainty,
)
from camvid.sfm.adjustment import AdjustmentOptions, Structure, uncertainty_of_focal
from camvid.sfm.background import (
    BackgroundOptions,
    SolverOptions,
    held_out,
    informative_tracks,
    num_alive,
    solve_background,
)
from camvid.sfm.border_inliers import on_rim
from camvid.sfm.camera_motion import CameraMotion, CameraMotionOptions, classify_camera
from camvid.sfm.flatness import off_flat_image, seen_static
from camvid.sfm.in_place import reconstruct_in_place
from camvid.sfm.keyframes import KeyframeOptions, choose_keyframes, mean_overlap
from camvid.sfm.lens import CALIBRATED_SPREAD, LensPrior
from camvid.sfm.lens_evidence import find_lens_evidence
from camvid.sfm.mapping import Cameras, MappingOptions
from camvid.sfm.observations import observations_of
from camvid.sfm.starts import StartOptions
from camvid.tracking.lucas_kanade import NEVER_SEED
from camvid.tracking.tracks import join_tracks, owners, tracks_of, within_regions
from camvid.weights import Weight

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMatcherConfig(BackendConfig):
    """Which features find again what corners cannot follow."""

    role: ClassVar[str] = "feature matcher"

    known: ClassVar[Mapping[str, Any]] = {
        "sift": SiftMatcherOptions(max_features=1500),
        "xfeat": XFeatOptions(),
        "aliked_lightglue": AlikedLightGlueOptions(),
    }

    options: Any = constant(None)  # each matcher has the one set of weights that was published


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSfmOptions:
    """Everything that the pose solver can be told."""

    mask_margin_px: int = 4  # a mover's outline and shadow reach beyond its mask
    min_static_tracks: float = 40.0  # alive in the median frame
    # Of the tracks of two keyframes, in the mean; where corners hold less together, features of
    # keyframes are joined to them, which close loops and bridge blur. 0: never.
    enough_overlap: float = 0.5
    complete_fraction: float = 0.9  # of the frames; where fewer are posed, features are tried too
    max_left_share: float = 0.02  # of the flow that rotations leave, where depth does not show
    camera_motion: CameraMotionOptions = field(default_factory=CameraMotionOptions)
    keyframes: KeyframeOptions = field(default_factory=KeyframeOptions)
    mapping: MappingOptions = field(default_factory=MappingOptions)
    starts: StartOptions = field(default_factory=StartOptions)
    adjustment: AdjustmentOptions = field(default_factory=AdjustmentOptions)
    background: BackgroundOptions = field(default_factory=BackgroundOptions)
    acceptance: AcceptanceOptions = field(default_factory=AcceptanceOptions)
    features: FeatureMatcherConfig = table(FeatureMatcherConfig())
    feature_tracks: FeatureTrackOptions = field(default_factory=FeatureTrackOptions)


class TrackSfm:
    """Cameras of the static part of a clip, or the name of what makes them unknowable."""

    def __init__(self, options: TrackSfmOptions | None = None) -> None:
        self._options = options or TrackSfmOptions()
        self._matcher: FeatureMatcher = build_backend(self._options.features)
        self.weights: tuple[Weight, ...] = weights_of(self._matcher)

    @property
    def _solver(self) -> SolverOptions:
        options = self._options
        return SolverOptions(
            mapping=options.mapping,
            starts=options.starts,
            adjustment=options.adjustment,
            background=options.background,
        )

    def solve(
        self, clip: Clip, frames: Frames, masks: ObjectMasks, tracks: PointTracks
    ) -> Reconstruction:
        """Names the camera's motion and, where it has a path, maps the static scene.

        Features of keyframes are joined to the tracks; features of all frames take their place
        where those lead to no cameras that hold. A focal length that came with the video is all
        but held.
        """
        if clip.video.calibration:
            told = copy.copy(self)
            told._options = calibrated(self._options, clip)
            return told._solve_clip(clip, frames, masks, tracks)
        return self._solve_clip(clip, frames, masks, tracks)

    def _solve_clip(
        self, clip: Clip, frames: Frames, masks: ObjectMasks, tracks: PointTracks
    ) -> Reconstruction:
        options = self._options
        region = solver_regions(masks, options.mask_margin_px)
        assumed_static = tuple(o.object_id for o in masks.objects if o.origin is Origin.SALIENT)
        own = within_regions(tracks, owners(tracks, masks.object_id), region)
        result = self._solve(frames, region, assumed_static, own, "tracks", joins=True)
        if self._worth_features(result, len(region)):
            features = feature_tracks(frames.rgb, region, self._matcher, options.feature_tracks)
            backend = options.features.backend
            other = self._solve(frames, region, assumed_static, features, backend, joins=False)
            result = max(result, other, key=_completeness)
        for reason in result.reasons:
            _LOG.info("clip %s: camera %s: %s", clip.clip_id, result.camera, reason)
        return result

    def _worth_features(self, result: Reconstruction, num_frames: int) -> bool:
        """Tracks that broke are worth another way; cameras without parallax stay so."""
        incomplete = result.camera == "moving" and (
            result.quality.registered_fraction < self._options.complete_fraction
        )
        long_enough = num_frames >= self._options.feature_tracks.min_track_frames
        broken = About.TRACKS in {about(reason) for reason in result.reasons}
        return long_enough and (incomplete or broken)

    def _solve(
        self,
        frames: Frames,
        region: U16,
        assumed_static: Sequence[int],
        tracks: PointTracks,
        solver: str,
        *,
        joins: bool,
    ) -> Reconstruction:
        """Cameras from one set of tracks, to which features of keyframes may be joined."""
        height_px, width_px = frames.rgb.shape[1:3]
        informative = informative_tracks(
            tracks, assumed_static, (width_px, height_px), self._options.background
        )
        motion = classify_camera(informative, width_px, height_px, self._options.camera_motion)
        quality = ReconstructionQuality(
            median_flow_px=motion.flow_px,
            rotation_residual_px=motion.residual_px,
            masked_fraction=float(np.mean(region > 0)),
            solver=solver,
        )
        reasons = self._degenerate(informative, motion)
        flat = () if reasons else self._flat(informative, width_px, height_px)
        if flat:
            return Reconstruction.without_trajectory(
                "unknown", len(tracks.visible), quality=quality, reasons=flat
            )
        if not reasons:
            mapped = self._mapped(frames, region, assumed_static, tracks, quality, joins=joins)
            if _lacks_depth_alone(mapped) and motion.left_share <= self._options.max_left_share:
                # It did travel, but not far enough to see depth: a pan for all that is known.
                motion = motion._replace(camera="rotating")
                angle_deg = mapped.quality.median_triangulation_angle_deg
                quality = replace(quality, median_triangulation_angle_deg=angle_deg)
                return reconstruct_in_place(
                    motion, len(tracks.visible), quality=quality, reasons=mapped.reasons
                )
            around = tracks_of(informative, on_rim(informative, width_px, height_px))
            if (
                mapped.camera == "moving"
                or _lacks_depth_alone(mapped)
                or around.visible.shape == informative.visible.shape
            ):
                return mapped
            # A large mover may have hidden that the camera stands still: the rim tells.
            motion = classify_camera(around, width_px, height_px, self._options.camera_motion)
            reasons = self._degenerate(around, motion)
            if motion.camera in ("moving", "unknown") or not reasons or self._is_loose(motion):
                return mapped
        return reconstruct_in_place(motion, len(tracks.visible), quality=quality, reasons=reasons)

    def _is_loose(self, motion: CameraMotion) -> bool:
        """Whether a turning camera explains its own tracks worse than a travelling one may."""
        limit_px = self._options.acceptance.max_mean_reprojection_error_px
        return motion.turning is not None and motion.turning.error_px > limit_px

    def _degenerate(self, tracks: PointTracks, motion: CameraMotion) -> tuple[Reason, ...]:
        """Why the clip is not worth mapping; empty if it is."""
        limits = self._options.camera_motion
        alive = num_alive(tracks)
        if motion.camera == "fixed":
            return (Reason(Why.CAMERA_FIXED, motion.flow_px, limits.max_fixed_flow_px),)
        if motion.camera in ("rotating", "zooming"):
            name = Why.of_camera(motion.camera)
            return (Reason(name, motion.residual_px, motion.limit_px),)
        if alive < self._options.min_static_tracks or motion.camera == "unknown":
            return (Reason(Why.MIN_STATIC_TRACKS, alive, self._options.min_static_tracks),)
        return ()

    def _flat(self, tracks: PointTracks, width_px: int, height_px: int) -> tuple[Reason, ...]:
        """The reason against cameras of one flat image that slides; empty if there is depth."""
        share = off_flat_image(tracks, width_px, height_px, self._options.camera_motion)
        measured = {Why.MIN_OFF_FLAT_IMAGE_FRACTION: share}
        return missed_limits(measured, self._options.acceptance)

    def _mapped(
        self,
        frames: Frames,
        region: U16,
        assumed_static: Sequence[int],
        tracks: PointTracks,
        quality: ReconstructionQuality,
        *,
        joins: bool,
    ) -> Reconstruction:
        """Cameras of a moving camera, if they pass every test of acceptance."""
        options, limits = self._options, self._options.acceptance
        num_frames, height_px, width_px = frames.rgb.shape[:3]
        size_px = width_px, height_px
        informative = informative_tracks(tracks, assumed_static, size_px, options.background)
        keyframes = choose_keyframes(informative, max(size_px), options.keyframes)
        if joins and mean_overlap(informative, keyframes) < options.enough_overlap:
            features = keyframe_tracks(
                frames.rgb, region, keyframes, self._matcher, options.feature_tracks
            )
            tracks = join_tracks(tracks, features)
            quality = replace(quality, solver=f"{quality.solver}+{options.features.backend}")
        found = solve_background(tracks, assumed_static, keyframes, size_px, self._solver)
        if found is None:
            reason = Reason(Why.MIN_REGISTERED_FRACTION, 0.0, limits.min_registered_fraction)
            return Reconstruction.without_trajectory(
                "unknown", num_frames, quality=quality, reasons=(reason,)
            )
        cameras, adjusted = found.cameras, found.structure
        structure = adjusted.seen_apart(options.adjustment.min_triangulation_angle_deg)
        num_tracks = found.tracks.visible.shape[1]
        unused = observations_of(found.tracks, held_out(found.tracks, options.background))
        quality = measure_quality(quality, cameras, structure, unused, num_tracks, limits)
        uncertainty = uncertainty_of_focal(cameras, adjusted, *size_px, options.adjustment)
        lens = find_lens_evidence(cameras, structure, *size_px)
        uncertainty = max(uncertainty, lens.focal_deviation)
        quality = replace(quality, focal_uncertainty=uncertainty)
        evidence = Evidence(
            border_share=found.border_share,
            off_flat_image=off_flat_image(
                seen_static(found.tracks, structure.observations), *size_px, options.camera_motion
            ),
            lens=lens,
        )
        reasons = failed_tests(quality, cameras, structure, evidence, max(size_px), limits)
        if reasons:
            return Reconstruction.without_trajectory(
                "unknown", num_frames, quality=quality, reasons=reasons
            )
        return as_reconstruction(frames, cameras, structure, with_lens_uncertainty(quality, lens))


def calibrated(options: TrackSfmOptions, clip: Clip) -> TrackSfmOptions:
    """The options for a clip of whose video the focal length is given.

    Its principal point is taken for the image's centre, as of any video.
    """
    fx, fy, *_ = clip.video.calibration
    scale = clip.width_px / clip.crop_px[2]
    focal = float(np.sqrt(fx * fy)) * scale / max(clip.width_px, clip.height_px)
    lens = LensPrior(focal=focal, spread=CALIBRATED_SPREAD)
    motion = options.camera_motion
    panning = replace(motion.panning, prior_focal=focal, prior_focal_spread=lens.spread)
    return replace(
        options,
        mapping=replace(options.mapping, usual_focals=(focal,)),
        adjustment=replace(options.adjustment, lens=lens),
        camera_motion=replace(motion, panning=panning),
    )


def _completeness(result: Reconstruction) -> tuple[bool, float]:
    return result.camera != "unknown", float(result.registered.mean())


def _lacks_depth_alone(result: Reconstruction) -> bool:
    """Whether cameras were refused because no point is seen from far enough apart.

    Then a longer focal length and a shorter way look the same, too, and so does another lens.
    """
    failed = {about(reason) for reason in result.reasons}
    return About.PARALLAX in failed and failed <= {About.PARALLAX, About.LENS}


def solver_regions(masks: ObjectMasks, margin_px: int) -> U16:
    """[T, H, W]: objects as they are; NEVER_SEED close about them and on what is fixed in place.

    Patches there see two things that move apart, and flow is dragged along with an object.
    """
    size = 2 * margin_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))

    def surround(object_id: U16) -> U16:
        near = cv2.dilate((object_id > 0).astype(np.uint8), kernel) > 0
        return np.where(near & (object_id == 0), np.uint16(NEVER_SEED), object_id)

    region = np.stack(map_threads(surround, masks.object_id))
    region[overlay_of(masks)] = NEVER_SEED
    return region


def as_reconstruction(
    frames: Frames, cameras: Cameras, structure: Structure, quality: ReconstructionQuality
) -> Reconstruction:
    """The artifact: points that were seen, coloured by their first sighting."""
    seen = structure.observations
    tracks, first, point = np.unique(seen.track, return_index=True, return_inverse=True)
    column, row = np.floor(seen.xy_px[first]).astype(int).T
    return Reconstruction(
        camera="moving",
        K=cameras.K,
        zoom=cameras.zoom,
        cam_from_world=cameras.cam_from_world,
        registered=cameras.registered,
        points_world=structure.xyz_world[tracks].astype(np.float32),
        point_rgb=frames.rgb[seen.frame[first], row, column],
        observation_frame=seen.frame,
        observation_point=point.astype(np.int32),
        observation_xy_px=seen.xy_px.astype(np.float32),
        quality=quality,
    )
