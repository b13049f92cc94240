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
from camvid.parallel import map_threads
from camvid.segmentation.evidence import MotionEvidence
from camvid.segmentation.flow import F16, ClipFlow, look_up, pixel_grid
from camvid.segmentation.masks import colour_histogram, colour_odds, colours

_HALF = 127  # chance, of 255, above which a pixel is a mover's
_EXPECTED = 0.2  # chance from which on a mover is looked for
_SALIENT_BESIDE = 0.05  # share of the pixels around a mover that saliency takes for it
_BESIDE = 0.1  # and below which a pixel tells of what surrounds it


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionOptions:
    """Which objects are drawn anew, and what each evidence weighs; pixels of the working size."""

    max_movers: int = 6  # the largest; the others stay as they are
    min_moving_share: float = 0.5  # of an object's pixels, to be a mover
    min_area_seconds: float = 0.0015  # share of the image times duration
    sure: int = 170  # motion, and above: pixels whose colours are the mover's
    min_sure_px: int = 200
    usual_size_s: float = 0.5  # a frame that shows less than those so near is trusted less
    memory: float = 0.7  # weight of the frame before
    min_memory: float = 0.02  # of it left after a gap, or the mover is out of sight
    max_growth: float = 2.0  # of the usual size: more is background that was taken for the mover
    margin_px: int = 12  # around where a mover is expected, in which it is looked for
    blur_px: int = 5  # of where it is expected: limbs move
    lost_blur_px: int = 9  # the same, in frames that are little trusted
    min_chance: float = 0.1  # of what nobody expects
    # Of the log odds of the motion evidence. IoU of movers with 0.25, 1 and 2: 0.80, 0.83, 0.84 on
    # 8 generated scenes, 0.87, 0.87, 0.86 on 5 real clips, 0.78, 0.77, 0.74 on 4 semi-real ones.
    motion_weight: float = 1.0
    colour_weight: float = 1.0  # of those of the colours
    max_colour_odds: float = 3.0
    min_beside_px: int = 60  # to know the colours and the noise around
    error_weight: float = 3.0  # of the logarithm of the image's error
    max_error_odds: float = 3.0
    max_one_sided_odds: float = 1.5  # near the clip's ends, where an error may be a ghost
    noise_factor: float = 1.5  # times the error beside the mover: no more than noise
    smear: float = 0.5  # share of the largest error nearby that a window leaves at an outline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Mover:
    """One object over the clip of T frames."""

    number: int  # its label
    own: list[Bool]  # [h, w] as drawn so far
    trust: F64  # [T] in what was drawn, 0 to 1
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
    memory: float  # how much of what was seen is behind it


def complete_movers(
    labels: list[I32],
    saliency: list[U8],
    motion: MotionEvidence,
    flow: ClipFlow,
    fps: float,
    options: CompletionOptions,
) -> list[I32]:
    """The labels [h, w] with the movers drawn anew: each pixel goes to the likeliest of them."""
    colour = map_threads(_numbers, flow.small)
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
    for number in _largest_movers(labels, motion.strength, fps, options):
        mover = _learn(number, seen, fps, options)
        if mover is None:
            continue
        movers.append(number)
        for t, chance in enumerate(_chances(mover, seen, options)):
            better = chance > best[t]
            winner[t][better], best[t][better] = len(movers), chance[better]
    name = np.array([0, *movers], np.int32)
    kept = np.arange(max(int(x.max()) for x in labels) + 1, dtype=np.int32)
    kept[movers] = 0
    pairs = list(zip(winner, labels, strict=True))
    return map_threads(lambda p: np.where(p[0] > 0, name[p[0]], kept[p[1]]), pairs)


def _numbers(rgb: U8) -> U16:
    return colours(rgb).astype(np.uint16)


def _largest_movers(
    labels: list[I32], strength: list[U8], fps: float, options: CompletionOptions
) -> list[int]:
    num = max(int(x.max()) for x in labels) + 1
    area = np.sum([np.bincount(x.ravel(), minlength=num) for x in labels], axis=0)
    pairs = zip(labels, strength, strict=True)
    moving = np.sum([np.bincount(x[s >= 128], minlength=num) for x, s in pairs], axis=0)
    least = options.min_area_seconds * labels[0].size * min(fps, len(labels))
    mover = (area >= least) & (moving >= options.min_moving_share * area)
    largest = np.argsort(-area, kind="stable")
    return [int(i) for i in largest if i > 0 and mover[i]][: options.max_movers]


def _learn(number: int, seen: _Seen, fps: float, options: CompletionOptions) -> _Mover | None:
    """Its colours, and how far each mask is trusted; None where too little surely moves."""
    motion, own = seen.motion, [x == number for x in seen.labels]
    sure = [
        c[o & (s >= options.sure) & (e >= 1)]
        for c, o, s, e in zip(seen.colours, own, motion.strength, motion.error, strict=True)
    ]
    sample = np.concatenate(sure)
    if len(sample) < options.min_sure_px:
        return None
    area = np.array([np.count_nonzero(o) for o in own], np.float64)
    reach = max(1, round(options.usual_size_s * fps))
    around = [area[max(0, t - reach) : t + reach + 1] for t in range(len(own))]
    usual = np.array([np.percentile(a, 75) for a in around])
    trust = np.clip(area / np.maximum(usual, 1), 0, 1) ** 2
    return _Mover(
        number=number,
        own=own,
        trust=trust,
        usual_px=usual,
        moves=_moves(own, motion.strength, area, trust),
        colours=colour_histogram(sample),
    )


