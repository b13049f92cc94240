"""The camera's motions by their names, as film has them and as CameraBench labels them.

All are said in the camera's own axes (CameraBench, arXiv 2504.15376: camera-centric): where up is
in the world is not known.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class CameraMove(StrEnum):
    """A class of camera motion; left, right and up are those of the image."""

    STATIC = "static"  # nothing below, and no shake
    DOLLY_IN = "dolly_in"  # travels along the gaze
    DOLLY_OUT = "dolly_out"
    TRUCK_LEFT = "truck_left"  # travels sideways
    TRUCK_RIGHT = "truck_right"
    PEDESTAL_UP = "pedestal_up"  # travels upwards
    PEDESTAL_DOWN = "pedestal_down"
    PAN_LEFT = "pan_left"  # turns in place
    PAN_RIGHT = "pan_right"
    TILT_UP = "tilt_up"
    TILT_DOWN = "tilt_down"
    ROLL_CLOCKWISE = "roll_clockwise"  # the camera, not the image
    ROLL_COUNTERCLOCKWISE = "roll_counterclockwise"
    ZOOM_IN = "zoom_in"  # the focal length alone
    ZOOM_OUT = "zoom_out"
    ARC_LEFT = "arc_left"  # travels to the left around what it keeps looking at: an orbit
    ARC_RIGHT = "arc_right"
    HANDHELD = "handheld"  # shakes


@dataclass(frozen=True, slots=True)
class Move:
    """How far the camera went in one way.

    `amount` is above 0: degrees of a turn or arc; a share of the scene's median depth for dolly,
    truck and pedestal; of a zoom, the relative change of the focal length.
    """

    name: CameraMove
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSegment:
    """A stretch of the clip over which the camera goes on in one way; no moves: it stands still."""

    start_s: float  # from the clip's first frame
    end_s: float
    moves: tuple[Move, ...]  # the most noticeable first


class CameraWork(NamedTuple):
    """What the camera does over a clip; no segments: it is not known."""

    segments: tuple[MoveSegment, ...]
    handheld: bool

    @property
    def classes(self) -> tuple[CameraMove, ...]:
        """Every class that occurs, in order of first occurrence; `static` where none does."""
        names = [move.name for segment in self.segments for move in segment.moves]
        if self.handheld:
            names.append(CameraMove.HANDHELD)
        elif self.segments and not names:
            names.append(CameraMove.STATIC)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the clip shows, in the words of film."""

    camera_moves: tuple[CameraMove, ...] = ()  # every class that occurs; empty: not known
    segments: tuple[MoveSegment, ...] = ()  # the same in order of time, and how far
    caption: str | None = None  # one sentence
