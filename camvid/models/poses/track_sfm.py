"""Embedded pose solver: tracks of the static scene, mapped by COLMAP."""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

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
from camvid.morphology import grown
from camvid.objects import Origin
from camvid.outcome import Reason
from camvid.overlay.masks import overlay_of
from camvid.parallel import map_threads
from camvid.reasons import About, Why, about, missed_limits
from camvid.settings import constant, table
from camvid.sfm.acceptance import (
    LIMITS,
    Evidence,
    failed_tests,
    measure_quality,
    with_lens_uncertainty,
)
from camvid.sfm.adjustment import Structure, uncertainty_of_focal
from camvid.sfm.background import (
    held_out,
    informative_tracks,
    num_alive,
    solve_background,
)
from camvid.sfm.border_inliers import on_border
from camvid.sfm.camera_motion import MAX_FIXED_FLOW_PX, CameraMotion, classify_camera
from camvid.sfm.cameras import Cameras
from camvid.sfm.flatness import off_flat_image, seen_static
from camvid.sfm.in_place import reconstruct_in_place
from camvid.sfm.keyframes import choose_keyframes, mean_overlap
from camvid.sfm.lens import CALIBRATED_SPREAD, USUAL_LENS, LensPrior
from camvid.sfm.lens_evidence import find_lens_evidence
from camvid.sfm.observations import observations_of
from camvid.tracking.lucas_kanade import NEVER_SEED
from camvid.tracking.tracks import join_tracks, owners, tracks_of, within_regions
from camvid.weights import Weight

_LOG = logging.getLogger(__name__)

_MASK_MARGIN_PX = 4  # a mover's outline and shadow reach beyond its mask
_MIN_STATIC_TRACKS = 40.0  # alive in the median frame
# Of the tracks of two keyframes, in the mean; where corners hold less together, features of
# keyframes are joined to them, which close loops and bridge blur.
_ENOUGH_OVERLAP = 0.5
_COMPLETE_FRACTION = 0.9  # of the frames; where fewer are posed, features are tried too
_MAX_RESIDUAL_FLOW = 0.02  # of the flow that rotations leave, where depth does not show


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
    """Which features help the tracks."""

    features: FeatureMatcherConfig = table(FeatureMatcherConfig())
    feature_tracks: FeatureTrackOptions = field(default_factory=FeatureTrackOptions)


class TrackSfm:
    """Cameras of the static part of a clip, or the name of what makes them unknowable."""

    def __init__(self, options: TrackSfmOptions | None = None) -> None:
        self._options = options or TrackSfmOptions()
        self._lens = USUAL_LENS
        self._matcher: FeatureMatcher = build_backend(self._options.features)
        self.weights: tuple[Weight, ...] = weights_of(self._matcher)

    def solve(
        self, clip: Clip, frames: Frames, masks: ObjectMasks, tracks: PointTracks
    ) -> Reconstruction:
        """Names the camera's motion and, where it has a path, maps the static scene.

        Features of keyframes are joined to the tracks; features of all frames take their place
        where those lead to no cameras that hold. A focal length that came with the video is all
        but held.
        """
        if clip.video.calibration:
            calibrated = copy.copy(self)
            calibrated._lens = calibrated_lens(clip)
            return calibrated._solve_clip(clip, frames, masks, tracks)
        return self._solve_clip(clip, frames, masks, tracks)

    def _solve_clip(
        self, clip: Clip, frames: Frames, masks: ObjectMasks, tracks: PointTracks
    ) -> Reconstruction:
        options = self._options
        region = solver_regions(masks)
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
            result.quality.registered_fraction < _COMPLETE_FRACTION
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
        size_px = frames.rgb.shape[2], frames.rgb.shape[1]
        informative = informative_tracks(tracks, assumed_static, size_px)
        motion = classify_camera(informative, size_px, self._lens)
        quality = ReconstructionQuality(
            median_flow_px=motion.flow_px,
            rotation_residual_px=motion.residual_px,
            masked_fraction=float(np.mean(region > 0)),
            solver=solver,
        )
        reasons = degenerate(informative, motion)
        sheet = () if reasons else flat(informative, size_px)
        if sheet:
            return Reconstruction.without_trajectory(
                "unknown", len(tracks.visible), quality=quality, reasons=sheet
            )
        if not reasons:
            mapped = self._mapped(frames, region, assumed_static, tracks, quality, joins=joins)
            if _lacks_depth_alone(mapped) and motion.residual_flow_fraction <= _MAX_RESIDUAL_FLOW:
                # It did travel, but not far enough to see depth: a pan for all that is known.
                motion = motion._replace(camera="rotating")
                angle_deg = mapped.quality.median_triangulation_angle_deg
                quality = replace(quality, median_triangulation_angle_deg=angle_deg)
                return reconstruct_in_place(
                    motion, len(tracks.visible), quality=quality, reasons=mapped.reasons
                )
            around = tracks_of(informative, on_border(informative, size_px))
            if (
                mapped.camera == "moving"
                or _lacks_depth_alone(mapped)
                or around.visible.shape == informative.visible.shape
            ):
                return mapped
            # A large mover may have hidden that the camera stands still: the border tells.
            motion = classify_camera(around, size_px, self._lens)
            reasons = degenerate(around, motion)
            if motion.camera in ("moving", "unknown") or not reasons or _is_loose(motion):
                return mapped
        return reconstruct_in_place(motion, len(tracks.visible), quality=quality, reasons=reasons)

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
        options = self._options
        num_frames, height_px, width_px = frames.rgb.shape[:3]
        size_px = width_px, height_px
        informative = informative_tracks(tracks, assumed_static, size_px)
        keyframes = choose_keyframes(informative, max(size_px))
        if joins and mean_overlap(informative, keyframes) < _ENOUGH_OVERLAP:
            features = keyframe_tracks(
                frames.rgb, region, keyframes, self._matcher, options.feature_tracks
            )
            tracks = join_tracks(tracks, features)
            quality = replace(quality, solver=f"{quality.solver}+{options.features.backend}")
        found = solve_background(tracks, assumed_static, keyframes, size_px, self._lens)
        if found is None:
            reason = Reason(Why.MIN_REGISTERED_FRACTION, 0.0, LIMITS.min_registered_fraction)
            return Reconstruction.without_trajectory(
                "unknown", num_frames, quality=quality, reasons=(reason,)
            )
        cameras, adjusted = found.cameras, found.structure
        structure = _judged_by(adjusted, int(cameras.registered.sum()))
        unused = observations_of(found.tracks, held_out(found.tracks))
        quality = measure_quality(quality, cameras, structure, unused)
        uncertainty = uncertainty_of_focal(cameras, adjusted, size_px, self._lens)
        lens = find_lens_evidence(cameras, structure, size_px)
        uncertainty = max(uncertainty, lens.focal_deviation)
        quality = replace(quality, focal_uncertainty=uncertainty)
        evidence = Evidence(
            border_share=found.border_share,
            off_flat_image=off_flat_image(
                seen_static(found.tracks, structure.observations), size_px
            ),
            lens=lens,
        )
        reasons = failed_tests(quality, cameras, structure, evidence, max(size_px))
        if reasons:
            return Reconstruction.without_trajectory(
                "unknown", num_frames, quality=quality, reasons=reasons
            )
        return as_reconstruction(frames, cameras, structure, with_lens_uncertainty(quality, lens))


