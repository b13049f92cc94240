"""Tells windows from insets: through a car's side window the same world is seen as ahead.

A window has a broad frame that stands still, and what is seen in it moves as the background does.
"""

from collections.abc import Sequence

import numpy as np

from camvid.artifacts import Bool
from camvid.morphology import components, grown
from camvid.overlay.background import MIN_MOVING_PX, BackgroundMotion, follows, tracked_corners
from camvid.overlay.passing import STILL_FRAME, PassingScene, evenly
from camvid.overlay.regions import Overlay, share_px

_MAX_MOTIONS = 12  # bound on work: steps in time over which a region's corners are tracked

# Lengths are shares of the long side.
_FRAME = (0.01, 0.022)  # from the region: lines around insets end before
# Share of its moving corners that may be of the background: .77 to .97 in five windows; in
# 40 insets .7 and more in four, none of them framed.
_MIN_FOLLOWING = 0.7


def without_windows(
    overlay: Overlay, scene: PassingScene, motions: Sequence[BackgroundMotion]
) -> Overlay:
    """The overlay whose windows are part of the scene; `motions` are the background's."""
    inset = overlay.inset.copy()
    found = components(inset)
    for k in range(1, int(found.max()) + 1):
        region = found == k
        inner, outer = (grown(region, share_px(share, region)) for share in _FRAME)
        frame = outer & ~inner
        if not frame.any() or scene.still[frame].mean() < STILL_FRAME:
            continue
        if _following(scene, motions, region) >= _MIN_FOLLOWING:
            inset &= ~region
    return Overlay(overlay.fixed, inset)


def _following(scene: PassingScene, motions: Sequence[BackgroundMotion], region: Bool) -> float:
    """Share of the corners in the region that move as the background does, of all that move."""
    row, column = np.nonzero(region)
    window = np.s_[row.min() : row.max() + 1, column.min() : column.max() + 1]
    origin = np.array([column.min(), row.min()], np.float32)
    num_following = num_moving = 0
    for k in evenly(len(motions), _MAX_MOTIONS):
        images = (scene.gray[motions[k].frame_index + d][window] for d in (0, scene.step))
        start, end = tracked_corners(*(np.ascontiguousarray(image) for image in images))
        x, y = start.astype(int).T
        moving = region[window][y, x] & (np.linalg.norm(end - start, axis=1) >= MIN_MOVING_PX)
        same = follows(motions[k], start[moving] + origin, end[moving] + origin)
        num_following, num_moving = num_following + int(same.sum()), num_moving + int(moving.sum())
    return num_following / max(num_moving, 1)
