"""Estimates the background's motion between frames from tracked corners.

Only corners that move are used: a hood over a quarter of the image must not outvote the street.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool
from camvid.overlay.passing import evenly
from camvid.sfm.epipolar import fundamental_matrix, sampson_px

_MAX_CORNERS = 300  # bound on work, at ten times what a motion needs (_MIN_MOVING)
_MIN_DISTANCE_PX = 12  # of corners, so that they spread and their windows of 15 px share little
_MAX_FORWARD_BACKWARD_PX = 0.5  # as the tracker's (lucas_kanade)
MIN_MOVING_PX = 0.5  # a corner that moves less is no evidence of how the background moves
_MIN_MOVING = 30  # corners: models are of four to eight of them, the others confirm one
_MIN_MOVING_SHARE = 0.3  # of the corners: else the camera may stand still
_PLANE_SHARE = 0.8  # of the corners that one homography explains where no depth shows
_MIN_NOISE_PX = 0.15  # floor: all is many times the noise where corners happen to fit too well
_MIN_BORDER_SHARE = 0.4  # of the corners near the image's sides, which even large movers leave free
_BORDER = 0.125  # of each side
_NOISES = 3.0  # within so many medians nearly all of the background's own corners lie
_CELL_PX = 8  # the homography's flow is smooth: computed on a grid, interpolated between


class BackgroundMotion(NamedTuple):
    """How the background moves over one step of time, as a homography between the images."""

    frame_index: int
    homography: F64  # [3, 3], from frame_index to frame_index + step
    epipolar: F64 | None  # [3, 3] fundamental matrix where depth shows, so that points may differ
    noise_px: float  # median distance of the background's corners from what it says

    def off_px(self, start: F32, end: F32) -> F64:
        """How far points [n, 2] that go from start to end are from what the background may do."""
        if self.epipolar is not None:
            return sampson_px(self.epipolar, start, end)
        there = cv2.perspectiveTransform(start[:, None], self.homography)[:, 0]
        return np.asarray(np.linalg.norm(there - end, axis=1), np.float64)


def background_motions(gray: U8, step: int, max_motions: int) -> list[BackgroundMotion]:
    """That of gray [T, H, W] over `step` frames, evenly spread; none where nothing moves."""
    last = len(gray) - 1 - step
    if last < 0:
        return []
    starts = evenly(last + 1, max_motions)
    found = [_background_motion(int(t), gray[t], gray[t + step]) for t in starts]
    return [motion for motion in found if motion is not None]


def tracked_corners(here: U8, there: U8) -> tuple[F32, F32]:
    """Corners [n, 2] of one image [H, W] in px, and where they are in another."""
    found: Any = cv2.goodFeaturesToTrack(here, _MAX_CORNERS, 0.005, _MIN_DISTANCE_PX)
    if found is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    corners = np.asarray(found, np.float32)
    moved, forth = _tracked(here, there, corners)
    again, back = _tracked(there, here, moved)
    tracked = forth & back
    tracked &= np.linalg.norm((again - corners)[:, 0], axis=1) <= _MAX_FORWARD_BACKWARD_PX
    return corners[tracked, 0], moved[tracked, 0]


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


def _background_motion(frame_index: int, here: U8, there: U8) -> BackgroundMotion | None:
    """That of most corners that move; None where too few do."""
    start, end = tracked_corners(here, there)
    shift_px = np.linalg.norm(end - start, axis=1)
    moving = shift_px >= MIN_MOVING_PX
    if moving.sum() < max(_MIN_MOVING, _MIN_MOVING_SHARE * len(moving)):
        return None
    near_border = _near_border(start, here.shape)
    if moving[near_border].sum() < _MIN_BORDER_SHARE * near_border.sum():
        return None  # a large mover, before a camera that stands still
    tolerance = 2 + 0.05 * float(np.median(shift_px[moving]))
    start, end = start[moving], end[moving]
    homography, inlier = cv2.findHomography(start, end, cv2.USAC_FAST, tolerance, maxIters=500)
    if np.shape(homography) != (3, 3):
        return None
    plane = np.asarray(homography, np.float64)
    explained = np.ravel(inlier) > 0
    if explained.mean() >= _PLANE_SHARE:
        return BackgroundMotion(frame_index, plane, None, tolerance)
    found = fundamental_matrix(start, end, 1.0, 500)
    if found is None:
        return BackgroundMotion(frame_index, plane, None, tolerance)
    distance = sampson_px(found[0], start[found[1]], end[found[1]])
    noise_px = max(float(np.median(distance)), _MIN_NOISE_PX)
    return BackgroundMotion(frame_index, plane, found[0], noise_px)


def unlike_static(motions: Sequence[BackgroundMotion], xy_px: F32) -> float:
    """How far points [n, 2] that stay in the image are from any static point of the scene.

    In multiples of the noise, over the motions in the median: a point at which the camera keeps
    looking, or far ahead of it, may stay in the image though it is part of the scene.
    """
    off = [np.median(motion.off_px(xy_px, xy_px)) / motion.noise_px for motion in motions]
    return float(np.median(off))


def follows(motion: BackgroundMotion, start: F32, end: F32) -> Bool:
    """Which points [n, 2] go from start to end as the background may."""
    if not len(start):
        return np.zeros(0, np.bool_)
    limit_px = motion.noise_px * (1 if motion.epipolar is None else _NOISES)
    return np.asarray(motion.off_px(start, end) <= limit_px)


def _near_border(xy: F32, shape: tuple[int, ...]) -> Bool:
    """Which points [n, 2] lie near a side of an image [H, W]."""
    place = xy / np.array(shape[::-1], np.float32)
    return np.asarray(((place < _BORDER) | (place > 1 - _BORDER)).any(axis=1))


def _tracked(here: U8, there: U8, corners: F32) -> tuple[F32, Bool]:
    """Where the corners [n, 1, 2] went, and which [n] were found."""
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        here, there, corners, corners.copy(), None, None, (15, 15), 3
    )
    return np.asarray(moved, np.float32), np.ravel(status) > 0