def _moves(own: list[Bool], strength: list[U8], area: F64, trust: F64) -> F64:
    """[T] twice the share of it that is seen moving, at most 1; frames with gaps ask the others."""
    moving = [np.count_nonzero(s[o] >= 128) for o, s in zip(own, strength, strict=True)]
    share = np.array(moving, np.float64) / np.maximum(area, 1)
    whole = np.flatnonzero(trust > 0.5)
    return np.clip(2 * np.interp(np.arange(len(own)), whole, share[whole]), 0, 1)


def _chances(mover: _Mover, seen: _Seen, options: CompletionOptions) -> list[U8]:
    """Per frame, [h, w] chance that a pixel is the mover's, from the frames before and after."""
    num = len(mover.own)
    ways = ((range(num), seen.flow.backward), (range(num - 1, -1, -1), seen.flow.forward))
    past, future = map_threads(lambda way: _follow(*way, mover, seen, options), ways)
    chances: list[U8] = []
    for before, after in zip(past, future[::-1], strict=True):
        memory = before.memory + after.memory
        known = memory >= 2 * options.min_memory
        first, second = (b.memory / memory if known else 0.0 for b in (before, after))
        both = cv2.addWeighted(before.chance, first, after.chance, second, 0)
        chances.append(np.asarray(both, np.uint8))
    return chances


def _follow(
    order: Sequence[int],
    path: list[F16 | None],
    mover: _Mover,
    seen: _Seen,
    options: CompletionOptions,
) -> list[_Estimate]:
    """Estimates in the order of the frames; `path` leads from each to the one before it."""
    grid = pixel_grid(seen.flow.width_px, seen.flow.height_px)
    chance, memory = np.zeros(grid.shape[:2], np.float32), 0.0
    estimates: list[_Estimate] = []
    for t in order:
        way, trust = path[t], float(mover.trust[t])
        if way is not None:
            chance = look_up(chance, way, grid)
        memory = options.memory * memory + trust
        share = np.float32(trust / max(memory, 1e-6))
        expected = (1 - share) * chance + share * mover.own[t]
        found = memory >= options.min_memory and bool((expected > _EXPECTED).any())
        chance = _look(t, expected, mover, seen, options) if found else np.zeros_like(chance)
        # The estimates of a clip would fill the memory as floats.
        estimates.append(_Estimate(chance=np.rint(255 * chance).astype(np.uint8), memory=memory))
    return estimates


def _look(t: int, expected: F32, mover: _Mover, seen: _Seen, options: CompletionOptions) -> F32:
    """Chance [h, w] by all evidence, near where the mover is expected."""
    reach = 2 * options.margin_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    near = cv2.dilate((expected > _EXPECTED).astype(np.uint8), disc)
    x, y, width, height = cv2.boundingRect(near)
    box = (slice(y, y + height), slice(x, x + width))
    side = options.blur_px if mover.trust[t] > 0.5 else options.lost_blur_px
    prior = np.asarray(cv2.blur(expected[box], (side, side)), np.float32)
    moves = _log_odds(np.divide(seen.motion.strength[t][box], 255, dtype=np.float32), 0.1)
    odds = _log_odds(prior, options.min_chance)
    odds += np.float32(options.motion_weight * mover.trust[t] * mover.moves[t]) * moves
    others = seen.labels[t][box]
    others = np.where(others == mover.number, 0, others)
    odds += odds_of_saliency(
        seen.saliency[t][box], seen.salient[mover.number], seen.salient[others]
    )
    odds += _odds_of_image(t, box, prior < _BESIDE, mover, seen, options)
    chance = np.zeros_like(expected)
    chance[box] = np.where(near[box] > 0, 1 / (1 + np.exp(-odds)), 0)
    grown = np.count_nonzero(chance >= 0.5) > options.max_growth * mover.usual_px[t]
    return mover.own[t].astype(np.float32) if grown else chance


def _odds_of_image(
    t: int,
    box: tuple[slice, slice],
    beside: Bool,
    mover: _Mover,
    seen: _Seen,
    options: CompletionOptions,
) -> F32:
    """Log odds in the box: is the image not the background, and has it the mover's colours?

    While a mover stands still the image is as the background would make it: that says nothing.
    """
    error, colour = seen.motion.error[t][box].astype(np.float32), seen.colours[t][box]
    known = np.count_nonzero(beside) >= options.min_beside_px
    least = options.noise_factor * float(np.median(error[beside])) if known else 0.0
    largest = cv2.dilate(error, np.ones((5, 5), np.uint8))
    limit = np.maximum(np.float32(options.smear) * largest, max(1.0, least))
    most = options.max_error_odds
    odds = np.float32(options.error_weight) * np.log(np.maximum(error, 1e-3) / limit)
    odds = np.clip(odds, -most, most if seen.motion.both_sides[t] else options.max_one_sided_odds)
    odds *= np.float32(mover.moves[t])
    if known:
        most = options.max_colour_odds
        alike = colour_odds(mover.colours, colour_histogram(colour[beside]))[colour]
        odds += options.colour_weight * np.clip(cv2.blur(alike, (3, 3)), -most, most)
    return odds


def _salient_shares(labels: list[I32], saliency: list[U8]) -> F32:
    """[num] share of each label's pixels that are salient; label 0 is what surrounds a mover."""
    num = max(int(x.max()) for x in labels) + 1
    area = np.sum([np.bincount(x.ravel(), minlength=num) for x in labels], axis=0)
    pairs = zip(labels, saliency, strict=True)
    salient = np.sum([np.bincount(x[s >= 128], minlength=num) for x, s in pairs], axis=0)
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


def _log_odds(probability: F32, least: float) -> F32:
    inside = np.clip(probability, least, 1 - least)
    return np.log(inside / (1 - inside))
