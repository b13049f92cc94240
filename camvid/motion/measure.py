"""Motion strength: how far the keypoints of an object move beyond what the camera explains.

A clip's strength is the largest over its objects, as a fraction of the image side per
`pair_gap_s`. Its companions say how far to trust it: the lower bound (what no static point
explains), the range over all depths the object may have, and the noise floor on the background.
"""

from collections.abc import Sequence

import numpy as np

from camvid.artifacts import (
    F64,
    Clip,
    DepthMaps,
    Frames,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.motion.areas import area_shares
from camvid.motion.camera_models import CameraModel, PosedCameras
from camvid.motion.depths import track_depths
from camvid.motion.homographies import FittedToBackground, Homographies, TurningCamera
from camvid.motion.objects import (
    MeasuredObject,
    MotionOptions,
    TrackEvidence,
    area_fractions,
    measure_object,
    pair_means,
    stray_windows,
    track_state,
    trimmed_mean,
)
from camvid.motion.pictures import shown_moving
from camvid.motion.series import choose_pairs, choose_windows, pair_series, window_series
from camvid.objects import Origin
from camvid.outcome import Reason
from camvid.reasons import Why

__all__ = ["MotionOptions", "measure_motion"]


def measure_motion(
    clip: Clip,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    options: MotionOptions,
    frames: Frames | None = None,
) -> MotionReport:
    """Strength of every object, against posed cameras or, where none travels, homographies.

    Tracks that stray from posed cameras count only where the pictures in `frames` bear them out;
    without pictures they are taken at their word.
    """
    posed = reconstruction.has_trajectory and bool(depth.valid.any())
    if posed:
        camera, depth_confidence = _posed_cameras(masks, reconstruction, depth, tracks, options)
        usable = reconstruction.registered
    else:
        camera = _homographies(masks, reconstruction, tracks, options)
        depth_confidence = np.full(tracks.visible.shape[1], 255.0)
        usable = np.ones(clip.num_frames, bool)
    gap_s = options.pair_gap_s
    seconds = clip.timestamps_s
    chosen = choose_pairs(seconds, usable, gap_s=gap_s, max_gap_s=options.max_pair_gap_s)
    spans = choose_windows(
        seconds, usable, window_s=options.window_s, min_frames=options.window_frames
    )
    windows = window_series(
        camera, tracks, spans, seconds, gap_s=gap_s, min_frames=options.min_window_frames
    )
    strays = shown = stray_windows(windows, tracks, options)
    if frames is not None and isinstance(camera, PosedCameras):
        shown = shown_moving(frames, camera, spans, strays, options.pictures)
    state = track_state(windows, strays, shown, options)
    evidence = TrackEvidence(
        pairs=pair_series(camera, tracks, chosen, seconds, gap_s),
        windows=windows,
        state=state,
        area_shares=area_shares(masks, tracks, chosen, state.still | state.moves),
        pair_s=np.diff(seconds[chosen], axis=1)[:, 0],
        depth_confidence=depth_confidence,
    )
    calm_doubt = min(1.0, options.calm_doubt_per_s / clip.fps)
    return _report(masks, reconstruction, tracks, evidence, options, calm_doubt, posed=posed)


def _posed_cameras(
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    options: MotionOptions,
) -> tuple[CameraModel, F64]:
    """The cameras, and per track the mean confidence of the depth by which it is lifted."""
    depths = track_depths(
        depth,
        masks,
        tracks,
        tolerance=options.depth_tolerance,
        min_confidence=options.min_depth_confidence,
    )
    cameras = PosedCameras(
        K=reconstruction.K_per_frame,
        cam_from_world=reconstruction.cam_from_world,
        tracks=tracks,
        depths=depths,
        side_px=_side_px(masks),
    )
    seen = np.maximum(tracks.visible.sum(axis=0), 1)
    return cameras, depths.confidence.sum(axis=0, dtype=np.int64) / seen


def _homographies(
    masks: ObjectMasks, reconstruction: Reconstruction, tracks: PointTracks, options: MotionOptions
) -> CameraModel:
    fitted = FittedToBackground(
        tracks=tracks,
        min_background_tracks=options.min_background_tracks,
        max_residual_px=options.homography_residual_px,
    )
    turns = reconstruction.has_cameras and not reconstruction.has_trajectory
    known = TurningCamera(reconstruction=reconstruction, otherwise=fitted)
    return Homographies(source=known if turns else fitted, tracks=tracks, side_px=_side_px(masks))


def _side_px(masks: ObjectMasks) -> F64:
    """(W, H)."""
    return np.array(masks.object_id.shape[:0:-1], np.float64)


def _report(
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    tracks: PointTracks,
    evidence: TrackEvidence,
    options: MotionOptions,
    calm_doubt: float,
    *,
    posed: bool,
) -> MotionReport:
    control = pair_means(evidence.pairs.length[:, tracks.object_id == 0], options)
    background = trimmed_mean(control, options.trim_pairs)
    areas = area_fractions(masks)
    found = [
        measure_object(o, areas[o.object_id], tracks, evidence, background, options)
        for o in masks.objects
    ]
    heard = [m for m in found if not m.missed]
    decides = max(heard, key=lambda m: m.motion.motion_strength, default=None)
    parallax = not posed and reconstruction.camera == "unknown"
    trust = options.unknown_camera_confidence if parallax else 1.0
    return MotionReport(
        motion_strength=decides.motion.motion_strength if decides else 0.0,
        lower_bound=decides.motion.lower_bound if decides else 0.0,
        # Of the strongest: it is at least as strong as the one surest to move.
        interval_low=max((m.motion.interval_low for m in heard), default=0.0),
        interval_high=max((m.motion.interval_high for m in heard), default=0.0),
        background=background,
        confidence=trust * decides.confidence if decides else 0.0,
        pair_gap_s=options.pair_gap_s,
        method="depth" if posed else "homography",
        per_object=tuple(m.motion for m in found),
        pair_frames=evidence.pairs.frames,
        pair_strength=np.stack([control, *(m.series for m in found)], axis=1),
        num_tracks=tracks.visible.shape[1],
        unmeasured_fraction=_unmeasured_fraction(masks.objects, found, calm_doubt),
        reasons=_reasons(found, decides, background, tracks, options),
    )


def _unmeasured_fraction(
    objects: Sequence[MaskedObject], found: list[MeasuredObject], calm_doubt: float
) -> float:
    """Share of the pictures where one object may move and no strength tells of it: the largest.

    Of the largest, not of all: crumbs of masks add up in every scene. A thing in which no flow was
    seen to move either counts for less, unless nothing at all was measured: then what kept the
    tracks from it may have kept the flow, too.
    """
    calm = 1.0 if all(m.missed for m in found) else calm_doubt
    doubts = [calm if o.origin is Origin.SALIENT else 1.0 for o in objects]
    parts = zip(doubts, found, strict=True)
    each = (doubt * m.unmeasured_fraction + m.overruled_fraction for doubt, m in parts)
    return float(max(each, default=0.0))


def _reasons(
    found: list[MeasuredObject],
    decides: MeasuredObject | None,
    background: float,
    tracks: PointTracks,
    options: MotionOptions,
) -> tuple[Reason, ...]:
    """Why the clip's value is not to be relied on: named after the option that says so."""
    reasons = [reason for m in found for reason in m.doubts]
    if decides is None:
        reasons += [reason for m in found for reason in m.missed]
    if np.isnan(background):
        control = int(np.count_nonzero(tracks.object_id == 0))
        limit = options.min_background_tracks
        reasons.append(Reason(Why.MIN_BACKGROUND_TRACKS, control, limit))
    return tuple(reasons)
