"""From what is measured of each track to the motion strength of an object."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, NAN, Bool, MaskedObject, ObjectMasks, ObjectMotion, PointTracks
from camvid.motion.intervals import TRIM_TRACKS, with_interval
from camvid.motion.series import PairSeries
from camvid.outcome import Reason
from camvid.reasons import Why, missed_limits
from camvid.rigidity.posterior import EVEN, Posterior

PAIR_GAP_S = 1 / 12  # two frames at 24 a second; the paper names no gap
TRIM_PAIRS = 0.02  # left out on either side, of the pairs
_MIN_PAIR_TRACKS = 4  # small things have few; in the mean of fewer, one lost track decides
_MAX_GAPS_OF_A_PAIR = 2.5  # four pairs are the least, however far apart
_MEASURED_DEPTH_DOUBT = 0.4  # of the tolerance: where depth is measured, 90 % lie within
_NOISE_FLOOR_RATIO = 4.0  # strength over background at which confidence is a half


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionLimits:
    """How much evidence an object needs to count; a failed limit is the reason a person reads."""

    min_object_tracks: int = 8  # small movers have few, but fewer may all be in error
    min_object_pairs: int = 10  # a pair counts for the pair gaps that it spans
    min_area_fraction: float = 0.0005  # 11 x 11 px of 640 x 360: less is all outline
    min_background_tracks: int = _MIN_PAIR_TRACKS  # in any pair of frames, to know the noise
    min_depth_confidence: int = 64  # below, the depth is a guess
    # Where no camera is known parallax may pass for motion: how far tracks must leave the epipolar
    # lines, over the background's. Seven clips in which nothing moves come to 0.6 to 1.4 (cropped,
    # distorted, shaken), six of movers to 4 to 34.
    min_off_epipolar_ratio: float = 2.5


LIMITS = MotionLimits()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackEvidence:
    """All that was measured of N tracks."""

    pairs: PairSeries
    moves: Posterior  # of tracks, and of the objects that they lie on
    strays: Bool  # [N] no static point explains it
    unexplained: F64  # [N] motion per pair gap that no depth explains
    area_shares: F64  # [Q, N] of its object that each track speaks for
    pair_s: F64  # [Q] time from the first frame of each pair to its second
    depth_confidence: F64  # [N] 0 to 255; 255 where depth plays no part


class MeasuredObject(NamedTuple):
    """One object's motion, with what decides whether it counts."""

    motion: ObjectMotion
    series: F64  # [Q] strength of each pair
    confidence: float  # 0 to 1
    unmeasured_fraction: float  # of the images, that it covers in pairs that have no strength
    overruled_fraction: float  # of the images, where its tracks move but most others are still
    strays: bool  # no static point explains most of its tracks
    insufficient: tuple[Reason, ...]  # why the object does not count
    caveats: tuple[Reason, ...]  # why its value is not to be relied on


def pair_means(values: F64, weight: F64 | None = None) -> F64:
    """Robust mean over the tracks of each pair, [Q, n] -> [Q]; NaN for pairs with too few."""
    enough = np.isfinite(values).sum(axis=1) >= _MIN_PAIR_TRACKS
    weights = [None] * len(values) if weight is None else weight
    rows = zip(values, weights, strict=True)
    means = [trimmed_mean(row, TRIM_TRACKS, each) for row, each in rows]
    return np.where(enough, np.array(means), NAN)


def trimmed_mean(values: F64, trim: float, weight: F64 | None = None) -> float:
    """Mean of the finite values without the share `trim` at either end; NaN if there are none."""
    finite = np.isfinite(values)
    if weight is None:
        kept = np.sort(values[finite])
        cut = int(trim * len(kept))
        return float(kept[cut : len(kept) - cut].mean()) if len(kept) else NAN
    total = float(weight[finite].sum())
    if not total > 0:
        return NAN
    order = np.argsort(values[finite], kind="stable")
    upto = np.concatenate([[0.0], np.cumsum(weight[finite][order])]) / total
    left = np.diff(np.clip(upto, trim, 1 - trim))  # of each weight, once the ends are cut off
    return float((left * values[finite][order]).sum() / left.sum())


def area_fractions(masks: ObjectMasks) -> dict[int, F64]:
    """Share [T] of each frame's pixels that each object covers."""
    num_ids = max((o.object_id for o in masks.objects), default=0) + 1
    counts = [  # frame by frame: counting widens the ids to 64 bits
        np.bincount(frame.ravel(), minlength=num_ids)[:num_ids] for frame in masks.object_id
    ]
    share = np.array(counts).reshape(-1, num_ids) / masks.object_id[0].size
    return {o.object_id: share[:, o.object_id] for o in masks.objects}


