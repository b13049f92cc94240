"""How a decoded frame is displayed: turned, mirrored, and stretched to square pixels."""

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from camvid.artifacts import U8

Turn = tuple[int, int, int, int]  # a, b, c, d of x' = a x + c y, y' = b x + d y

_IGNORED_STRETCH = 0.01  # encoders round the pixel aspect; resampling for that only blurs
_MAX_STRETCH = 4.0  # lenses squeeze by 2, halved lines and half-width DVD by 2.2; more is a slip


def usable_aspect(aspect: float) -> tuple[float, tuple[str, ...]]:
    """The stretch of width that makes pixels square, and what was decided about it, in words."""
    if not 1 / _MAX_STRETCH <= aspect <= _MAX_STRETCH:
        return 1.0, (f"pixel aspect {aspect:.4g}:1 ignored",)
    return (1.0 if abs(aspect - 1) < _IGNORED_STRETCH else aspect), ()


def display_matrix(frame: VideoFrame) -> Turn:
    """a, b, c, d of x' = a x + c y, y' = b x + d y: quarter turns and mirrors.

    Not for every frame: PyAV ties a frame whose side data was looked at to itself, so that its
    memory waits for the garbage collector. A change of rotation is seen without.
    """
    side_data: Any = frame.side_data
    matrix = next((d for d in side_data if d.type is SideDataType.DISPLAYMATRIX), None)
    if matrix is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return a, b, c, d


def turned(rgb: U8, turn: Turn) -> U8:
    """The frame [H, W, 3] as it is displayed, a view."""
    a, b, c, d = turn
    if abs(a) + abs(d) < abs(b) + abs(c):
        rgb, a, d = rgb.transpose(1, 0, 2), c, b
    return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
