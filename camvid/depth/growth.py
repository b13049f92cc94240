"""Movers tracked by their corners: their path in the image, and how fast it grows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, NAN, U8, U16, Bool

_MAX_CORNERS, _MIN_CORNERS = 80, 6  # every pair is measured; fewer make a poor median
_MAX_FORWARD_BACKWARD_PX = 0.3  # error of tracking there and back, at the working size
_UPRIGHT = 1.5  # rise over run of two corners, one of which is above the other
_MIN_UPRIGHT_PAIRS = 10  # for their median: where there are fewer, all long pairs are asked


class Growth(NamedTuple):
    """One mover, step by step: exact from frame to frame, and free to drift slowly."""

    path_px: F64  # [T, 2] of its middle, steps added up; NaN where it is not tracked
    log_growth: F64  # [T - 1] change of the logarithm of its size; NaN where it is not tracked
    spread: F64  # [T - 1] deviation of single distances from it: large for what turns or bends


class _Step(NamedTuple):
    """What happens to a mover from one frame to the next."""

    motion_px: F64  # [2]
    log_growth: float
    spread: float


_LOST = _Step(np.full(2, np.nan), NAN, NAN)  # nothing is known


def follow(gray: Sequence[U8], object_id: Sequence[U16], label: int) -> Growth:
    """The object `label` of the ids [h, w] of each frame."""
    masks = [ids == label for ids in object_id]
    steps = [
        _step(here, there, mask) for here, there, mask in zip(gray, gray[1:], masks, strict=False)
    ]
    path = np.full((len(gray), 2), np.nan)
    for t, mask in enumerate(masks):
        if t > 0:
            path[t] = path[t - 1] + steps[t - 1].motion_px
        if mask.any() and np.isnan(path[t]).any():
            path[t] = np.argwhere(mask).mean(axis=0)[::-1] + 0.5
    log_growth, spread = (np.array([step[k] for step in steps], np.float64) for k in (1, 2))
    return Growth(path, log_growth, spread)


def _step(here: U8, there: U8, mask: Bool) -> _Step:
    if not mask.any():
        return _LOST
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    corners: Any = cv2.goodFeaturesToTrack(here, _MAX_CORNERS, 0.01, 3, mask=inner)
    if corners is None or len(corners) < _MIN_CORNERS:
        return _LOST
    there_xy, back_xy = (np.asarray(xy, np.float32) for xy in _there_and_back(here, there, corners))
    held = np.linalg.norm(back_xy - corners, axis=2)[:, 0] < _MAX_FORWARD_BACKWARD_PX
    if held.sum() < _MIN_CORNERS:
        return _LOST
    start, end = np.asarray(corners, np.float64)[held, 0], there_xy[held, 0].astype(np.float64)
    return _Step(np.median(end - start, axis=0), *_log_growth(start, end))


def _there_and_back(here: U8, there: U8, corners: F32) -> tuple[F32, F32]:
    nowhere: Any = None  # no first guess: the stubs do not know that it may be missing
    there_xy, _, _ = cv2.calcOpticalFlowPyrLK(here, there, corners, nowhere, winSize=(13, 13))
    back_xy, _, _ = cv2.calcOpticalFlowPyrLK(there, here, there_xy, nowhere, winSize=(13, 13))
    return np.asarray(there_xy, np.float32), np.asarray(back_xy, np.float32)


def _log_growth(start: F64, end: F64) -> tuple[float, float]:
    """Change of the logarithm of the distances between corners [n, 2], and its spread.

    Those above each other are asked, if there are enough: what turns on its feet changes its width
    and keeps its height.
    """
    i, j = np.triu_indices(len(start), 1)
    before, after = start[j] - start[i], end[j] - end[i]
    length = np.linalg.norm(before, axis=1)
    wide = length > np.median(length)
    x, y = np.abs(before).T
    upright = (length > 0.7 * np.median(length)) & (y > _UPRIGHT * x)
    asked = upright if upright.sum() >= _MIN_UPRIGHT_PAIRS else wide
    if not asked.any():
        return NAN, NAN
    ratio = np.linalg.norm(after[asked], axis=1) / length[asked]
    change = np.log(np.maximum(ratio, 1e-3))
    middle = float(np.median(change))
    return middle, 1.4826 * float(np.median(np.abs(change - middle)))
