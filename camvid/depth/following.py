"""Movers followed through the clip by their corners: their way in the picture, and their growth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, U16, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """How corners are followed from frame to frame; pixels are those of the working size."""

    max_corners: int = 80
    min_corners: int = 6
    max_round_trip_px: float = 0.3
    upright: float = 1.5  # rise over run of two corners, one of which is above the other
    min_upright_pairs: int = 10


class Followed(NamedTuple):
    """One mover, added up step by step: exact from frame to frame, and free to drift slowly."""

    path_px: F64  # [T, 2] of its middle; NaN where it is not followed
    growth: F64  # [T] its size over that in the first frame; as before where it is not followed


class _Step(NamedTuple):
    """What happens to a mover from one frame to the next."""

    motion_px: F64  # [2]
    growth: float  # of the logarithm of its size


_LOST = _Step(np.full(2, np.nan), 0.0)


def follow(
    gray: Sequence[U8], object_ids: Sequence[U16], label: int, options: FollowOptions
) -> Followed:
    """The object `label` of the ids [h, w] of each frame."""
    masks = [ids == label for ids in object_ids]
    steps = [
        _step(here, there, mask, options)
        for here, there, mask in zip(gray, gray[1:], masks, strict=False)
    ]
    path = np.full((len(gray), 2), np.nan)
    for t, mask in enumerate(masks):
        if t > 0:
            path[t] = path[t - 1] + steps[t - 1].motion_px
        if mask.any() and np.isnan(path[t]).any():
            path[t] = np.argwhere(mask).mean(axis=0)[::-1] + 0.5
    log_size = np.concatenate([[0.0], np.cumsum([step.growth for step in steps])])
    return Followed(path, np.exp(log_size))


def _step(here: U8, there: U8, mask: Bool, options: FollowOptions) -> _Step:
    if not mask.any():
        return _LOST
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    corners: Any = cv2.goodFeaturesToTrack(here, options.max_corners, 0.01, 3, mask=inner)
    if corners is None or len(corners) < options.min_corners:
        return _LOST
    there_xy, back_xy = (np.asarray(xy, np.float32) for xy in _there_and_back(here, there, corners))
    held = np.linalg.norm(back_xy - corners, axis=2)[:, 0] < options.max_round_trip_px
    if held.sum() < options.min_corners:
        return _LOST
    start, end = np.asarray(corners, np.float64)[held, 0], there_xy[held, 0].astype(np.float64)
    return _Step(np.median(end - start, axis=0), _growth(start, end, options))


def _there_and_back(here: U8, there: U8, corners: F32) -> tuple[F32, F32]:
    nowhere: Any = None  # no first guess: the stubs do not know that it may be missing
    there_xy, _, _ = cv2.calcOpticalFlowPyrLK(here, there, corners, nowhere, winSize=(13, 13))
    back_xy, _, _ = cv2.calcOpticalFlowPyrLK(there, here, there_xy, nowhere, winSize=(13, 13))
    return np.asarray(there_xy, np.float32), np.asarray(back_xy, np.float32)


def _growth(start: F64, end: F64, options: FollowOptions) -> float:
    """Change of the logarithm of the distances between corners [n, 2].

    Those above each other are asked, if there are enough: what turns on its feet changes its width
    and keeps its height.
    """
    i, j = np.triu_indices(len(start), 1)
    before, after = start[j] - start[i], end[j] - end[i]
    length = np.linalg.norm(before, axis=1)
    wide = length > np.median(length)
    x, y = np.abs(before).T
    upright = (length > 0.7 * np.median(length)) & (y > options.upright * x)
    asked = upright if upright.sum() >= options.min_upright_pairs else wide
    if not asked.any():
        return 0.0
    ratio = np.linalg.norm(after[asked], axis=1) / length[asked]
    return float(np.median(np.log(np.maximum(ratio, 1e-3))))
