"""Embedded pose solver: re-anchored Lucas-Kanade tracks of the static scene, mapped by COLMAP."""

import logging
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import (
    U8,
    U16,
    Clip,
    Frames,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.lucas_kanade import NEVER_SEED, LucasKanadeOptions, track_regions
from camvid.outcome import Reason
from camvid.parallel import map_threads
from camvid.sfm.acceptance import AcceptanceOptions, failed_tests, measure_quality
from camvid.sfm.adjustment import AdjustmentOptions, Structure, solve_all_frames
from camvid.sfm.camera_motion import CameraMotion, CameraMotionOptions, classify_camera
from camvid.sfm.keyframes import KeyframeOptions, choose_keyframes
from camvid.sfm.mapping import Cameras, MappingOptions, map_keyframes
from camvid.sfm.observations import observations_of
from camvid.sfm.sift_tracks import SiftOptions, sift_tracks

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSfmOptions:
    """Everything that the pose solver can be told."""

    mask_margin_px: int = 4  # a mover's outline and shadow reach beyond its mask
    held_out_every: int = 10  # one track in so many is kept from the solver, to test it
    min_static_tracks: float = 40.0  # alive in the median frame
    sure_inliers: float = 0.98  # of held-out sightings: below, another focal length is tried
    sift_fallback: bool = True
    tracks: LucasKanadeOptions = field(default_factory=LucasKanadeOptions)
    camera_motion: CameraMotionOptions = field(default_factory=CameraMotionOptions)
    keyframes: KeyframeOptions = field(default_factory=KeyframeOptions)
    mapping: MappingOptions = field(default_factory=MappingOptions)
    adjustment: AdjustmentOptions = field(default_factory=AdjustmentOptions)
    acceptance: AcceptanceOptions = field(default_factory=AcceptanceOptions)
    sift: SiftOptions = field(default_factory=SiftOptions)


class TrackSfm:
    """Cameras of the static part of a clip, or the name of what makes them unknowable."""

    def __init__(self, options: TrackSfmOptions | None = None) -> None:
        self._options = options or TrackSfmOptions()

    def solve(self, clip: Clip, frames: Frames, masks: ObjectMasks) -> Reconstruction:
        """Names the camera's motion and, where it has a path, maps the static scene.

        Corners are followed first; SIFT is tried where they lead to no cameras that hold.
        """
        options = self._options
        gray = _gray(frames)
        region = _static_region(masks, options.mask_margin_px)
        corners = track_regions(gray, region, options.tracks)
        result = self._solve(frames, region, corners, "lucas_kanade")
        if result.camera == "unknown" and self._worth_sift(result, len(gray)):
            features = sift_tracks(gray, region, options.sift)
            other = self._solve(frames, region, features, "sift")
            result = other if other.camera != "unknown" else result
        for reason in result.reasons:
            _LOG.info("clip %s: camera %s: %s", clip.clip_id, result.camera, reason)
        return result

    def _worth_sift(self, result: Reconstruction, num_frames: int) -> bool:
        """Tracks that broke are worth another way; cameras without parallax stay so."""
        broken = {"min_static_tracks", "min_registered_fraction"}
        return (
            self._options.sift_fallback
            and num_frames >= self._options.sift.min_track_frames
            and any(reason.name in broken for reason in result.reasons)
        )

    def _solve(
        self, frames: Frames, region: U16, tracks: PointTracks, solver: str
    ) -> Reconstruction:
        """Cameras from one set of tracks."""
        num_frames, height_px, width_px = frames.rgb.shape[:3]
        motion = classify_camera(tracks, width_px, height_px, self._options.camera_motion)
        quality = ReconstructionQuality(
            median_flow_px=motion.flow_px,
            rotation_residual_px=motion.residual_px,
            masked_fraction=float(np.mean(region == NEVER_SEED)),
            solver=solver,
        )
        reasons = self._degenerate(tracks, motion)
        if not reasons:
            return self._mapped(frames, tracks, quality)
        camera = "unknown" if motion.camera == "moving" else motion.camera
        return Reconstruction.without_trajectory(
            camera, num_frames, quality=quality, reasons=reasons
        )

    def _degenerate(self, tracks: PointTracks, motion: CameraMotion) -> tuple[Reason, ...]:
        """Why the clip is not worth mapping; empty if it is."""
        limits = self._options.camera_motion
        alive = float(np.median(tracks.visible.sum(axis=1)))
        if motion.camera == "fixed":
            return (Reason("camera_fixed", motion.flow_px, limits.max_fixed_flow_px),)
        if motion.camera in ("rotating", "zooming"):
            return (Reason(f"camera_{motion.camera}", motion.residual_px, motion.limit_px),)
        if alive < self._options.min_static_tracks or motion.camera == "unknown":
            return (Reason("min_static_tracks", alive, self._options.min_static_tracks),)
        return ()

    def _mapped(
        self, frames: Frames, tracks: PointTracks, quality: ReconstructionQuality
    ) -> Reconstruction:
        """Cameras of a moving camera, if they pass every test of acceptance.

        From a wrong focal length mapping may settle in a valley that looks well from inside: all
        registered, half a pixel of error. Tracks it has not seen tell; then it starts again.
        """
        best: _Attempt | None = None
        for initial_focal in self._options.mapping.initial_focals:
            found = self._attempt(frames, tracks, quality, initial_focal)
            best = found if best is None else max(best, found, key=_Attempt.merit)
            if not best.reasons and best.quality.inlier_fraction >= self._options.sure_inliers:
                break
        assert best is not None
        if best.reasons or best.cameras is None or best.structure is None:
            return Reconstruction.without_trajectory(
                "unknown", len(frames.rgb), quality=best.quality, reasons=best.reasons
            )
        return _reconstruction(frames, best.cameras, best.structure, best.quality)

    def _attempt(
        self,
        frames: Frames,
        tracks: PointTracks,
        quality: ReconstructionQuality,
        initial_focal: float,
    ) -> "_Attempt":
        """Maps from one initial focal length, and judges the outcome."""
        options = self._options
        num_frames, height_px, width_px = frames.rgb.shape[:3]
        size = (width_px, height_px)
        num_tracks = tracks.visible.shape[1]
        held_out = np.arange(num_tracks) % options.held_out_every == 0
        used = observations_of(tracks, ~held_out)
        keyframes = choose_keyframes(tracks, max(size), options.keyframes)
        cameras = map_keyframes(used, keyframes, num_frames, *size, initial_focal, options.mapping)
        if cameras is None:
            limit = options.acceptance.min_registered_fraction
            reasons = (Reason("min_registered_fraction", 0.0, limit),)
            return _Attempt(None, None, quality, reasons)
        cameras, structure = solve_all_frames(cameras, used, num_tracks, *size, options.adjustment)
        unused = observations_of(tracks, held_out)
        quality = measure_quality(
            quality, cameras, structure, unused, num_tracks, options.acceptance
        )
        reasons = failed_tests(quality, cameras, structure, max(size), options.acceptance)
        return _Attempt(cameras, structure, quality, reasons)


class _Attempt(NamedTuple):
    """One try at mapping: what it gave, and what speaks against it."""

    cameras: Cameras | None
    structure: Structure | None
    quality: ReconstructionQuality
    reasons: tuple[Reason, ...]

    def merit(self) -> tuple[bool, float]:
        """Accepted before refused, then by the share of held-out sightings explained."""
        inliers = self.quality.inlier_fraction
        return not self.reasons, inliers if inliers == inliers else -1.0


def _gray(frames: Frames) -> U8:
    return np.stack(map_threads(lambda f: cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), frames.rgb))


