"""Keypoints on the background and on every object, followed by pyramidal Lucas-Kanade."""

import cv2
import numpy as np

from camvid.artifacts import U8, Frames, ObjectMasks, PointTracks
from camvid.parallel import map_threads
from camvid.tracking.lucas_kanade import LucasKanadeOptions, track_regions


class LucasKanadeTracker:
    """A point tracker without weights.

    Tracks that no longer look like the patch of first sight end: those that live on are mostly
    corners where an outline crosses what is behind it, which move though nothing does.
    """

    def __init__(self, options: LucasKanadeOptions | None = None) -> None:
        self._options = options or LucasKanadeOptions()

    def track(self, frames: Frames, masks: ObjectMasks) -> PointTracks:
        """Tracks of every object and of the background (object 0)."""
        return track_regions(_gray(frames.rgb), masks.object_id, self._options)


def _gray(rgb: U8) -> U8:
    """[T, H, W] of [T, H, W, 3]."""
    gray = np.empty(rgb.shape[:3], np.uint8)

    def convert(t: int) -> None:
        gray[t] = cv2.cvtColor(rgb[t], cv2.COLOR_RGB2GRAY)

    map_threads(convert, range(len(rgb)))
    return gray
