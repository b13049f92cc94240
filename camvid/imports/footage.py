"""Views of posed sources as images, and their cameras, with the lens's distortion taken out."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8
from camvid.errors import VideoError
from camvid.imports.posed import PosedVideo, unreadable
from camvid.video.decode import SourceFrame, read_frames
from camvid.video.image_folder.pixels import decoded
from camvid.video.probe import probe

_OFF_CENTER = 0.001  # of the width: a principal point further off is cropped to the middle
_ASPECT = 0.001  # of focal lengths: pixels that are less square are made so
_SHRINK = 0.98


class Rectified(NamedTuple):
    """One pinhole with square pixels, behind the middle of its image."""

    K: F64  # [T, 3, 3]
    size_px: tuple[int, int]
    maps: tuple[tuple[F32, F32], ...] | None  # one, or [T], for cv2.remap; None: as it is


def frames_of(posed: PosedVideo) -> Iterator[SourceFrame]:
    """The T views in order, as they are stored; `source_frame_index` numbers the footage."""
    first, *more = posed.footage
    if more or _is_image(first):
        for index, (path, time_s) in enumerate(zip(posed.footage, posed.times_s, strict=True)):
            bgr = decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if bgr is None:
                raise unreadable(posed.source, "images that can be decoded", f"{path} damaged")
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            yield SourceFrame(index, float(time_s), rgb)
        return
    yield from _of_video(posed)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def _of_video(posed: PosedVideo) -> Iterator[SourceFrame]:
    """The frames that were posed, by their numbers or, where these are all, in turn; else by time.

    Of a longer video each camera takes the frame that is nearest in time, within half a frame.
    """
    path, num = str(posed.footage[0]), len(posed.times_s)
    video = probe(path)
    frames = read_frames(path)
    wanted = posed.frame_index
    if wanted is None and video.num_frames == num:
        wanted = np.arange(num, dtype=np.int32)
    taken = 0
    for frame in frames:
        if taken == num:
            break
        if wanted is not None:
            here = frame.source_frame_index == wanted[taken]
        else:
            here = frame.timestamp_s > posed.times_s[taken] - 0.5 / video.fps
        if here:
            taken += 1
            yield frame
    if taken < num:
        raise unreadable(
            posed.source, f"cameras of frames that {path} has", f"{num - taken} of {num} beyond it"
        )


def rectified(posed: PosedVideo, size_px: tuple[int, int]) -> Rectified:
    """How images of this size become a pinhole's: undistorted, cropped, their pixels square."""
    width, height = size_px
    scale = np.ones(2) if posed.size_px is None else np.array(size_px) / posed.size_px
    K = np.diag([*scale, 1.0]) @ posed.K
    off = np.abs(K[:, :2, 2] - np.array(size_px) / 2).max()
    skew = np.abs(K[:, 0, 0] / K[:, 1, 1] - 1).max()
    if off <= _OFF_CENTER * width and skew <= _ASPECT and not posed.distortion.any():
        return Rectified(K, size_px, None)
    room = np.minimum(K[:, :2, 2], np.array(size_px) - K[:, :2, 2]).min(axis=0)
    if room.min() < min(size_px) / 4:
        raise unreadable(posed.source, "a principal point well inside the image", f"{room} px")
    same = bool((K == K[0]).all())
    half = room
    while True:
        size = (2 * int(half[0]), 2 * int(half[1]))
        ideal = _ideal(K, size)
        maps = _maps(K[:1] if same else K, ideal, posed.distortion, size)
        if all(_inside(m, width, height) for m in maps):
            return Rectified(ideal, size, maps)
        half = half * _SHRINK
        if half.min() < 16:
            raise unreadable(posed.source, "a lens that can be undistorted", f"{posed.distortion}")


def _ideal(K: F64, size: tuple[int, int]) -> F64:
    ideal = K.copy()
    ideal[:, 1, 1] = ideal[:, 0, 0]
    ideal[:, 0, 2], ideal[:, 1, 2] = size[0] / 2, size[1] / 2
    return ideal


def _maps(
    K: F64, ideal: F64, distortion: F64, size: tuple[int, int]
) -> tuple[tuple[F32, F32], ...]:
    """For each K the places [H, W] that the rectified pixels come from, centres counted from 0."""
    shift = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    found = [
        cv2.initUndistortRectifyMap(
            k - shift, distortion, np.eye(3), to - shift, size, cv2.CV_32FC1
        )
        for k, to in zip(K, ideal, strict=False)
    ]
    return tuple((np.asarray(x, np.float32), np.asarray(y, np.float32)) for x, y in found)


def _inside(maps: tuple[F32, F32], width: int, height: int) -> bool:
    x, y = maps
    return bool(
        x.min() >= -0.5 and y.min() >= -0.5 and x.max() <= width - 0.5 and y.max() <= height - 0.5
    )


def rectify(rgb: U8, view: int, how: Rectified) -> U8:
    """One image as the pinhole sees it."""
    if how.maps is None:
        return rgb
    x, y = how.maps[min(view, len(how.maps) - 1)]
    seen = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def check_size(frame: SourceFrame, size_px: tuple[int, int], source: Path) -> None:
    """VideoError where a view is of another size than the first."""
    height, width = frame.rgb.shape[:2]
    if (width, height) != size_px:
        raise VideoError(f"{source}: must have views of one size, found {size_px}, {width, height}")
