"""Reads one image file as it is displayed, or finds that it is damaged."""

import functools
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError, InvalidDataError

from camvid.artifacts import U8


def rgb_of(path: Path) -> U8 | None:
    """The image as it is displayed, [H, W, 3]; None where it is damaged.

    EXIF turns it, transparent pixels lie over black, 16 bits become 8.
    """
    try:
        if _is_torn(str(path), path.stat().st_mtime_ns):
            return None
        bgr = decoded(path, cv2.IMREAD_COLOR)
        if bgr is None or bgr.dtype != np.uint8:  # floats are no image
            return None
        alpha = _alpha(path)
    except OSError:
        return None
    if alpha is not None and alpha.shape == bgr.shape[:2]:
        bgr = np.asarray(bgr * alpha[..., None] + 0.5, np.uint8)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def decoded(path: Path, flags: int) -> Any:
    """What OpenCV makes of the file under these flags; None where it makes nothing."""
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
    pixels = decoded(path, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] not in (2, 4):
        return None
    return pixels[..., -1].astype(np.float32) / np.iinfo(pixels.dtype).max


@functools.lru_cache(maxsize=1 << 16)
def _is_torn(path: str, _mtime_ns: int) -> bool:
    """Whether a JPEG is damaged inside: OpenCV would hand out its smear as an image.

    FFmpeg notices some 8 in 10 of JPEGs with 400 bytes lost or overwritten, and takes no whole one
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
