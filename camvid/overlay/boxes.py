"""Finds straight edges along rows and columns of the image, and the boxes that they bound.

Insets are cut out by rows and columns, and little else that is fixed to the image is. Of a
box whose sides parallel to the background's motion are no evidence, the others still are.
"""

from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, Bool
from camvid.morphology import disc, grown
from camvid.overlay.passing import travel_across_px
from camvid.overlay.regions import Overlay, share_px

Box = tuple[int, int, int, int]  # x, y, width, height in pixels
_GAP_PX = 7  # in a line, where what lies on either side happens to be alike
# Lengths are shares of the long side.
_SOLID = 0.016  # half the width from which an overlay is more than a line of its own
_REACH = 0.02  # from it, straight parts of its outline may lie
_TOUCH = 0.01  # a side so near a border of the image begins there
_MIN_OVERLAP = 0.6  # of two sides that face each other, of the length of both together
_MIN_WIDTH = 0.08  # between them


class SideLimits(NamedTuple):
    """What counts as a side."""

    line: float  # least length, of the long side
    travel_px: float  # of the background across it


# Moving scenes of 50 clips have upright lines of 0.11 at most, 15 insets of 0.16 and more. Level
# ones are of little use: cameras turn and walk on the level, along them.
EDGES = SideLimits(line=0.14, travel_px=60.0)
# The smallest inset tried has 0.14; a generated scene has lines of 0.10. Walls keep level lines of
# evidence 11 at 73 px.
CUTS = SideLimits(line=0.13, travel_px=100.0)


def find_sides(overlay: Overlay, straight: Bool, spread: F32, limits: SideLimits) -> Bool:
    """Those of the straight edges [H, W] that may be sides, off the overlay that is known."""
    free = straight & ~_near(overlay.mask)
    upright = _lines(free & (travel_across_px(spread, 1, 0) >= limits.travel_px), limits)
    level = _lines((free & (travel_across_px(spread, 0, 1) >= limits.travel_px)).T, limits).T
    return upright | level


def add_boxes(
    overlay: Overlay, sides: Bool, lines: Bool, still: Bool, limits: SideLimits
) -> Overlay:
    """The overlay with the boxes that the sides [H, W] bound, or lines [H, W] where they meet one.

    A logo stands `still` [H, W] in its box, a video does not.
    """
    fixed, inset = overlay.fixed.copy(), overlay.inset.copy()
    upright = [*_facing(sides, limits), *_corners(sides, lines, limits)]
    level = [*_facing(sides.T, limits), *_corners(sides.T, lines.T, limits)]
    for x, y, width, height in [*upright, *map(_flipped, level)]:
        window = np.s_[y : y + height, x : x + width]
        (fixed if np.mean(still[window]) > 0.5 else inset)[window] = True
    return Overlay(fixed & ~inset, inset)


def _near(mask: Bool) -> Bool:
    """Where an overlay is that is no mere line, and its outline."""
    broad = disc(share_px(_SOLID, mask))
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, broad)
    return grown(solid > 0, share_px(_REACH, mask))


def _flipped(box: Box) -> Box:
    """The box in the image with rows and columns exchanged."""
    x, y, width, height = box
    return y, x, height, width


def _facing(sides: Bool, limits: SideLimits) -> list[Box]:
    """Boxes of two upright sides that face each other, and of one that ends at the image's border.

    One line alone may be the edge of a mover that the camera keeps in its place.
    """
    rows, columns = sides.shape
    lines = _upright(sides, limits)
    boxes: list[Box] = []
    touch = _TOUCH * max(rows, columns)
    for k, (x, y, width, height) in enumerate(lines):
        if y <= touch or y + height >= rows - touch:
            nearer = (0, y, x + width, height) if x < columns - x else (x, y, columns - x, height)
            boxes.append(nearer)
        for other_x, other_y, other_width, other_height in lines[k + 1 :]:
            top, bottom = max(y, other_y), min(y + height, other_y + other_height)
            whole = max(y + height, other_y + other_height) - min(y, other_y)
            left, right = min(x, other_x), max(x + width, other_x + other_width)
            apart = right - left >= _MIN_WIDTH * columns
            if apart and bottom - top >= _MIN_OVERLAP * whole:
                boxes.append((left, top, right - left, bottom - top))
    return boxes


def _corners(sides: Bool, lines: Bool, limits: SideLimits) -> list[Box]:
    """Boxes of an upright side and a level line whose ends meet."""
    near = _REACH * max(sides.shape)
    boxes: list[Box] = []
    levels = [_flipped(box) for box in _upright(lines.T, limits)]
    for x, y, _, height in _upright(sides, limits):
        for left, level_y, width, _ in levels:
            across = min(abs(x - left), abs(x - left - width))
            along = min(abs(y - level_y), abs(y + height - level_y))
            if max(across, along) <= near:
                boxes.append((left, y, width, height))
    return boxes


def _upright(sides: Bool, limits: SideLimits) -> list[Box]:
    """The upright lines among the sides."""
    long = round(limits.line * max(sides.shape))
    upright = cv2.morphologyEx(sides.astype(np.uint8), cv2.MORPH_OPEN, np.ones((long, 1), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(upright)
    return [
        (int(x), int(y), int(width), int(height))
        for x, y, width, height in stats[1:, : cv2.CC_STAT_AREA]
    ]


def _lines(sure: Bool, limits: SideLimits) -> Bool:
    """The upright lines [H, W] among the pixels, one or two of them wide."""
    shortest = round(limits.line * max(sure.shape))
    closed = cv2.morphologyEx(
        sure.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((_GAP_PX, 1), np.uint8)
    )
    wide = cv2.dilate(closed, np.ones((1, 3), np.uint8))
    return cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((shortest, 1), np.uint8)) > 0
