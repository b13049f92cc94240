"""Frames that show the one before once more: film in faster video, screen recordings, web video.

Left in, they make a video stutter: motion seems to stop and leap, every leap passes for a cut, and
the frame rate for more than it is.
"""

from collections import deque
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from camvid.artifacts import U8

# Of the median change of the frames before, in the mean over the image. Five clips, repeated in
# three patterns and coded in four ways (H.264 at CRF 18 to 40, MPEG-4): of 2,160 repeats 98 % come
# below, the others mostly where a key frame pulses; of 2,280 other frames none, the least at 0.17.
_MAX_CHANGE = 0.15
_MIN_USUAL_CHANGE = 1.0  # grey level: where less changes, nothing is told from noise
_MAX_REPEATS = 3  # in a row: 15 frames a second shown at 60; more is a pause of the camera
_USUAL_OF = 8  # frames
_ROWS, _COLUMNS = 8, 7  # one in so many is looked at


class Repeats:
    """Tells which frames of a video, given in order, repeat the one before."""

    def __init__(self) -> None:
        self._last: U8 | None = None
        self._changes: deque[float] = deque(maxlen=_USUAL_OF)
        self._in_a_row = 0

    def again(self, sample: U8) -> bool:
        """Whether the next frame, of which `sample` is a thinned image, repeats the last kept."""
        last, self._last = self._last, sample
        if last is None or last.shape != sample.shape:
            self._changes.clear()
            return False
        change = float(np.abs(sample.astype(np.int16) - last).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        small = usual >= _MIN_USUAL_CHANGE and change <= _MAX_CHANGE * usual
        if small and self._in_a_row < _MAX_REPEATS:
            self._in_a_row += 1
            self._last = last
            return True
        if small:
            self._changes.clear()  # a pause: nothing tells repeats until it has moved again
        self._in_a_row = 0
        self._changes.append(change)
        return False


def sample_of(frame: VideoFrame) -> U8:
    """The first plane of a decoded frame, thinned: brightness, or colours side by side."""
    plane: Any = frame.planes[0]  # a buffer
    deep = frame.format.components[0].bits > 8
    rows = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
    thinned = rows[::_ROWS, : plane.width : _COLUMNS]
    return (thinned >> (frame.format.components[0].bits - 8) if deep else thinned).astype(np.uint8)


def sample_of_rgb(rgb: U8) -> U8:
    """The same of an image [H, W, 3]: its green."""
    return rgb[::_ROWS, ::_COLUMNS, 1].copy()
