"""Movers drawn anew in every frame: by what was there before, by colour, and by the image.

Evidence of motion comes from flow, which is smooth, and lost behind a tree or in a blurred pan.
The image itself is sharper: where it would differ had the background alone moved, something
else is. What differs so beside a mover, has its colours, and was part of it in the frames around,
is part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, F64, I32, U8, U16, Bool
from camvid.morphology import grown
from camvid.parallel import map_threads
from camvid.segmentation.evidence import MotionEvidence
from camvid.segmentation.flow import F16, ClipFlow, pixel_grid, warp
from camvid.segmentation.labels import (
    MIN_AREA_SECONDS,
    THRESHOLD,
    USUAL_SIZE_S,
    above_threshold,
    count_pixels,
    num_labels,
)
from camvid.segmentation.masks import (
    MARGIN_PX,
    MIN_AROUND_PX,
    SURE,
    colour_histogram,
    colour_odds,
    colours,
    log_odds,
)
from camvid.segmentation.smoothing import DECAY

_HALF = THRESHOLD - 1  # chance, of 255, above which a pixel is a mover's
_EXPECTED = 0.2  # chance from which on a mover is looked for
_SALIENT_BESIDE = 0.05  # share of the pixels around a mover that saliency takes for it
_BESIDE = 0.1  # and below which a pixel tells of what surrounds it

# Pixels are those of the working size.
_MAX_MOVERS = 6  # the largest; the others stay as they are
_MIN_MOVING_SHARE = 0.5  # of an object's pixels, to be a mover
_MIN_SURE_PX = 200  # surely its own, over the clip: fewer do not tell its colours
_MIN_WEIGHT = 0.02  # of it left after a gap, or the mover is out of sight
_MAX_GROWTH = 2.0  # of the usual size: more is background that was taken for the mover
_BLUR_PX = 5  # of where it is expected: limbs move
_LOST_BLUR_PX = 9  # the same, in frames of little confidence
_MIN_CHANCE = 0.1  # of what nobody expects
_ERROR_WEIGHT = 3.0  # of the logarithm of the image's error
_MAX_ODDS = 3.0  # of the colours, and of the error
_MAX_ONE_SIDED_ODDS = 1.5  # near the clip's ends, where an error may be a ghost
_NOISE_FACTOR = 1.5  # times the error beside the mover: no more than noise
_SMEAR = 0.5  # share of the largest error nearby that a window leaves at an outline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Mover:
    """One object over the clip of T frames."""

    number: int  # its label
    own: list[Bool]  # [h, w] as drawn so far
    confidence: F64  # [T] in what was drawn, 0 to 1
    usual_px: F64  # [T] that it covers around that time
    moves: F64  # [T] 1 where most of it is seen moving, 0 where it stands still
    colours: F32  # histogram


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What the clip shows, whatever the mover."""

    motion: MotionEvidence
    labels: list[I32]  # [h, w] as drawn so far
    salient: F32  # [num] share of each label's pixels; of the background as around a mover
    saliency: list[U8]  # [h, w]
    colours: list[U16]  # [h, w]
    flow: ClipFlow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Estimate:
    """Where a mover is in one frame, from the frames on one side of it."""

    chance: U8  # [h, w] 255 is certain
    weight: float  # how much of what was seen is behind it


def complete_movers(
    labels: list[I32], saliency: list[U8], motion: MotionEvidence, flow: ClipFlow, fps: float
) -> list[I32]:
    """The labels [h, w] with the movers drawn anew: each pixel goes to the likeliest of them."""
    colour = map_threads(colours, flow.small)
    seen = _Seen(
        motion=motion,
        labels=labels,
        salient=_salient_shares(labels, saliency),
        saliency=saliency,
        colours=colour,
        flow=flow,
    )
    best = [np.full(x.shape, _HALF, np.uint8) for x in labels]
    winner = [np.zeros(x.shape, np.uint8) for x in labels]  # place in `movers`, from 1
    movers: list[int] = []
    for number in _largest_movers(labels, motion.strength, fps):
        mover = _learn(number, seen, fps)
        if mover is None:
            continue
        movers.append(number)
        for t, chance in enumerate(_chances(mover, seen)):
            better = chance > best[t]
            winner[t][better], best[t][better] = len(movers), chance[better]
    name = np.array([0, *movers], np.int32)
    kept = np.arange(num_labels(labels), dtype=np.int32)
    kept[movers] = 0
    pairs = list(zip(winner, labels, strict=True))
    return map_threads(lambda p: np.where(p[0] > 0, name[p[0]], kept[p[1]]), pairs)


