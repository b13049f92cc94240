"""Letterbox and pillarbox bars: black in every frame of a clip, straight, with a sharp edge.

Bars alike on both sides may be as light as lossy coding makes them, and their edge need be lit
in one place: the brightest value of every line and column tells them (`Profile`). A single bar, or
one wider than its opposite, could be a night sky or a dark floor: it must be truly black, but for
text or a logo on it, and lit along most of its edge, which takes whole images (`BlackBars`). Black
corners and vignettes are neither.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import U8
from camvid.video.quality import grey_of

Rect = tuple[int, int, int, int]  # x, y, width, height in pixels
_Widths = tuple[int, int]  # of the bars before and behind

_MAX_LEVEL = 20  # grey level: black after lossy coding
_TRUE_BLACK = 2  # median grey level of a bar at its brightest; coding leaves 0 or 1
_MIN_EDGE_LEVEL = 48  # reached right beside the bar at some time in the clip
_EDGE_PX = 6  # how far the bar's edge may be smeared
_INSET_PX = 2  # half-black pixels at the edge go with the bar
_MAX_ASYMMETRY = 0.02  # of the side, between two bars that are alike
_MIN_SHARE = 0.01  # of the side, both bars together: less is not worth a crop
_MIN_EDGE_SHARE = 0.6  # of a single bar's edge, lit on one side and black on the other
_STRIP_PX = 8  # averaged along the bar, so that coding noise does not lighten it


class Profile(NamedTuple):
    """The brightest of every line and column of a frame."""

    rows: U8  # [H]
    columns: U8  # [W]


def profile_of(rgb: U8) -> Profile | None:
    """Of a frame [H, W, 3]; None where light reaches all four edges, so that there are no bars."""
    lines, columns = _along_rows(grey_of(rgb[[0, -1]])), _along_columns(grey_of(rgb[:, [0, -1]]))
    if min(*lines.max(axis=1), *columns.max(axis=0)) > _MAX_LEVEL:
        return None
    grey = grey_of(rgb)
    return Profile(_along_rows(grey).max(axis=1), _along_columns(grey).max(axis=0))


def brightest(profiles: Sequence[Profile | None]) -> Profile | None:
    """What several frames of one size show together."""
    known = [profile for profile in profiles if profile]
    if len(known) < len(profiles):
        return None
    rows, columns = (np.max(lines, axis=0) for lines in zip(*known, strict=True))
    return Profile(rows, columns)


def content_of(profile: Profile | None, size_px: tuple[int, int]) -> Rect | None:
    """What bars leave of frames of this width and height; None where it takes whole images."""
    if profile is None:
        return 0, 0, *size_px
    vertical, horizontal = _alike(profile.rows), _alike(profile.columns)
    return _inside(vertical, horizontal, size_px) if vertical and horizontal else None


class BlackBars:
    """Finds the bars of a clip, whatever they are."""

    def __init__(self) -> None:
        self._rows: U8 = np.zeros((0, 0), np.uint8)  # [H, strips] brightest so far
        self._columns: U8 = np.zeros((0, 0), np.uint8)  # [W, strips]

    def add(self, rgb: U8) -> None:
        """Notes one frame at source size, [H, W, 3]."""
        grey = grey_of(rgb)
        rows, columns = _along_rows(grey), _along_columns(grey).T
        first = not len(self._rows)
        self._rows = rows if first else np.maximum(rows, self._rows)
        self._columns = columns if first else np.maximum(columns, self._columns)

    def content(self) -> Rect:
        """What the bars leave of the frame."""
        size_px = len(self._columns), len(self._rows)
        return _inside(_bars(self._rows), _bars(self._columns), size_px)


def _along_rows(grey: U8) -> U8:
    """[H, strips]: averaged along each row in strips, so that coding noise does not lighten it."""
    height, width = grey.shape
    size = max(1, width // _STRIP_PX), height
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _along_columns(grey: U8) -> U8:
    """[strips, W]."""
    height, width = grey.shape
    size = width, max(1, height // _STRIP_PX)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _inside(vertical: _Widths, horizontal: _Widths, size_px: tuple[int, int]) -> Rect:
    (top, bottom), (left, right) = vertical, horizontal
    return left, top, size_px[0] - left - right, size_px[1] - top - bottom


def _bars(brightest: U8) -> _Widths:
    """Widths of the two bars along one axis, from the brightest values seen, [side, strips]."""
    alike = _alike(brightest.max(axis=1))
    return alike or (_single_bar(brightest), _single_bar(brightest[::-1]))


def _alike(profile: U8) -> _Widths | None:
    """Widths of two bars that are alike, or of none; None where they are not alike."""
    size = len(profile)
    bars = _bar(profile), _bar(profile[::-1])
    if abs(bars[0] - bars[1]) > _MAX_ASYMMETRY * size:
        return None
    return bars if sum(bars) >= _MIN_SHARE * size else (0, 0)


def _bar(profile: U8) -> int:
    lit = np.flatnonzero(profile > _MAX_LEVEL)
    if not len(lit) or lit[0] == 0:
        return 0
    edge = int(lit[0])
    sharp = profile[edge : edge + _EDGE_PX].max() >= _MIN_EDGE_LEVEL
    return edge + _INSET_PX if sharp else 0


def _single_bar(brightest: U8) -> int:
    """The innermost edge that passes: text on the bar has edges of its own further out."""
    lit = brightest > _MAX_LEVEL
    across = lit.mean(axis=0) > _MIN_SHARE  # else the strip runs along another bar
    share = lit[:, across].mean(axis=1) if across.any() else np.zeros(len(lit))
    enough = share >= _MIN_EDGE_SHARE / 2
    edges = np.flatnonzero(enough[1:] & ~enough[:-1]) + 1
    least = max(_INSET_PX + 1, _MIN_SHARE * len(brightest))
    for edge in edges[(edges >= least) & (edges < len(brightest) / 2)][::-1].tolist():
        beside = brightest[edge : edge + _EDGE_PX].max(axis=0) >= _MIN_EDGE_LEVEL
        outside = brightest[max(0, edge - _EDGE_PX) : edge - _INSET_PX].max(axis=0)
        sharp = beside & (outside <= _MAX_LEVEL)
        truly_black = np.median(brightest[: edge - _INSET_PX]) <= _TRUE_BLACK
        if truly_black and sharp.sum() >= _MIN_EDGE_SHARE * across.sum():
            return edge + _INSET_PX
    return 0
