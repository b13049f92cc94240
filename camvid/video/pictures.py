"""Folders of numbered pictures as videos: the one series that is meant, and its pictures."""

import fnmatch
import functools
import glob
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError, InvalidDataError

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.names import writable
from camvid.video.picture_names import PICTURE_SUFFIXES, NamedSeries, is_picture, series_in

log = logging.getLogger(__name__)

_STRAY_FRACTION = 0.1  # pictures of another size: some thumbnails are left out, a mix is an error
_MIN_LENGTH_RATIO = 0.5  # a series of fewer pictures than this against the longest is a stray one
_MAX_LABELS = 16  # colours of a label map; a photograph of this world has thousands
_NUM_SIZED = 5  # pictures by which the usual size is found


@dataclass(frozen=True, slots=True)
class PictureSeries:
    """The pictures of one video, in order, with their times."""

    paths: tuple[Path, ...]
    times_s: tuple[float, ...]  # from the first picture
    fps: float
    left_out: tuple[str, ...]  # what else lies there, one phrase each


def is_picture_source(path: str) -> bool:
    """Whether the local path is read as pictures: a folder, or a glob of pictures in one."""
    return os.path.isdir(path) or is_picture_glob(path)


def is_picture_glob(path: str) -> bool:
    """Whether this is a glob of pictures in one folder (`seq/left_*.png`), and no file."""
    name = os.path.basename(path)
    suffix = os.path.splitext(name)[1].lower()
    known = suffix in PICTURE_SUFFIXES or (suffix == ".*" and os.path.isdir(os.path.dirname(path)))
    return glob.has_magic(name) and known and not os.path.exists(path)


def pictures_at(path: str) -> list[Path]:
    """The pictures of a folder, or those that a glob names there, sorted."""
    folder, pattern = (path, "*") if os.path.isdir(path) else os.path.split(path)
    return sorted(
        Path(folder, name)
        for name in os.listdir(folder or ".")
        if is_picture(name) and fnmatch.fnmatchcase(name.casefold(), pattern.casefold())
    )


def picture_series(path: str, fps: float, name: str = "") -> PictureSeries:
    """The one series that a folder, or a glob in it, is taken for.

    Colour goes before grey, infrared, depth and masks, by name or by pixels; series of half the
    length or less are strays. VideoError where two series are left, or none.

    Args:
        fps: rate of pictures that are counted; where names hold times, these hold.
        name: what messages call the folder.
    """
    name = name or writable(path)
    found, lonely = series_in(pictures_at(path), fps)
    if not found:
        raise VideoError(
            f"{name}: must be a video with pictures that can be decoded, found a folder without"
            " numbered pictures; replace the file or leave it out"
        )
    chosen = _choose(found, name)
    rate = fps
    if chosen.has_clock and len(chosen.times_s) > 1:
        rate = 1 / float(np.median(np.diff(chosen.times_s)))
    return PictureSeries(chosen.paths, chosen.times_s, rate, _left_out(found, chosen, lonely))


def _left_out(
    found: Sequence[NamedSeries], chosen: NamedSeries, lonely: Sequence[Path]
) -> tuple[str, ...]:
    said = [
        f"{len(series.paths)} of {writable(series.label)}"
        for series in found
        if series is not chosen
    ]
    if lonely:
        named = writable(", ".join(path.name for path in lonely[:3]))
        more = ", ..." if len(lonely) > 3 else ""
        said.append(f"{len(lonely)} without a number of their own ({named}{more})")
    return tuple(said)


def _choose(found: Sequence[NamedSeries], name: str) -> NamedSeries:
    longest = max(len(series.paths) for series in found)
    left = [series for series in found if len(series.paths) >= _STRAY_FRACTION * longest]
    for better in (_images_by_name, _images_by_pixels, _long, _colour_by_name, _colour_by_pixels):
        if len(left) > 1:
            grades = better(left)
            left = [s for s, grade in zip(left, grades, strict=True) if grade == max(grades)]
    if len(left) > 1:
        named = " and ".join(f"{writable(s.label)} ({len(s.paths)})" for s in left[:2])
        more = f" and {len(left) - 2} more" if len(left) > 2 else ""
        raise VideoError(
            f"{name}: must hold one series of pictures, found {named}{more}; give each a folder"
            f" of its own, or name one by a glob in quotes, as '{writable(left[0].label)}' there"
        )
    return left[0]


def _images_by_name(found: Sequence[NamedSeries]) -> list[int]:
    return [min(series.name_grade, 2) for series in found]


