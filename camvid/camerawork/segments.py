"""Cuts a camera's path where it changes its way, and names what it does between.

Seen as a curve in the seven motions of `camvid.camerawork.path`, a way that goes on is a straight
line however its speed changes, an even orbit too; where the way changes the curve has a corner.
The corners are found as Ramer, Douglas and Peucker simplify a curve: it is cut where it is furthest
from its chord, for as long as that is far.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from camvid.artifacts import F64, Clip, Reconstruction
from camvid.camerawork.moves import CameraMove, CameraWork, Move, MoveSegment
from camvid.camerawork.path import (
    DOWN,
    FORWARD,
    PAN,
    RIGHT,
    ROLL,
    TILT,
    ZOOM,
    OperatorPath,
    operator_path,
)

_CORNER = 0.04  # off the chord, in the path's units: radians, scene depths
_CORNER_SHARE = 0.12  # and of the path's length: a long way is not straight either
_MIN_SEGMENT_S = 0.4
_MIN_REST_S = 0.75  # before a way begins, or after it ends
_AT_REST = 0.04  # share of a way's length that is covered while at rest
_MIN_AMOUNT = 0.05  # 3 degrees, a twentieth of the scene's depth or of the focal length
_MIN_SHARE = 0.3  # of the most noticeable motion: less goes along with it unsaid
_ARC_RATIO = (0.5, 2.0)  # of turn to travel around something at half to twice the median depth
_MAX_SHAKE = 0.0017  # in radians: a tenth of a degree

_NAMES: dict[int, tuple[CameraMove, CameraMove]] = {  # of a positive sum, of a negative one
    RIGHT: (CameraMove.TRUCK_RIGHT, CameraMove.TRUCK_LEFT),
    DOWN: (CameraMove.PEDESTAL_DOWN, CameraMove.PEDESTAL_UP),
    FORWARD: (CameraMove.DOLLY_IN, CameraMove.DOLLY_OUT),
    TILT: (CameraMove.TILT_UP, CameraMove.TILT_DOWN),
    PAN: (CameraMove.PAN_RIGHT, CameraMove.PAN_LEFT),
    ROLL: (CameraMove.ROLL_CLOCKWISE, CameraMove.ROLL_COUNTERCLOCKWISE),
    ZOOM: (CameraMove.ZOOM_IN, CameraMove.ZOOM_OUT),
}


def camera_work(clip: Clip, reconstruction: Reconstruction) -> CameraWork:
    """Names what the clip's camera does, as far as its cameras are known."""
    if reconstruction.camera == "fixed":
        length_s = float(clip.timestamps_s[-1] - clip.timestamps_s[0])
        return CameraWork((MoveSegment(start_s=0.0, end_s=length_s, moves=()),), handheld=False)
    path = operator_path(reconstruction, clip.timestamps_s)
    if path is None:
        return CameraWork((), handheld=False)
    return CameraWork(tuple(_segments(path)), handheld=path.shake > _MAX_SHAKE)


def _segments(path: OperatorPath) -> Iterator[MoveSegment]:
    """The path cut at its corners; neighbours that do the same are one."""
    spans = [s for corners in pairwise(_corners(path)) for s in _without_rests(path, *corners)]
    names = [tuple(move.name for move in _moves(_sum(path, *span))) for span in spans]
    start = 0
    for n in range(len(spans)):
        if n + 1 == len(spans) or set(names[n + 1]) != set(names[n]):
            first, last = spans[start][0], spans[n][1]
            yield MoveSegment(
                start_s=float(path.time_s[first]),
                end_s=float(path.time_s[last]),
                moves=_moves(_sum(path, first, last)),
            )
            start = n + 1


def _corners(path: OperatorPath) -> list[int]:
    """Indices at which the way changes, the ends among them."""
    length = np.linalg.norm(np.diff(path.smooth, axis=0), axis=1).sum()
    limit = max(_CORNER, _CORNER_SHARE * float(length))

    def inside(first: int, last: int) -> list[int]:
        at = _furthest(path, first, last, limit)
        return [] if at is None else [*inside(first, at), at, *inside(at, last)]

    last = len(path.smooth) - 1
    return [0, *inside(0, last), last]


def _furthest(path: OperatorPath, first: int, last: int, limit: float) -> int | None:
    """The index between two that is furthest from their chord, if it is beyond the limit."""
    curve, time_s = path.smooth[first : last + 1], path.time_s[first : last + 1]
    chord = curve[-1] - curve[0]
    along = np.clip((curve - curve[0]) @ chord / max(float(chord @ chord), 1e-12), 0, 1)
    off = np.linalg.norm(curve - curve[0] - along[:, None] * chord, axis=1)
    off[(time_s - time_s[0] < _MIN_SEGMENT_S) | (time_s[-1] - time_s < _MIN_SEGMENT_S)] = 0
    at = int(off.argmax())
    return first + at if off[at] > limit else None


def _without_rests(path: OperatorPath, first: int, last: int) -> Iterator[tuple[int, int]]:
    """A span, or its way and the rests before and after."""
    curve = path.smooth[first : last + 1]
    covered = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    length = float(covered[-1])
    begin, end = first, last
    if length > _MIN_AMOUNT:
        begin = first + int(np.searchsorted(covered, _AT_REST * length))
        end = first + int(np.searchsorted(covered, (1 - _AT_REST) * length))
    if path.time_s[begin] - path.time_s[first] < _MIN_REST_S:
        begin = first
    if path.time_s[last] - path.time_s[end] < _MIN_REST_S:
        end = last
    edges = dict.fromkeys((first, begin, end, last))
    yield from pairwise(edges)


def _sum(path: OperatorPath, first: int, last: int) -> F64:
    return path.smooth[last] - path.smooth[first]


def _moves(total: F64) -> tuple[Move, ...]:
    """What sums [7] over a span amount to, the most noticeable first."""
    left = total.copy()
    found: list[tuple[float, Move]] = []
    if _is_arc(total):
        name = CameraMove.ARC_RIGHT if total[RIGHT] > 0 else CameraMove.ARC_LEFT
        found.append((abs(total[RIGHT]), Move(name, float(np.degrees(abs(total[PAN]))))))
        left[[RIGHT, PAN]] = 0
    noticed = np.abs(left)
    least = max(_MIN_AMOUNT, _MIN_SHARE * float(np.abs(total).max()))
    for axis, (positive, negative) in _NAMES.items():
        if noticed[axis] >= least:
            name = positive if left[axis] > 0 else negative
            found.append((noticed[axis], Move(name, _amount(axis, left[axis]))))
    return tuple(move for _, move in sorted(found, key=lambda item: -item[0]))


def _is_arc(total: F64) -> bool:
    """Whether the camera goes one way and turns the other, as around something before it."""
    travel, turn = total[RIGHT], total[PAN]
    noticed = min(abs(travel), abs(turn)) >= max(
        _MIN_AMOUNT, _MIN_SHARE * float(np.abs(total).max())
    )
    return bool(
        noticed and travel * turn < 0 and _ARC_RATIO[0] <= abs(turn / travel) <= _ARC_RATIO[1]
    )


def _amount(axis: int, total: float) -> float:
    if axis == ZOOM:
        return float(np.exp(abs(total)) - 1)
    return float(np.degrees(abs(total)) if axis in (TILT, PAN, ROLL) else abs(total))
