"""Motion strength: how far the keypoints of an object move beyond what the camera explains.

A clip's strength is the largest over its objects, as a fraction of the image side per
`pair_gap_s`. Its companions say how far to trust it: the lower bound (what no static point
explains), the range over all depths the object may have, and the noise floor on the background.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from camvid.artifacts import (
    F64,
    Clip,
    DepthMaps,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    ObjectMotion,
    PointTracks,
    Reconstruction,
    Rigidity,
)
from camvid.motion.areas import area_shares
from camvid.motion.depths import TrackDepths, track_depths
from camvid.motion.epipolar import off_epipolar_lines
from camvid.motion.objects import (
    LIMITS,
    PAIR_GAP_S,
    TRIM_PAIRS,
    MeasuredObject,
    TrackEvidence,
    area_fractions,
    measure_object,
    pair_means,
    trimmed_mean,
)
from camvid.motion.series import StaticWorld, choose_pairs, pair_series
from camvid.objects import Origin
from camvid.outcome import Reason
from camvid.reasons import Why, missed_limits
from camvid.rigidity.cameras import ClipCameras, background_homographies, cameras_of
from camvid.rigidity.estimate import held_to_depths
from camvid.rigidity.posterior import posterior, priors_of

_MAX_PAIR_GAP_S = 0.3  # frames further apart than this, and than is usual, are no pair
# Of what is not measured, where no flow was seen to move either. Flow says less the further frames
# are apart: parts of generated movers stood still in 2 of 15 clips at 24 fps, in 3 of 6 at 6.
_STATIC_DOUBT_PER_S = 2.4
# Share of the image of an object without a strength that may move all the same: a walker had .0045,
# the largest crumb of a still scene's masks .0014.
_MIN_STRAYING_AREA = 0.002
_UNKNOWN_CAMERA_CONFIDENCE = 0.5  # a factor: parallax may pass for motion


def measure_motion(
    clip: Clip,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    rigidity: Rigidity,
) -> MotionReport:
    """Strength of every object: against posed cameras, or homographies where no depth is known.

    Args:
        tracks: with the objects of the masks as their `object_id`.
        rigidity: of the same tracks, under the same cameras.
    """
    size_px = clip.width_px, clip.height_px
    posed = reconstruction.has_trajectory and bool(depth.valid.any())
    world = StaticWorld(
        cameras=_cameras(reconstruction, tracks, size_px, posed=posed),
        tracks=tracks,
        depths=(
            track_depths(depth, masks, tracks, min_confidence=LIMITS.min_depth_confidence)
            if posed
            else TrackDepths.at_infinity(tracks.visible.shape)
        ),
        size_px=np.array(size_px, np.float64),
    )
    depths, cameras, seconds = world.depths, world.cameras, clip.timestamps_s
    depth_range = depths.low, depths.high
    held = held_to_depths(rigidity, tracks, cameras, depth_range, size_px, clip.fps)
    moves = posterior(held, tracks.object_id, priors_of(masks.objects))
    pairs = choose_pairs(seconds, cameras.posed, gap_s=PAIR_GAP_S, max_gap_s=_MAX_PAIR_GAP_S)
    pairs = pairs[cameras.in_one_component(pairs)]
    known = np.isfinite(moves.track_moves)
    seen = np.maximum(tracks.visible.sum(axis=0), 1)
    evidence = TrackEvidence(
        pairs=pair_series(world, pairs, seconds, PAIR_GAP_S),
        moves=moves,
        strays=rigidity.log_ratio > 0,
        unexplained=rigidity.unexplained * PAIR_GAP_S,
        area_shares=area_shares(masks, tracks, pairs, known),
        pair_s=np.diff(seconds[pairs], axis=1)[:, 0],
        depth_confidence=depths.confidence.sum(axis=0, dtype=np.int64) / seen,
    )
    salient_moves = min(1.0, _STATIC_DOUBT_PER_S / clip.fps)
    report = _report(masks, tracks, evidence, salient_moves, posed=posed)
    parallax = not posed and reconstruction.camera == "unknown"
    return _unless_parallax(report, tracks, seconds) if parallax else report


def _cameras(
    reconstruction: Reconstruction, tracks: PointTracks, size_px: tuple[int, int], *, posed: bool
) -> ClipCameras:
    """Those of the reconstruction, unless it travels where no depth is known."""
    if reconstruction.has_trajectory and not posed:
        return background_homographies(tracks, tracks.object_id, size_px)
    return cameras_of(reconstruction, tracks, tracks.object_id, size_px)


def _unless_parallax(report: MotionReport, tracks: PointTracks, seconds: F64) -> MotionReport:
    """The report of an unknown camera: of less confidence, and of none where parallax may do."""
    strength = [np.nan_to_num(motion.motion_strength) for motion in report.per_object]
    if not any(strength):
        return report
    strongest = report.per_object[int(np.argmax(strength))].object_id
    ratio = off_epipolar_lines(tracks, strongest, seconds)
    caveats = missed_limits({Why.MIN_OFF_EPIPOLAR_RATIO: ratio}, LIMITS)
    confidence = 0.0 if caveats else _UNKNOWN_CAMERA_CONFIDENCE * report.confidence
    return replace(report, confidence=confidence, reasons=(*report.reasons, *caveats))


def _report(
    masks: ObjectMasks,
    tracks: PointTracks,
    evidence: TrackEvidence,
    salient_moves: float,
    *,
    posed: bool,
) -> MotionReport:
    on_background = evidence.pairs.length[:, tracks.object_id == 0]
    control = pair_means(on_background)
    background = trimmed_mean(control, TRIM_PAIRS)
    areas = area_fractions(masks)
    found = [
        measure_object(o, areas[o.object_id], tracks, evidence, background) for o in masks.objects
    ]
    valid = [m for m in found if not m.insufficient]
    decides = max(valid, key=lambda m: m.motion.motion_strength, default=None)
    return MotionReport(
        motion_strength=decides.motion.motion_strength if decides else 0.0,
        lower_bound=decides.motion.lower_bound if decides else 0.0,
        # Of the strongest: it is at least as strong as the one surest to move.
        interval_low=max((m.motion.interval_low for m in valid), default=0.0),
        interval_high=max((m.motion.interval_high for m in valid), default=0.0),
        probability=_probability([m.motion for m in valid]),
        background=background,
        confidence=decides.confidence if decides else 0.0,
        pair_gap_s=PAIR_GAP_S,
        method="depth" if posed else "homography",
        per_object=tuple(m.motion for m in found),
        pair_frames=evidence.pairs.frames,
        pair_strength=np.stack([control, *(m.series for m in found)], axis=1),
        num_tracks=tracks.visible.shape[1],
        unmeasured_fraction=_unmeasured_fraction(masks.objects, found, salient_moves),
        unmeasured_probability=_unmeasured_probability(found),
        reasons=_reasons(found, decides, on_background),
    )


def _probability(measured: Sequence[ObjectMotion]) -> float:
    """That one of them moves at all: each counts for its share of the strongest one's strength."""
    strength = np.array([motion.motion_strength for motion in measured])
    still = 1 - np.array([motion.probability for motion in measured])
    strongest = strength.max(initial=0.0)
    return float(1 - np.prod(still ** (strength / strongest))) if strongest > 0 else 0.0