def _images_by_pixels(found: Sequence[NamedSeries]) -> list[int]:
    return [min(_pixel_grade(series.paths[len(series.paths) // 2]), 1) for series in found]


def _long(found: Sequence[NamedSeries]) -> list[int]:
    longest = max(len(series.paths) for series in found)
    return [int(len(series.paths) > _MIN_LENGTH_RATIO * longest) for series in found]


def _colour_by_name(found: Sequence[NamedSeries]) -> list[int]:
    return [series.name_grade for series in found]


def _colour_by_pixels(found: Sequence[NamedSeries]) -> list[int]:
    return [_pixel_grade(series.paths[len(series.paths) // 2]) for series in found]


def _pixel_grade(path: Path) -> int:
    """2 for a colour image, 1 for a grey one, 0 for depth (16 bits, floats) or a label map."""
    pixels = _decoded(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return 1
    coloured = pixels.ndim == 3 and pixels.shape[2] >= 3
    if not coloured and pixels.dtype != np.uint8:
        return 0
    thinned = np.ascontiguousarray(pixels[::4, ::4].reshape(-1, *pixels.shape[2:]))
    if len(np.unique(thinned, axis=0)) <= _MAX_LABELS:
        return 0
    return 2 if coloured else 1


# --- the pictures themselves ---


def read_pictures(series: PictureSeries, name: str) -> Iterator[tuple[float, U8]]:
    """Time and RGB [H, W, 3] of every picture, turned as its EXIF data says.

    One that cannot be decoded leaves a hole in time, with a warning, and so do a few of another
    size; VideoError where they are many.
    """
    damaged: list[str] = []
    strays: list[str] = []
    shape: tuple[int, ...] | None = None
    allowed = int(_STRAY_FRACTION * len(series.paths))
    for path, time_s in zip(series.paths, series.times_s, strict=True):
        rgb = _rgb(path)
        if rgb is None:
            damaged.append(path.name)
            continue
        shape = shape or _usual_shape(series.paths) or rgb.shape
        if rgb.shape == shape:
            yield time_s, rgb
            continue
        strays.append(f"{rgb.shape[1]}x{rgb.shape[0]} ({writable(path.name)})")
        if len(strays) > allowed:
            raise VideoError(
                f"{name}: all pictures must have one size, found {shape[1]}x{shape[0]} and"
                f" {strays[0]}; keep one video per folder"
            )
    for what, which in (("that cannot be decoded", damaged), ("of another size", strays)):
        if which:
            named = writable(", ".join(which[:3])) + (", ..." if len(which) > 3 else "")
            log.warning("%s: %d pictures %s left out: %s", name, len(which), what, named)


def _usual_shape(paths: Sequence[Path]) -> tuple[int, ...] | None:
    """The size of most of a few pictures spread over the series."""
    spread = np.linspace(0, len(paths) - 1, min(_NUM_SIZED, len(paths))).round().astype(int)
    shapes = [rgb.shape for i in spread if (rgb := _rgb(paths[i])) is not None]
    return Counter(shapes).most_common(1)[0][0] if shapes else None


def _rgb(path: Path) -> U8 | None:
    """The picture as it is displayed: EXIF turns it, alpha lies over black, 16 bits become 8."""
    stat = path.stat() if path.exists() else None
    if stat is None or _is_torn(str(path), stat.st_mtime_ns):
        return None
    bgr = _decoded(path, cv2.IMREAD_COLOR)
    if bgr is None:
        return None
    alpha = _alpha(path)
    if alpha is not None and alpha.shape == bgr.shape[:2]:
        bgr = np.asarray(bgr * alpha[..., None] + 0.5, np.uint8)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _decoded(path: Path, flags: int) -> Any:
    try:
        data = np.fromfile(path, np.uint8)
        return cv2.imdecode(data, flags) if len(data) else None
    except (OSError, cv2.error):
        return None


def _alpha(path: Path) -> Any:
    """Opacity 0 to 1, [H, W], of a PNG that has it (colour types 4 and 6)."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[:8] != b"\x89PNG\r\n\x1a\n" or head[25:26] not in (b"\x04", b"\x06"):
        return None
    pixels = _decoded(path, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] not in (2, 4):
        return None
    return pixels[..., -1].astype(np.float32) / np.iinfo(pixels.dtype).max


@functools.lru_cache(maxsize=1 << 16)
def _is_torn(path: str, _mtime_ns: int) -> bool:
    """Whether a JPEG is damaged inside: OpenCV would hand out its smear as a picture.

    FFmpeg notices 9 in 10 of JPEGs with 400 bytes lost or overwritten, and takes no whole one
    (progressive, grey, CMYK, restart markers, trailing data) for damaged.
    """
    data = Path(path).read_bytes()
    if data[:2] != b"\xff\xd8":
        return False
    codec: Any = av.CodecContext.create("mjpeg", "r")
    codec.options = {"err_detect": "explode"}
    codec.thread_count = 1
    try:
        codec.decode(av.Packet(data))
    except InvalidDataError:
        return True
    except FFmpegError:  # a kind of JPEG that FFmpeg does not know
        return False
    return False
