"""A perceptual fingerprint of a clip: 64 bits for how the image changes, eight times a second.

Each hash has the signs of the 8 x 8 lowest frequencies of the change over a quarter of a second, at
32 x 32 pixels, against their median: pHash (Zauner 2010), of the change and not of the image. So
what a camera on a tripod sees at two times differs, though the images hardly do. Coding, size,
aspect and brightness leave the signs as they are; black bars have to be gone.
"""

from collections import deque

import cv2
import numpy as np

from camvid.artifacts import F32, U8

STEP_S = 0.125  # between hashes: a trimmed copy is sampled at most half of it off
_SPAN = 2  # steps over which the image changes
_SIDE_PX = 32
_LOW = 8


class ChangeHashes:
    """Hashes of a clip, one every STEP_S, each a signed number; 0 where nothing changed."""

    def __init__(self) -> None:
        self.hashes: list[int] = []
        self._seen: deque[F32] = deque(maxlen=_SPAN)  # at the last steps
        self._next_s = -np.inf

    def add(self, thumbnail: U8, timestamp_s: float) -> None:
        """Notes the `thumbnail_of` a frame, which stays on the screen till the next."""
        if timestamp_s < self._next_s:
            return
        now = thumbnail.astype(np.float32)
        self._next_s = timestamp_s if self._next_s == -np.inf else self._next_s
        while timestamp_s >= self._next_s:
            if len(self._seen) == _SPAN:
                self.hashes.append(_hash(now - self._seen[0]))
            self._seen.append(now)
            self._next_s += STEP_S


def thumbnail_of(grey: U8) -> U8:
    """[32, 32] of a frame [H, W] without its black bars."""
    size = _SIDE_PX, _SIDE_PX
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _hash(change: F32) -> int:
    low = cv2.dct(change)[:_LOW, :_LOW].ravel()
    bits = np.packbits(low > np.median(low[1:]))  # the first is the change of brightness
    return int(bits.view(">i8")[0]) if change.any() else 0
