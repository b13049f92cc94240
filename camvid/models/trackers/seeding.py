"""Where new tracks are put: corners of each region, away from the tracks that are there."""

from typing import Any

import cv2
import numpy as np

from camvid.artifacts import F32, U8, U16, Bool
from camvid.models.trackers.options import FollowOptions

_CONTEXT_PX = 4  # around the region, for the corner filter


def new_points(
    gray: U8, region: U16, live_xy_px: F32, live_label: U16, options: FollowOptions
) -> tuple[F32, U16]:
    """Points (xy_px [n, 2]) and the region label [n] of each.

    Args:
        gray: [H, W].
        region: [H, W], 0 for the background, else an object id.
        live_xy_px: [m, 2] of the tracks alive, with their labels [m].
    """
    points: list[F32] = [np.zeros((0, 2), np.float32)]
    for label in np.unique(region):
        own = live_xy_px[live_label == label]
        points.append(_corners_of(gray, region == label, bool(label), own, options))
    counts = [len(p) for p in points[1:]]
    return np.concatenate(points), np.repeat(np.unique(region), counts).astype(np.uint16)


def _corners_of(
    gray: U8, own: Bool, is_object: bool, live_xy_px: F32, options: FollowOptions
) -> F32:
    """The strongest corners of one region, up to its budget."""
    budget = options.max_object_tracks if is_object else options.max_background_tracks
    distance = options.min_object_distance_px if is_object else options.min_background_distance_px
    if len(live_xy_px) >= budget:
        return np.zeros((0, 2), np.float32)
    free = own.astype(np.uint8)
    if is_object:
        free = _shrunk(free, options.object_margin_px)
    x, y, width, height = cv2.boundingRect(free)
    for column, row in np.floor(live_xy_px).astype(int):
        cv2.circle(free, (int(column), int(row)), round(distance), 0, -1)
    top, left = max(y - _CONTEXT_PX, 0), max(x - _CONTEXT_PX, 0)
    crop = np.s_[top : y + height + _CONTEXT_PX, left : x + width + _CONTEXT_PX]
    found: Any = cv2.goodFeaturesToTrackWithQuality(  # (None, None) where there is no corner
        np.ascontiguousarray(gray[crop]),
        budget - len(live_xy_px),
        options.min_corner_quality,
        distance,
        np.ascontiguousarray(free[crop]),
        blockSize=5,
    )
    if found[0] is None:
        return np.zeros((0, 2), np.float32)
    strong = found[1].reshape(-1) >= options.min_corner_strength
    centre = np.array([left, top], np.float32) + np.float32(0.5)  # OpenCV's is at 0
    return np.asarray(found[0].reshape(-1, 2)[strong] + centre, np.float32)


def _shrunk(region: U8, margin_px: int) -> U8:
    """The region without its rim; a region too thin to lose one is left as it is."""
    kernel = np.ones((2 * margin_px + 1, 2 * margin_px + 1), np.uint8)
    inner = cv2.erode(region, kernel)
    return np.asarray(inner if inner.any() else region, np.uint8)
