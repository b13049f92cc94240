"""Which way the objects of a clip move through the image, the camera's own motion aside."""

from typing import Literal, NamedTuple

import numpy as np

from camvid.artifacts import F64, MaskedObject, MotionReport, PointTracks

Way = Literal["", "from left to right", "from right to left", "upwards", "downwards"]
_MIN_WAY = 0.05  # of the image's longer side
_BACKGROUND = (0.1, 0.9)  # quantiles of the background's steps: beyond them is no parallax
_MIN_TRACKS = 3


class Mover(NamedTuple):
    """An object that moves in the world."""

    object: MaskedObject
    area_fraction: float
    motion_strength: float
    way: Way  # empty: to and fro, or along the line of sight


def find_movers(
    objects: tuple[MaskedObject, ...],
    tracks: PointTracks,
    motion: MotionReport,
    long_side_px: int,
    min_motion_strength: float,
) -> tuple[Mover, ...]:
    """The objects that move, the strongest first; `tracks` have them as their owners."""
    known = {found.object_id: found for found in objects}
    moving = [m for m in motion.per_object if m.motion_strength >= min_motion_strength]
    return tuple(
        Mover(
            known[m.object_id],
            m.area_fraction,
            m.motion_strength,
            _way(_own_displacement_px(tracks, m.object_id) / long_side_px),
        )
        for m in sorted(moving, key=lambda m: -m.motion_strength)
        if m.object_id in known
    )


def _own_displacement_px(tracks: PointTracks, object_id: int) -> F64:
    """[2] sum of the object's steps in the image beyond those of nine tenths of the background.

    Parallax moves the background by more or less; what moves as some of it does, may be still.
    """
    both = tracks.visible[1:] & tracks.visible[:-1]
    steps = np.diff(tracks.xy_px.astype(np.float64), axis=0)
    own, around = tracks.object_id == object_id, tracks.object_id == 0
    total = np.zeros(2)
    for step, seen in zip(steps, both, strict=True):
        if min((seen & own).sum(), (seen & around).sum()) >= _MIN_TRACKS:
            middle = np.median(step[seen & own], axis=0)
            low, high = np.quantile(step[seen & around], _BACKGROUND, axis=0)
            total += middle - np.clip(middle, low, high)
    return total


def _way(displacement: F64) -> Way:
    """By the larger part of a displacement [2] in image sides."""
    x, y = displacement
    if max(abs(x), abs(y)) < _MIN_WAY:
        return ""
    if abs(x) >= abs(y):
        return "from left to right" if x > 0 else "from right to left"
    return "downwards" if y > 0 else "upwards"
