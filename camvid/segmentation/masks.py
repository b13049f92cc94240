"""From evidence to masks: what both kinds of evidence support, drawn to the image's colours.

Saliency and flow both blur what they find: their threshold alone gives masks several pixels fat.
What is surely inside and surely outside of a region have colours; they decide what lies between.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U8, U16, Bool
from camvid.segmentation.labels import THRESHOLD

_BINS = 16  # levels a colour channel
_TINY = np.float32(2e-4)  # share of colours never seen

# Pixels are those of the working size.
_ALONE = 0.7  # weight of the stronger evidence by itself
_TOGETHER = 0.6  # weight of the sum of both
SURE = 170  # evidence, and above: colours of the inside
_STATIC = 48  # and below: colours of the outside
_MIN_SURE_SHARE = 0.2  # of a region, to know its colours
MIN_AROUND_PX = 60  # of the outside, to know its colours
MARGIN_PX = 12  # around a region, whose colours are the outside's
_COLOUR_WEIGHT = 1.2  # of a colour's log odds, against those of the evidence


def draw_mask(saliency: U8, motion: U8, rgb: U8) -> U8:
    """255 where something salient or moving is, without specks [h, w]; rgb is [h, w, 3]."""
    evidence = _joint(saliency, motion)
    mask = _without_specks(np.where(evidence >= THRESHOLD, 255, 0).astype(np.uint8))
    num, region, boxes, _ = cv2.connectedComponentsWithStats(mask)
    colour = colours(rgb)
    drawn = np.zeros_like(mask)
    for i in range(1, num):
        x, y, width, height = (int(v) for v in boxes[i, :4])
        window = (
            slice(max(0, y - MARGIN_PX), y + height + MARGIN_PX),
            slice(max(0, x - MARGIN_PX), x + width + MARGIN_PX),
        )
        inside = np.asarray(region[window] == i, np.bool_)
        kept = _to_colours(inside, evidence[window], colour[window])
        drawn[window][kept] = 255
    return _without_specks(drawn)


def _joint(saliency: U8, motion: U8) -> U8:
    """Evidence that is weak in both counts as much as strong evidence in one."""
    alone = cv2.convertScaleAbs(np.maximum(saliency, motion), alpha=_ALONE)
    both = cv2.addWeighted(saliency, _TOGETHER, motion, _TOGETHER, 0)
    return np.maximum(alone, both).astype(np.uint8)


def _to_colours(inside: Bool, evidence: U8, colour: U16) -> Bool:
    """The region with its border where colours and evidence together put it."""
    sure, static = inside & (evidence >= SURE), evidence < _STATIC
    if sure.sum() < _MIN_SURE_SHARE * inside.sum() or static.sum() < MIN_AROUND_PX:
        return inside
    here, around = colour_histogram(colour[sure]), colour_histogram(colour[static])
    odds = cv2.blur(colour_odds(here, around)[colour], (3, 3))
    probability = np.divide(evidence, 255, dtype=np.float32)
    odds = log_odds(probability, 0.02) + _COLOUR_WEIGHT * odds
    near = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.asarray((odds > 0) & near, np.bool_)


def log_odds(probability: F32, least: float) -> F32:
    """Of a probability, as if it were at least so far from 0 and from 1."""
    inside = np.clip(probability, least, 1 - least)
    return np.log(inside / (1 - inside))


def colours(rgb: U8) -> U16:
    """Number [h, w] of each pixel's colour."""
    level = (rgb // (256 // _BINS)).astype(np.int32)
    number = (level[..., 0] * _BINS + level[..., 1]) * _BINS + level[..., 2]
    return number.astype(np.uint16)


def colour_odds(here: F32, around: F32) -> F32:
    """Log odds [bins] of each colour, from the histograms of a thing and of what is around it."""
    return np.log((here + _TINY) / (around + _TINY))


def colour_histogram(colours: NDArray[np.integer]) -> F32:
    """[bins] shares of colours [n], each spread over its neighbours."""
    count = np.bincount(colours, minlength=_BINS**3).astype(np.float32)
    cube = count.reshape(_BINS, _BINS, _BINS)
    for axis in range(3):
        cube = cube + (np.roll(cube, 1, axis) + np.roll(cube, -1, axis)) / 2
    return (cube.ravel() / cube.sum()).astype(np.float32)


def _without_specks(mask: U8) -> U8:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.uint8)
