"""Finds insets before a camera that hardly moves: boxes within which all changes, to their sides.

Nothing passes behind an inset there, so nothing is seen to stand still before it. But another
video changes over the whole of its box, and the scene around it does not: all along the sides of
the box the change steps up, unless the scene happens to change beside them, too.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.overlay.passing import MAX_IMAGES, evenly

_STEP = 0.7  # of the logarithm of the change: twice as much ...
_BESIDE_PX = 3  # ... over so many pixels on one side as on the other ...
_BLUR_PX = 2  # ... of some that coding has mixed
_GAP_PX = 7  # in a side, where what lies on either side changes alike
_QUIET = 0.25  # quantile of the change: insets take up to half of the image
_CALM = 0.1  # quantile of the change within a box
_MOST_LINES = 8  # of each kind of side
_THIN = 4  # brightness needs no more than every fourth pixel

# Lengths are shares of the long side. Of 17 generated and 23 real clips none has a box; of 88
# insets in 22 of them, whose cameras stand, 56 are found. Those that are not lie in noisy,
# flickering ones or before a mover. With looser limits (.7, .8, three sides) 67 were, but a real
# clip without one was refused, too; with two, so was grass in a corner before a path and a road.
_MIN_SIDE = 0.06
_MIN_AREA, _MAX_AREA = 0.01, 0.5  # of the image
_MIN_STEPS = 0.85  # of the pixels of all sides: .68 at most elsewhere, but for a shadow's .79
_MIN_SIDE_STEPS = 0.85  # of each side: a step, or a scene that changes beside it
_MIN_CHANGE = 8.0  # grey levels, of nine tenths of the box at least; insets 11 and more


class _Side(NamedTuple):
    """Pixels along one side of a box, from its inside."""

    steps: Bool  # [n] where the change steps up
    beside: Bool  # [n] where the scene changes, too


def changing_boxes(gray: U8) -> Bool:
    """Where [H, W] images gray [T, H, W] show another video."""
    change = np.log1p(_change(gray))
    loud = change > np.quantile(change, _QUIET) + _STEP
    height, width = change.shape
    across, down = _steps(change), _steps(change.T).T
    shortest = round(_MIN_SIDE * max(height, width))
    left, right = (_lines(steps, shortest) for steps in (across, -across))
    top, bottom = (_lines(steps.T, shortest) for steps in (down, -down))
    far = _BESIDE_PX + 1
    around = np.pad(loud, far, mode="edge")  # a box may be near the image's border
    left_right, above_below = around[far:-far], around[:, far:-far]
    found = np.zeros(change.shape, bool)
    for x0, y0, x1, y1 in product(left, top, right, bottom):
        area = (x1 - x0) * (y1 - y0) / change.size
        if min(x1 - x0, y1 - y0) < shortest or not _MIN_AREA <= area <= _MAX_AREA:
            continue
        rows, columns = slice(y0, y1), slice(x0, x1)
        sides = (
            _Side(across[rows, x0] > _STEP, left_right[rows, x0]),
            _Side(across[rows, x1] < -_STEP, left_right[rows, x1 + 2 * far]),
            _Side(down[y0, columns] > _STEP, above_below[y0, columns]),
            _Side(down[y1, columns] < -_STEP, above_below[y1 + 2 * far, columns]),
        )
        inner = change[y0 + far : y1 - far, x0 + far : x1 - far]
        if _ends_at(sides) and np.quantile(inner, _CALM) >= np.log1p(_MIN_CHANGE):
            found[rows, columns] = True
    return found


def _ends_at(sides: Sequence[_Side]) -> bool:
    """Whether the change ends at these sides."""
    steps = np.mean([side.steps.mean() for side in sides])
    least = min((side.steps | side.beside).mean() for side in sides)
    return bool(steps >= _MIN_STEPS and least >= _MIN_SIDE_STEPS)


def _change(gray: U8) -> F32:
    """Mean deviation [H, W] of each pixel from its median, in grey levels, but for brightness."""
    images = gray[evenly(len(gray), MAX_IMAGES)].astype(np.float32)
    usual = np.median(images, axis=0)
    thin = np.s_[::_THIN, ::_THIN]
    brighter = [float(np.median((image[thin] + 1) / (usual[thin] + 1))) for image in images]
    apart = [abs(image / gain - usual) for image, gain in zip(images, brighter, strict=True)]
    return np.asarray(np.mean(apart, axis=0), np.float32)


def _steps(change: F32) -> F32:
    """By how much [H, W] more it is at and right of each pixel than left of it; also one beside."""
    kernel = np.zeros((1, 2 * _BESIDE_PX + _BLUR_PX), np.float32)
    kernel[0, :_BESIDE_PX], kernel[0, -_BESIDE_PX:] = -1 / _BESIDE_PX, 1 / _BESIDE_PX
    image = np.ascontiguousarray(change)
    step = cv2.filter2D(image, -1, kernel, anchor=(_BESIDE_PX, 0), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(step, np.float32)


def _lines(steps: F32, shortest: int) -> list[int]:
    """Columns in which the change steps up along a line: the longest."""
    up = (steps > _STEP).astype(np.uint8)
    closed = cv2.morphologyEx(up, cv2.MORPH_CLOSE, np.ones((_GAP_PX, 1), np.uint8))
    long = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((shortest, 1), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(long)
    longest = sorted(stats[1:].tolist(), key=lambda line: -line[cv2.CC_STAT_HEIGHT])
    return [
        x + int(steps[y : y + height, x : x + width].mean(axis=0).argmax())
        for x, y, width, height, _ in longest[:_MOST_LINES]
    ]
