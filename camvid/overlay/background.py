"""How the background passes behind each pixel, from a few corners a frame.

Only what moves is asked: a hood over a quarter of the image must not outvote the street.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8

_MAX_CORNERS = 300
_MIN_DISTANCE_PX = 12
_MAX_ROUND_TRIP_PX = 0.5
_MIN_MOVING_PX = 0.5  # a corner that moves less is no evidence of how the background moves
_MIN_MOVING = 30
_MIN_MOVING_SHARE = 0.3  # of the corners: else the camera may stand still
_CELL_PX = 8  # the homography's flow is smooth: computed on a grid, interpolated between


class Passage(NamedTuple):
    """How the background moves over one step of time, as a homography between the images."""

    frame_index: int
    homography: F64  # [3, 3], from frame_index to frame_index + step


def background_passages(gray: U8, step: int, max_passages: int) -> list[Passage]:
    """Passages of gray [T, H, W] over `step` frames, evenly spread; none where nothing moves."""
    last = len(gray) - 1 - step
    if last < 0:
        return []
    starts = np.unique(np.linspace(0, last, min(max_passages, last + 1)).astype(int))
    found = [_passage(int(t), gray[t], gray[t + step]) for t in starts]
    return [passage for passage in found if passage is not None]


def flow_of(homography: F64, width_px: int, height_px: int) -> F32:
    """Displacement [h, w, 2] in px under a homography, at every eighth pixel; see `at_pixels`."""
    x, y = np.meshgrid(
        np.arange(0, width_px + _CELL_PX, _CELL_PX), np.arange(0, height_px + _CELL_PX, _CELL_PX)
    )
    nodes = np.stack([x, y], axis=-1).astype(np.float32)
    moved = cv2.perspectiveTransform(nodes.reshape(-1, 1, 2), homography).reshape(nodes.shape)
    return np.asarray(moved - nodes, np.float32)


def at_pixels(nodes: F32, width_px: int, height_px: int) -> F32:
    """What is known at every eighth pixel, at every pixel [H, W, ...]."""
    size = (nodes.shape[1] * _CELL_PX, nodes.shape[0] * _CELL_PX)
    field = cv2.resize(nodes, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(field[:height_px, :width_px], np.float32)


def _passage(frame_index: int, here: U8, there: U8) -> Passage | None:
    """That of most corners that move; None where too few do."""
    corners = cv2.goodFeaturesToTrack(here, _MAX_CORNERS, 0.005, _MIN_DISTANCE_PX)
    if corners is None:
        return None
    nothing: Any = None
    window = {"winSize": (15, 15), "maxLevel": 3}
    moved, forth, _ = cv2.calcOpticalFlowPyrLK(here, there, corners, nothing, **window)
    again, back, _ = cv2.calcOpticalFlowPyrLK(there, here, moved, nothing, **window)
    followed = (np.ravel(forth) > 0) & (np.ravel(back) > 0)
    followed &= np.linalg.norm((again - corners)[:, 0], axis=1) <= _MAX_ROUND_TRIP_PX
    shift_px = np.linalg.norm((moved - corners)[:, 0], axis=1)
    moving = followed & (shift_px >= _MIN_MOVING_PX)
    if moving.sum() < max(_MIN_MOVING, _MIN_MOVING_SHARE * followed.sum()):
        return None
    tolerance = 2 + 0.05 * float(np.median(shift_px[moving]))
    found, _ = cv2.findHomography(
        corners[moving], moved[moving], cv2.USAC_FAST, tolerance, maxIters=500
    )
    if np.shape(found) != (3, 3):
        return None
    return Passage(frame_index, np.asarray(found, np.float64))