def calibrated_lens(clip: Clip) -> LensPrior:
    """The lens of a clip of whose video the focal length is given.

    Its principal point is taken for the image's centre, as of any video.
    """
    fx, fy, *_ = clip.video.calibration
    scale = clip.width_px / clip.crop_px[2]
    focal = float(np.sqrt(fx * fy)) * scale / max(clip.width_px, clip.height_px)
    return LensPrior(focal=focal, spread=CALIBRATED_SPREAD, starts=(focal,))


def _is_loose(motion: CameraMotion) -> bool:
    """Whether a rotating camera explains its own tracks worse than a travelling one may."""
    limit_px = LIMITS.max_mean_reprojection_error_px
    return motion.rotating is not None and motion.rotating.error_px > limit_px


def degenerate(tracks: PointTracks, motion: CameraMotion) -> tuple[Reason, ...]:
    """Why a clip is not worth mapping; empty if it is."""
    alive = num_alive(tracks)
    if motion.camera == "fixed":
        return (Reason(Why.CAMERA_FIXED, motion.flow_px, MAX_FIXED_FLOW_PX),)
    if motion.camera in ("rotating", "zooming"):
        return (Reason(Why.of_camera(motion.camera), motion.residual_px, motion.limit_px),)
    if alive < _MIN_STATIC_TRACKS or motion.camera == "unknown":
        return (Reason(Why.MIN_STATIC_TRACKS, alive, _MIN_STATIC_TRACKS),)
    return ()


def flat(tracks: PointTracks, size_px: tuple[int, int]) -> tuple[Reason, ...]:
    """The reason against cameras of one flat image that slides; empty if there is depth."""
    measured = {Why.MIN_OFF_FLAT_IMAGE_FRACTION: off_flat_image(tracks, size_px)}
    return missed_limits(measured, LIMITS)


def _completeness(result: Reconstruction) -> tuple[bool, float]:
    return result.camera != "unknown", float(result.registered.mean())


def _judged_by(adjusted: Structure, num_posed: int) -> Structure:
    """The points whose place is known; all where what is lacking is not points but depth."""
    placed = adjusted.seen_apart()
    if len(placed.error_px) >= LIMITS.min_points_per_frame * num_posed:
        return placed
    angle_deg = adjusted.angle_deg[adjusted.angle_deg > 0]
    is_far = len(angle_deg) and np.median(angle_deg) < LIMITS.min_median_triangulation_angle_deg
    return adjusted if is_far else placed


def _lacks_depth_alone(result: Reconstruction) -> bool:
    """Whether cameras were refused because no point is seen from far enough apart.

    Then a longer focal length and a shorter way look the same, too, and so does another lens.
    """
    failed = {about(reason) for reason in result.reasons}
    return About.PARALLAX in failed and failed <= {About.PARALLAX, About.LENS}


def solver_regions(masks: ObjectMasks) -> U16:
    """[T, H, W]: objects as they are; NEVER_SEED close about them and on what is fixed in place.

    Patches there see two things that move apart, and flow is dragged along with an object.
    """

    def surround(object_id: U16) -> U16:
        near = grown(object_id > 0, _MASK_MARGIN_PX)
        return np.where(near & (object_id == 0), np.uint16(NEVER_SEED), object_id)

    region = np.stack(map_threads(surround, masks.object_id))
    region[overlay_of(masks)] = NEVER_SEED
    return region


def as_reconstruction(
    frames: Frames, cameras: Cameras, structure: Structure, quality: ReconstructionQuality
) -> Reconstruction:
    """The artifact: points that were seen, coloured by their first observation."""
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