def _largest_movers(labels: list[I32], strength: list[U8], fps: float) -> list[int]:
    num = num_labels(labels)
    area = count_pixels(labels, num)
    moving = count_pixels(labels, num, above_threshold(strength))
    least = MIN_AREA_SECONDS * labels[0].size * min(fps, len(labels))
    mover = (area >= least) & (moving >= _MIN_MOVING_SHARE * area)
    largest = np.argsort(-area, kind="stable")
    return [int(i) for i in largest if i > 0 and mover[i]][:_MAX_MOVERS]


def _learn(number: int, seen: _Seen, fps: float) -> _Mover | None:
    """Its colours, and the confidence in each mask; None where too little surely moves."""
    motion, own = seen.motion, [x == number for x in seen.labels]
    sure = [
        c[o & (s >= SURE) & (e >= 1)]
        for c, o, s, e in zip(seen.colours, own, motion.strength, motion.error, strict=True)
    ]
    sample = np.concatenate(sure)
    if len(sample) < _MIN_SURE_PX:
        return None
    area = np.array([np.count_nonzero(o) for o in own], np.float64)
    reach = max(1, round(USUAL_SIZE_S * fps))
    around = [area[max(0, t - reach) : t + reach + 1] for t in range(len(own))]
    usual = np.array([np.percentile(a, 75) for a in around])
    confidence = np.clip(area / np.maximum(usual, 1), 0, 1) ** 2
    return _Mover(
        number=number,
        own=own,
        confidence=confidence,
        usual_px=usual,
        moves=_moves(own, motion.strength, area, confidence),
        colours=colour_histogram(sample),
    )


def _moves(own: list[Bool], strength: list[U8], area: F64, confidence: F64) -> F64:
    """[T] twice the share of it that is seen moving, at most 1; frames with gaps ask the others."""
    moving = [np.count_nonzero(s[o] >= THRESHOLD) for o, s in zip(own, strength, strict=True)]
    share = np.array(moving, np.float64) / np.maximum(area, 1)
    whole = np.flatnonzero(confidence > 0.5)
    return np.clip(2 * np.interp(np.arange(len(own)), whole, share[whole]), 0, 1)


def _chances(mover: _Mover, seen: _Seen) -> list[U8]:
    """Per frame, [h, w] chance that a pixel is the mover's, from the frames before and after."""
    num = len(mover.own)
    ways = ((range(num), seen.flow.backward), (range(num - 1, -1, -1), seen.flow.forward))
    past, future = map_threads(lambda way: _follow(*way, mover, seen), ways)
    chances: list[U8] = []
    for before, after in zip(past, future[::-1], strict=True):
        weight = before.weight + after.weight
        known = weight >= 2 * _MIN_WEIGHT
        first, second = (b.weight / weight if known else 0.0 for b in (before, after))
        both = cv2.addWeighted(before.chance, first, after.chance, second, 0)
        chances.append(np.asarray(both, np.uint8))
    return chances


def _follow(
    order: Sequence[int], path: list[F16 | None], mover: _Mover, seen: _Seen
) -> list[_Estimate]:
    """Estimates in the order of the frames; `path` leads from each to the one before it."""
    grid = pixel_grid(seen.flow.width_px, seen.flow.height_px)
    chance, weight = np.zeros(grid.shape[:2], np.float32), 0.0
    estimates: list[_Estimate] = []
    for t in order:
        way, confidence = path[t], float(mover.confidence[t])
        if way is not None:
            chance = warp(chance, way, grid)
        weight = DECAY * weight + confidence
        share = np.float32(confidence / max(weight, 1e-6))
        expected = (1 - share) * chance + share * mover.own[t]
        found = weight >= _MIN_WEIGHT and bool((expected > _EXPECTED).any())
        chance = _look(t, expected, mover, seen) if found else np.zeros_like(chance)
        # The estimates of a clip would fill the memory as floats.
        estimates.append(_Estimate(chance=np.rint(255 * chance).astype(np.uint8), weight=weight))
    return estimates


