"""From evidence to masks: what both kinds of evidence support, drawn to the image's colours.

Saliency and flow both blur what they find: their threshold alone gives masks several pixels fat.
What is surely inside and surely outside of a region have colours; they decide what lies between.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, I32, U8, Bool

_BINS = 16  # levels a colour channel
_TINY = np.float32(2e-4)  # share of colours never seen


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskOptions:
    """How evidence, 0 to 255, becomes masks; pixels are those of the working size."""

    alone: float = 0.7  # weight of the stronger evidence by itself
    together: float = 0.6  # weight of the sum of both
    threshold: int = 128
    sure: int = 170  # and above: colours of the inside
    static: int = 48  # and below: colours of the outside
    min_sure_share: float = 0.2  # of a region, to know its colours
    min_static_px: int = 60
    margin_px: int = 12  # around a region, whose colours are the outside's
    colour_weight: float = 1.2  # of a colour's log odds, against those of the evidence


def draw_mask(saliency: U8, motion: U8, rgb: U8, options: MaskOptions) -> U8:
    """255 where something salient or moving is, without specks; all images are [h, w]."""
    evidence = _joint(saliency, motion, options)
    mask = _without_specks(np.where(evidence >= options.threshold, 255, 0).astype(np.uint8))
    num, region, boxes, _ = cv2.connectedComponentsWithStats(mask)
    colour = colours(rgb)
    drawn = np.zeros_like(mask)
    for i in range(1, num):
        x, y, width, height = (int(v) for v in boxes[i, :4])
        margin = options.margin_px
        window = (
            slice(max(0, y - margin), y + height + margin),
            slice(max(0, x - margin), x + width + margin),
        )
        inside = np.asarray(region[window] == i, np.bool_)
        kept = _to_colours(inside, evidence[window], colour[window], options)
        drawn[window][kept] = 255
    return _without_specks(drawn)


def _joint(saliency: U8, motion: U8, options: MaskOptions) -> U8:
    """Evidence that is weak in both counts as much as strong evidence in one."""
    alone = cv2.convertScaleAbs(np.maximum(saliency, motion), alpha=options.alone)
    both = cv2.addWeighted(saliency, options.together, motion, options.together, 0)
    return np.maximum(alone, both).astype(np.uint8)


def _to_colours(inside: Bool, evidence: U8, colour: I32, options: MaskOptions) -> Bool:
    """The region with its border where colours and evidence together put it."""
    sure, static = inside & (evidence >= options.sure), evidence < options.static
    if sure.sum() < options.min_sure_share * inside.sum() or static.sum() < options.min_static_px:
        return inside
    here, around = colour_histogram(colour[sure]), colour_histogram(colour[static])
    odds = cv2.blur(colour_odds(here, around)[colour], (3, 3))
    probability = np.clip(evidence.astype(np.float32) / 255, 0.02, 0.98)
    odds = np.log(probability / (1 - probability)) + options.colour_weight * odds
    near = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.asarray((odds > 0) & near, np.bool_)


def colours(rgb: U8) -> I32:
    """Number [h, w] of each pixel's colour."""
    level = (rgb // (256 // _BINS)).astype(np.int32)
    return (level[..., 0] * _BINS + level[..., 1]) * _BINS + level[..., 2]


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
