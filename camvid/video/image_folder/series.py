"""Reads a folder of numbered images as a video: picks its series and yields the images."""

import fnmatch
import glob
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.image_folder.choice import choose
from camvid.video.image_folder.file_names import IMAGE_SUFFIXES, NamedSeries, is_image, series_in
from camvid.video.image_folder.pixels import rgb_of
from camvid.video.names import writable

log = logging.getLogger(__name__)

_STRAY_FRACTION = 0.1  # images of another size: some thumbnails are left out, a mix is an error
_NUM_SIZED = 5  # images by which the usual size is found


@dataclass(frozen=True, slots=True)
class ImageSeries:
    """The images of one video, in order, with their times."""

    paths: tuple[Path, ...]
    times_s: tuple[float, ...]  # from the first image
    fps: float
    left_out: tuple[str, ...]  # what else lies there, one phrase each


def is_image_source(path: str) -> bool:
    """Whether the local path is read as images: a folder, or a glob of images in one."""
    return os.path.isdir(path) or is_image_glob(path)


def is_image_glob(path: str) -> bool:
    """Whether this is a glob of images in one folder (`seq/left_*.png`), and no file."""
    name = os.path.basename(path)
    suffix = os.path.splitext(name)[1].lower()
    known = suffix in IMAGE_SUFFIXES or (suffix == ".*" and os.path.isdir(os.path.dirname(path)))
    return glob.has_magic(name) and known and not os.path.exists(path)


def images_at(path: str) -> list[Path]:
    """The images of a folder, or those that a glob names there, sorted."""
    folder, pattern = (path, "*") if os.path.isdir(path) else os.path.split(path)
    return sorted(
        Path(folder, name)
        for name in os.listdir(folder or ".")
        if is_image(name) and fnmatch.fnmatchcase(name.casefold(), pattern.casefold())
    )


def image_series(path: str, fps: float, name: str = "") -> ImageSeries:
    """The one series that a folder, or a glob in it, is taken for.

    Colour goes before grey, infrared, depth and masks, by name or by pixels; series of half the
    length or less are strays. VideoError where two series are left, or none.

    Args:
        fps: rate of images that are counted; where names hold times, these hold.
        name: what messages call the folder.
    """
    name = name or writable(path)
    try:
        found, lonely = series_in(images_at(path), fps)
    except OSError as error:
        raise VideoError(f"{name}: must be a folder that can be read, {error.strerror}") from error
    if not found:
        raise VideoError(
            f"{name}: must be a video with frames that can be decoded, found a folder without"
            " numbered images; replace the file or leave it out"
        )
    chosen = choose(found, name)
    rate = fps
    if chosen.has_clock and len(chosen.times_s) > 1:
        rate = 1 / float(np.median(np.diff(chosen.times_s)))
    return ImageSeries(chosen.paths, chosen.times_s, rate, _left_out(found, chosen, lonely))


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


def read_images(series: ImageSeries, name: str) -> Iterator[tuple[float, U8]]:
    """Time and RGB [H, W, 3] of every image, turned as its EXIF data says.

    One that cannot be decoded leaves a hole in time, with a warning, and so do a few of another
    size; VideoError where they are many.
    """
    damaged: list[str] = []
    strays: list[str] = []
    shape: tuple[int, ...] | None = None
    allowed = int(_STRAY_FRACTION * len(series.paths))
    for path, time_s in zip(series.paths, series.times_s, strict=True):
        rgb = rgb_of(path)
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
                f"{name}: all images must have one size, found {shape[1]}x{shape[0]} and"
                f" {strays[0]}; keep one video per folder"
            )
    for what, which in (("not decodable", damaged), ("of another size", strays)):
        if which:
            named = writable(", ".join(which[:3])) + (", ..." if len(which) > 3 else "")
            num, of = len(which), len(series.paths)
            log.warning("%s: %d of %d images left out, %s: %s", name, num, of, what, named)


def _usual_shape(paths: Sequence[Path]) -> tuple[int, ...] | None:
    """The size of most of a few images spread over the series."""
    spread = np.linspace(0, len(paths) - 1, min(_NUM_SIZED, len(paths))).round().astype(int)
    shapes = [rgb.shape for i in spread if (rgb := rgb_of(paths[i])) is not None]
    return Counter(shapes).most_common(1)[0][0] if shapes else None