def _unmeasured_probability(found: Sequence[MeasuredObject]) -> float:
    """That one moves of those that have no strength though most of their tracks stray.

    A walker whose tracks the images call misled with a probability of .7 moves with one of .3.
    """
    still = [
        1 - m.motion.probability
        for m in found
        if m.insufficient
        and m.strays
        and m.motion.num_tracks >= LIMITS.min_object_tracks
        and m.motion.area_fraction >= _MIN_STRAYING_AREA
    ]
    return float(1 - np.prod(still))


def _unmeasured_fraction(
    objects: Sequence[MaskedObject], found: list[MeasuredObject], salient_moves: float
) -> float:
    """Share of the images where one object may move and no strength tells of it: the largest.

    Of the largest, not of all: crumbs of masks add up in every scene. A thing in which no flow was
    seen to move either counts for less, unless nothing at all was measured: then what kept the
    tracks from it may have kept the flow, too.
    """
    of_salient = 1.0 if all(m.insufficient for m in found) else salient_moves
    weights = [of_salient if o.origin is Origin.SALIENT else 1.0 for o in objects]
    parts = zip(weights, found, strict=True)
    each = (weight * m.unmeasured_fraction + m.overruled_fraction for weight, m in parts)
    return float(max(each, default=0.0))


def _reasons(
    found: list[MeasuredObject], decides: MeasuredObject | None, on_background: F64
) -> tuple[Reason, ...]:
    """Why the clip's value is not to be relied on: named after the limit that says so."""
    reasons = [reason for m in found for reason in m.caveats]
    if decides is None:
        reasons += [reason for m in found for reason in m.insufficient]
    most = int(np.isfinite(on_background).sum(axis=1).max(initial=0))
    reasons += missed_limits({Why.MIN_BACKGROUND_TRACKS: most}, LIMITS)
    return tuple(reasons)
