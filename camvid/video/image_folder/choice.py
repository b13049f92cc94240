"""Chooses among several series in a folder: colour before grey, depth and masks."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from camvid.errors import VideoError
from camvid.video.image_folder.file_names import NamedSeries
from camvid.video.image_folder.pixels import decoded
from camvid.video.names import writable

_STRAY_RATIO = 0.1  # a series of fewer images than this against the longest is not looked at
_MIN_LENGTH_RATIO = 0.5  # of fewer than this, it is no rival
_MAX_LABELS = 16  # colours of a label map; a photograph has thousands


def choose(found: Sequence[NamedSeries], name: str) -> NamedSeries:
    """The one series that is meant; VideoError that names them where several are left."""
    longest = max(len(series.paths) for series in found)
    left = [series for series in found if len(series.paths) >= _STRAY_RATIO * longest]
    for better in _PREFERENCES:
        if len(left) > 1:
            grades = better(left)
            left = [s for s, grade in zip(left, grades, strict=True) if grade == max(grades)]
    if len(left) > 1:
        named = " and ".join(f"{writable(s.label)} ({len(s.paths)})" for s in left[:2])
        more = f" and {len(left) - 2} more" if len(left) > 2 else ""
        raise VideoError(
            f"{name}: must hold one series of images, found {named}{more}; give each a folder"
            f" of its own, or name one by a glob in quotes, as '{writable(left[0].label)}' there"
        )
    return left[0]


def _images_by_name(found: Sequence[NamedSeries]) -> list[int]:
    return [min(series.name_grade, 2) for series in found]


def _images_by_pixels(found: Sequence[NamedSeries]) -> list[int]:
    return [min(_pixel_grade(series), 1) for series in found]


def _long(found: Sequence[NamedSeries]) -> list[int]:
    longest = max(len(series.paths) for series in found)
    return [int(len(series.paths) > _MIN_LENGTH_RATIO * longest) for series in found]


def _colour_by_name(found: Sequence[NamedSeries]) -> list[int]:
    return [series.name_grade for series in found]


def _colour_by_pixels(found: Sequence[NamedSeries]) -> list[int]:
    return [_pixel_grade(series) for series in found]


def _large(found: Sequence[NamedSeries]) -> list[int]:
    return [0 if (pixels := _middle(series)) is None else pixels[..., 0].size for series in found]


# One after the other until one series is left: what is no image at all goes before short ones,
# and a taste for colour or size after.
_PREFERENCES = (
    _images_by_name,
    _images_by_pixels,
    _long,
    _colour_by_name,
    _colour_by_pixels,
    _large,
)


def _pixel_grade(series: NamedSeries) -> int:
    """2 for a colour image, 1 for a grey one, 0 for depth (16 bits, floats) or a label map."""
    pixels = _middle(series)
    if pixels is None:
        return 1
    channels = pixels.shape[2]
    if channels < 3 and pixels.dtype != np.uint8:
        return 0
    thinned = np.ascontiguousarray(pixels[::4, ::4].reshape(-1, channels))
    if len(np.unique(thinned, axis=0)) <= _MAX_LABELS:
        return 0
    return 2 if channels >= 3 else 1


def _middle(series: NamedSeries) -> Any:
    """The middle image as it is stored, [H, W, C]; None where it cannot be decoded."""
    pixels = decoded(series.paths[len(series.paths) // 2], cv2.IMREAD_UNCHANGED)
    return pixels[..., None] if pixels is not None and pixels.ndim == 2 else pixels
