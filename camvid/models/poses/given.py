"""Takes cameras as they were given, and tests them as our own: nothing is solved."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from camvid.artifacts import (
    CameraKind,
    Frames,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.geometry import camera_centers
from camvid.imports.cameras import GivenCameras
from camvid.models.poses.track_sfm import (
    as_reconstruction,
    degenerate,
    flat,
    solver_regions,
)
from camvid.objects import Origin
from camvid.outcome import Reason
from camvid.reasons import Why, missed_limits
from camvid.sfm.acceptance import (
    LIMITS,
    Evidence,
    failed_tests,
    measure_quality,
    with_lens_uncertainty,
)
from camvid.sfm.adjustment import Structure, find_structure, uncertainty_of_focal
from camvid.sfm.background import informative_tracks
from camvid.sfm.border_inliers import find_agreement
from camvid.sfm.camera_motion import classify_camera
from camvid.sfm.cameras import Cameras
from camvid.sfm.colmap import pycolmap
from camvid.sfm.flatness import off_flat_image
from camvid.sfm.given import Certificate, certify, focal_offset
from camvid.sfm.lens_evidence import find_lens_evidence
from camvid.sfm.observations import observations_of
from camvid.tracking.tracks import owners, within_regions

_STANDS = 1e-6  # of the path's distance from the world's middle: no travel


class Judged(NamedTuple):
    """Given cameras with what was found; `reconstruction.reasons` says why they are refused."""

    reconstruction: Reconstruction
    quality: ReconstructionQuality  # measured, be they refused or not
    certificate: Certificate


def judge_cameras(
    frames: Frames, masks: ObjectMasks, tracks: PointTracks, given: GivenCameras
) -> Judged:
    """Holds given cameras against static tracks, by the tests that our own must pass.

    All static tracks are held out, as none of them made the cameras. Points are triangulated with
    them.
    """
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)  # failing is a result here
    size_px = frames.rgb.shape[2], frames.rgb.shape[1]
    region = solver_regions(masks)
    salient = tuple(o.object_id for o in masks.objects if o.origin is Origin.SALIENT)
    own = within_regions(tracks, owners(tracks, masks.object_id), region)
    static = informative_tracks(own, salient, size_px)
    cameras = Cameras(given.K, given.cam_from_world, given.zoom)
    seen = observations_of(static, np.ones(static.visible.shape[1], bool))
    motion = classify_camera(static, size_px)
    before = ReconstructionQuality(
        median_flow_px=motion.flow_px,
        rotation_residual_px=motion.residual_px,
        masked_fraction=float(np.mean(region > 0)),
        solver="given",
    )
    kind = _kind_of(cameras)
    structure = find_structure(cameras, seen).seen_apart()
    quality = measure_quality(before, cameras, structure, seen)
    if kind == "moving" and len(structure.error_px):
        reasons = degenerate(static, motion) or flat(static, size_px)
        off = focal_offset(cameras, seen)
        quality, more = _tested(quality, cameras, structure, static, size_px, off)
        reasons = reasons or more
    else:
        reasons = _turn_reasons(quality, kind)
    certificate = certify(cameras, seen, structure, quality.focal_uncertainty)
    found = _accepted(frames, kind, cameras, structure, quality, reasons)
    return Judged(found, quality, certificate)


def _tested(
    quality: ReconstructionQuality,
    cameras: Cameras,
    structure: Structure,
    static: PointTracks,
    size_px: tuple[int, int],
    focal_off: float,
) -> tuple[ReconstructionQuality, tuple[Reason, ...]]:
    """The tests of a path, and the quality with what they found of the lens."""
    lens = find_lens_evidence(cameras, structure, size_px)
    uncertainty = uncertainty_of_focal(cameras, structure, size_px)
    deviation = float(np.hypot(max(uncertainty, lens.focal_deviation), focal_off))
    quality = replace(quality, focal_uncertainty=deviation)
    evidence = Evidence(
        border_share=find_agreement(cameras, static, size_px).border_share,
        off_flat_image=off_flat_image(static, size_px),
        lens=lens,
    )
    reasons = failed_tests(quality, cameras, structure, evidence, max(size_px))
    return with_lens_uncertainty(quality, lens), reasons


def _turn_reasons(quality: ReconstructionQuality, kind: CameraKind) -> tuple[Reason, ...]:
    """The tests that a camera without a path can fail, or one that explains nothing."""
    measured = {
        Why.MIN_REGISTERED_FRACTION: quality.registered_fraction,
        Why.MIN_INLIER_FRACTION: quality.inlier_fraction,
    }
    if kind == "moving":
        measured[Why.MIN_POINTS_PER_FRAME] = quality.points_per_frame
    return missed_limits(measured, LIMITS)


def _accepted(
    frames: Frames,
    kind: CameraKind,
    cameras: Cameras,
    structure: Structure,
    quality: ReconstructionQuality,
    reasons: tuple[Reason, ...],
) -> Reconstruction:
    num_frames = len(frames.rgb)
    if reasons:
        return Reconstruction.without_trajectory(
            "unknown", num_frames, quality=quality, reasons=reasons
        )
    if kind == "moving":
        return as_reconstruction(frames, cameras, structure, quality)
    return Reconstruction.rotation_only(
        kind,
        cameras.cam_from_world[:, :, :3],
        K=cameras.K,
        zoom=cameras.zoom,
        quality=quality,
        reasons=(Reason(Why.of_camera(kind)),),
    )


def _kind_of(cameras: Cameras) -> CameraKind:
    """What the given cameras themselves say."""
    posed = cameras.cam_from_world[cameras.registered]
    centers = camera_centers(posed)
    extent = float(np.linalg.norm(np.ptp(centers, axis=0)))
    if extent > _STANDS * (1 + float(np.abs(centers).max())):
        return "moving"
    if cameras.zooms:
        return "zooming"
    turns = float(np.abs(posed[:, :, :3] - posed[0, :, :3]).max())
    return "rotating" if turns > _STANDS else "fixed"
