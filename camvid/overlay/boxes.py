"""Straight edges along the image's own rows and columns, and the boxes that they bound.

Insets are cut out by rows and columns, and few other things that are fixed to the image are. Of a
box whose sides parallel to the background's motion tell nothing, the others still do.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, Bool
from camvid.overlay.regions import Overlay, disc

Box = tuple[int, int, int, int]  # x, y, width, height in pixels
_GAP_PX = 7  # in a line, where what lies on either side happens to be alike
_CORNER_PX = 25  # sides that come so near each other bound one box


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxOptions:
    """What counts as a side; lengths are shares of the long side, areas of the image.

    Moving scenes of 50 clips have upright lines of 0.11 at most, 15 insets of 0.16 and more. Level
    ones are of little use: cameras turn and walk on the level, along them.
    """

    min_line: float = 0.14
    min_way_px: float = 60.0  # of the background across the line
    max_still_change: float = 4.0  # grey levels: a logo stands still in its box, a video does not
    solid: float = 0.016  # half the width from which an overlay is more than a line of its own
    reach: float = 0.02  # from it, straight parts of its outline may lie
    thin: float = 0.03  # a box less wide is a single line, and reaches to the side of the image


def find_sides(overlay: Overlay, straight: Bool, spread: F32, options: BoxOptions) -> Bool:
    """Lines [H, W] along rows and columns that may be sides, off the overlay that is known.

    Args:
        straight: [H, W] fixed edges, as `FixedEdges` has them.
        spread: [H, W, 3] variances xx, xy and yy of the background's places, in px^2.
    """
    free = straight & ~_near(overlay.mask, options)
    upright = _lines(free & (_way_px(spread[..., 0]) >= options.min_way_px), options)
    level = _lines((free & (_way_px(spread[..., 2]) >= options.min_way_px)).T, options).T
    return upright | level


def add_boxes(overlay: Overlay, sides: Bool, change: F32, options: BoxOptions) -> Overlay:
    """The overlay with the boxes that the sides [H, W] bound.

    Args:
        change: [H, W] deviation of each pixel from its mean over time, in grey levels.
    """
    fixed, inset = overlay.fixed.copy(), overlay.inset.copy()
    for x, y, width, height in _boxes(sides, options):
        window = np.s_[y : y + height, x : x + width]
        still = np.mean(change[window] <= options.max_still_change) > 0.5
        (fixed if still else inset)[window] = True
    return Overlay(fixed & ~inset, inset)


def _near(mask: Bool, options: BoxOptions) -> Bool:
    """Where an overlay is that is no mere line, and its outline."""
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(options.solid, mask))
    return cv2.dilate(solid, disc(options.reach, mask)) > 0


def _boxes(sides: Bool, options: BoxOptions) -> list[Box]:
    near = np.ones((_CORNER_PX, _CORNER_PX), np.uint8)
    _, found = cv2.connectedComponents(cv2.dilate(sides.astype(np.uint8), near))
    group = np.asarray(found)
    boxes: list[Box] = []
    for k in range(1, int(group.max()) + 1):
        x, y, width, height = cv2.boundingRect(((group == k) & sides).astype(np.uint8))
        boxes.append(_to_the_side((x, y, width, height), sides, options))
    return boxes


def _way_px(variance: F32) -> F32:
    return np.sqrt(12 * np.maximum(variance, 0))


def _lines(sure: Bool, options: BoxOptions) -> Bool:
    """The upright lines [H, W] among the pixels, one or two of them wide."""
    shortest = round(options.min_line * max(sure.shape))
    closed = cv2.morphologyEx(
        sure.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((_GAP_PX, 1), np.uint8)
    )
    wide = cv2.dilate(closed, np.ones((1, 3), np.uint8))
    return cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((shortest, 1), np.uint8)) > 0


def _to_the_side(box: Box, image: Bool, options: BoxOptions) -> Box:
    """The box; of a single line, what lies between it and the nearer side of the image."""
    x, y, width, height = box
    rows, columns = image.shape
    thin = options.thin * max(image.shape)
    if width < thin:
        return (0, y, x + width, height) if x < columns - x else (x, y, columns - x, height)
    if height < thin:
        return (x, 0, width, y + height) if y < rows - y else (x, y, width, rows - y)
    return box