def _look(t: int, expected: F32, mover: _Mover, seen: _Seen) -> F32:
    """Chance [h, w] by all evidence, near where the mover is expected."""
    near = grown(expected > _EXPECTED, MARGIN_PX)
    x, y, width, height = cv2.boundingRect(near.astype(np.uint8))
    box = (slice(y, y + height), slice(x, x + width))
    side = _BLUR_PX if mover.confidence[t] > 0.5 else _LOST_BLUR_PX
    prior = np.asarray(cv2.blur(expected[box], (side, side)), np.float32)
    moves = log_odds(np.divide(seen.motion.strength[t][box], 255, dtype=np.float32), 0.1)
    odds = log_odds(prior, _MIN_CHANCE)
    # IoU of movers with 0.25, 1 and 2 times these odds: 0.80, 0.83, 0.84 on 8 generated scenes,
    # 0.87, 0.87, 0.86 on 5 real clips, 0.78, 0.77, 0.74 on 4 semi-real ones.
    odds += np.float32(mover.confidence[t] * mover.moves[t]) * moves
    others = seen.labels[t][box]
    others = np.where(others == mover.number, 0, others)
    odds += odds_of_saliency(
        seen.saliency[t][box], seen.salient[mover.number], seen.salient[others]
    )
    odds += _odds_of_image(t, box, prior < _BESIDE, mover, seen)
    chance = np.zeros_like(expected)
    chance[box] = np.where(near[box], 1 / (1 + np.exp(-odds)), 0)
    too_large = np.count_nonzero(chance >= 0.5) > _MAX_GROWTH * mover.usual_px[t]
    return mover.own[t].astype(np.float32) if too_large else chance


def _odds_of_image(
    t: int, box: tuple[slice, slice], beside: Bool, mover: _Mover, seen: _Seen
) -> F32:
    """Log odds in the box: is the image not the background, and has it the mover's colours?

    While a mover stands still the image is as the background would make it: that says nothing.
    """
    error, colour = seen.motion.error[t][box].astype(np.float32), seen.colours[t][box]
    known = np.count_nonzero(beside) >= MIN_AROUND_PX
    least = _NOISE_FACTOR * float(np.median(error[beside])) if known else 0.0
    largest = cv2.dilate(error, np.ones((5, 5), np.uint8))
    limit = np.maximum(np.float32(_SMEAR) * largest, max(1.0, least))
    most = _MAX_ODDS if seen.motion.both_sides[t] else _MAX_ONE_SIDED_ODDS
    odds = np.float32(_ERROR_WEIGHT) * np.log(np.maximum(error, 1e-3) / limit)
    odds = np.clip(odds, -_MAX_ODDS, most)
    odds *= np.float32(mover.moves[t])
    if known:
        alike = colour_odds(mover.colours, colour_histogram(colour[beside]))[colour]
        odds += np.clip(cv2.blur(alike, (3, 3)), -_MAX_ODDS, _MAX_ODDS)
    return odds


def _salient_shares(labels: list[I32], saliency: list[U8]) -> F32:
    """[num] share of each label's pixels that are salient; label 0 is what surrounds a mover."""
    num = num_labels(labels)
    area = count_pixels(labels, num)
    salient = count_pixels(labels, num, above_threshold(saliency))
    share = np.clip(salient / np.maximum(area, 1), _SALIENT_BESIDE, 1 - _SALIENT_BESIDE)
    share[0] = _SALIENT_BESIDE
    return share.astype(np.float32)


def odds_of_saliency(saliency: U8, of_mover: np.float32, of_others: F32) -> F32:
    """Log odds [h, w] that a pixel is a mover's, and not what else is drawn there.

    Args:
        saliency: [h, w]
        of_mover: share of its pixels that are salient. Of one that is salient as a whole, what is
            not salient is no part; of one that is so by half, it may well be.
        of_others: [h, w] the same of what else is drawn there: two salient things saliency does
            not tell apart.
    """
    seen = np.divide(saliency, 255, dtype=np.float32)
    mine = seen * of_mover + (1 - seen) * (1 - of_mover)
    theirs = seen * of_others + (1 - seen) * (1 - of_others)
    return np.asarray(np.log(mine / theirs), np.float32)