def _static_region(masks: ObjectMasks, margin_px: int) -> U16:
    """Regions for `track_regions` [T, H, W]: 0 static, never to be seeded on masked objects."""
    size = 2 * margin_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))

    def hide(object_id: U16) -> U16:
        masked = cv2.dilate((object_id > 0).astype(np.uint8), kernel)
        return np.where(masked > 0, np.uint16(NEVER_SEED), np.uint16(0))

    return np.stack(map_threads(hide, masks.object_id))


def _reconstruction(
    frames: Frames, cameras: Cameras, structure: Structure, quality: ReconstructionQuality
) -> Reconstruction:
    """The artifact: points that were seen, coloured by their first sighting."""
    seen = structure.observations
    tracks, first, point = np.unique(seen.track, return_index=True, return_inverse=True)
    column, row = np.floor(seen.xy_px[first]).astype(int).T
    return Reconstruction(
        camera="moving",
        K=cameras.K,
        cam_from_world=cameras.cam_from_world,
        registered=cameras.registered,
        points_world=structure.xyz_world[tracks].astype(np.float32),
        point_rgb=frames.rgb[seen.frame[first], row, column],
        observation_frame=seen.frame,
        observation_point=point.astype(np.int32),
        observation_xy_px=seen.xy_px.astype(np.float32),
        quality=quality,
    )