def measure_object(
    masked: MaskedObject,
    areas: F64,
    tracks: PointTracks,
    evidence: TrackEvidence,
    background: float,
) -> MeasuredObject:
    """Means over those tracks of the object that do as it does: move, or stand still.

    Each track counts for the part of the object that it is nearest to; one that stands still is
    held to its likeliest depth: wrong depth is no motion, nor is a track that was misled. `areas`
    [T] is the object's share of each frame.
    """
    pairs, probability = evidence.pairs, evidence.moves.objects[masked.object_id].moves
    moving = probability > EVEN
    track_moves = evidence.moves.track_moves
    own = np.flatnonzero((tracks.object_id == masked.object_id) & np.isfinite(track_moves))
    moves, strays = track_moves[own] > EVEN, evidence.strays[own]
    length, low, high = pairs.length[:, own], pairs.low[:, own], pairs.high[:, own]
    # A stray track of a static thing was misled: it says nothing of the thing.
    asked = moves if moving else ~moves & ~strays
    counted = np.isfinite(length) & asked
    shares = evidence.area_shares[:, own]

    def mean(values: F64) -> F64:
        return pair_means(np.where(counted, values, NAN), shares)

    values = np.where(counted, length if moving else low, NAN)
    series = pair_means(values, shares)
    measured = np.isfinite(series)
    in_sight = areas[pairs.frames[:, 0]]
    unmeasured = float(np.where(measured, 0.0, in_sight).sum())
    # Where most tracks stray, images alone say that the thing stands still: it is not measured.
    most_stray = bool(len(own) and strays.mean() > EVEN)
    unreliable = strays if most_stray else moves
    overruled = 0 * in_sight if moving else shares @ unreliable  # [Q] share of the object
    depth_confidence = float(np.mean(evidence.depth_confidence[own])) if len(own) else 0.0
    motion = ObjectMotion(
        object_id=masked.object_id,
        label=masked.label,
        motion_strength=trimmed_mean(series, TRIM_PAIRS),
        lower_bound=trimmed_mean(evidence.unexplained[own[asked]], TRIM_TRACKS),
        low=trimmed_mean(mean(low), TRIM_PAIRS),
        high=trimmed_mean(mean(high), TRIM_PAIRS),
        num_tracks=int(np.isfinite(length).any(axis=0).sum()),
        num_pairs=int(measured.sum()),
        area_fraction=float(areas.mean()),
        probability=float(probability),
    )
    missing = unmeasured / float(in_sight.sum()) if unmeasured else 0.0
    depth_uncertainty = 1 - depth_confidence / 255 * (1 - _MEASURED_DEPTH_DOUBT)
    motion = with_interval(
        motion, values, background=background, depth_uncertainty=depth_uncertainty, missing=missing
    )
    by_depth = trimmed_mean(mean(length), TRIM_PAIRS)
    insufficient = _insufficient(motion, _pair_gaps(evidence.pair_s[measured]))
    return MeasuredObject(
        motion,
        series,
        _confidence(motion, background, depth_confidence / 255),
        motion.area_fraction if insufficient else unmeasured / len(measured),
        0.0 if insufficient else float((in_sight * overruled)[measured].sum()) / len(measured),
        most_stray,
        insufficient,
        _caveats(motion, by_depth, background, depth_confidence),
    )


def _confidence(motion: ObjectMotion, background: float, depth_share: float) -> float:
    """Does the motion stand out of the noise, whatever the depth, in enough tracks?"""
    if not motion.motion_strength > 0:  # NaN included
        return 0.0
    surely = max(depth_share * motion.motion_strength, motion.low, _or_zero(motion.lower_bound))
    surely = min(surely, motion.motion_strength)
    floor = _NOISE_FLOOR_RATIO * background if background > 0 else motion.motion_strength
    enough_tracks = motion.num_tracks / (motion.num_tracks + LIMITS.min_object_tracks)
    return surely / (surely + floor) * enough_tracks


def _or_zero(value: float) -> float:
    return value if value > 0 else 0.0  # NaN included


def _pair_gaps(pair_s: F64) -> float:
    """How many pair gaps pairs amount to: at low frame rates few of them tell as much."""
    return float(np.clip(pair_s / PAIR_GAP_S, 1.0, _MAX_GAPS_OF_A_PAIR).sum())


def _insufficient(motion: ObjectMotion, pair_gaps: float) -> tuple[Reason, ...]:
    measured: dict[Why, float] = {
        Why.MIN_OBJECT_TRACKS: motion.num_tracks,
        Why.MIN_OBJECT_PAIRS: pair_gaps,
        Why.MIN_AREA_FRACTION: motion.area_fraction,
    }
    return missed_limits(measured, LIMITS)


def _caveats(
    motion: ObjectMotion, by_depth: float, background: float, depth_confidence: float
) -> tuple[Reason, ...]:
    """Depth alone says that it moves: either the depth is wrong, or it moves along the rays."""
    floor = _NOISE_FLOOR_RATIO * max(background, motion.motion_strength)
    if not by_depth > floor:
        return ()
    if depth_confidence < LIMITS.min_depth_confidence:
        limit = LIMITS.min_depth_confidence
        return (Reason(Why.MIN_DEPTH_CONFIDENCE, depth_confidence, limit),)
    return (Reason(Why.DEPTH_TOLERANCE, by_depth),)  # a strength: the limit has another unit
