"""Tells windows from insets: through a car's side window the same world is seen as ahead.

A window has a broad frame that stands still, and what is seen in it moves as the background does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.overlay.background import BackgroundMotion, follows, tracked_corners
from camvid.overlay.regions import Overlay, disc

_MOVING_PX = 0.5
_MAX_MOTIONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions:
    """What counts as a window; lengths are shares of the long side."""

    frame: tuple[float, float] = (0.01, 0.022)  # from the region: lines around insets end before
    min_still_frame: float = 0.6  # share of it: .67 to .93 around eight windows of cars
    max_still_change: float = 4.0  # grey levels from the mean image: what stands still changes less
    # Share of its moving corners that may be of the background: .77 to .97 in five windows; in
    # 40 insets .7 and more in four, none of them framed.
    min_following: float = 0.7


def without_windows(
    overlay: Overlay,
    gray: U8,
    motions: Sequence[BackgroundMotion],
    step: int,
    change: F32,
    options: WindowOptions,
) -> Overlay:
    """The overlay of images gray [T, H, W] whose windows are part of the scene.

    Args:
        motions: of the background, over `step` frames.
        change: [H, W] deviation of each pixel from its mean over time, in grey levels.
    """
    inset = overlay.inset.copy()
    num, found = cv2.connectedComponents(inset.astype(np.uint8))
    still = change <= options.max_still_change
    for k in range(1, num):
        region = np.asarray(np.asarray(found) == k, np.bool_)
        inner, outer = (
            cv2.dilate(region.astype(np.uint8), disc(share, region)) > 0 for share in options.frame
        )
        frame = outer & ~inner
        if not frame.any() or still[frame].mean() < options.min_still_frame:
            continue
        if _following(gray, motions, step, region) >= options.min_following:
            inset &= ~region
    return Overlay(overlay.fixed, inset)


def _following(gray: U8, motions: Sequence[BackgroundMotion], step: int, region: Bool) -> float:
    """Share of the corners in the region that move as the background does, of all that move."""
    row, column = np.nonzero(region)
    window = np.s_[row.min() : row.max() + 1, column.min() : column.max() + 1]
    origin = np.array([column.min(), row.min()], np.float32)
    num_following = num_moving = 0
    for k in np.unique(np.linspace(0, len(motions) - 1, _MAX_MOTIONS).astype(int)):
        images = (gray[motions[k].frame_index + d][window] for d in (0, step))
        start, end = tracked_corners(*(np.ascontiguousarray(image) for image in images))
        x, y = start.astype(int).T
        moving = region[window][y, x] & (np.linalg.norm(end - start, axis=1) >= _MOVING_PX)
        same = follows(motions[k], start[moving] + origin, end[moving] + origin)
        num_following, num_moving = num_following + int(same.sum()), num_moving + int(moving.sum())
    return num_following / max(num_moving, 1)
