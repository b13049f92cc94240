"""Images and animations as bytes; the same images give the same bytes."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from camvid.artifacts import U8


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    container: str
    suffix: str
    pix_fmt: str
    options: tuple[tuple[str, str], ...]


# Same images, same bytes: one thread, because how x264 cuts its work depends on the thread count;
# no macroblock tree, because on small images it was seen to depend on what lay in memory.
_CODECS = (
    _Codec(
        "libx264",
        "mp4",
        "mp4",
        "yuv420p",
        (
            ("preset", "superfast"),
            ("crf", "26"),
            ("threads", "1"),
            ("x264-params", "mbtree=0"),
            ("movflags", "+faststart"),
        ),
    ),
    _Codec("libwebp_anim", "webp", "webp", "yuv420p", (("quality", "70"), ("loop", "0"))),
)


def animation_suffix() -> str:
    """`mp4` where this build of FFmpeg has H.264, else `webp`; both play without a plug-in."""
    return _codec().suffix


def encode_animation(frames: Iterable[U8], fps: float) -> bytes:
    """Encodes [h, w, 3] RGB frames with even sides at a steady rate."""
    codec = _codec()
    buffer = io.BytesIO()
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(buffer, "w", format=codec.container) as container:
        stream: Any = None  # PyAV types add_stream as any kind of stream
        for rgb in frames:
            if stream is None:
                stream = container.add_stream(codec.name, rate=rate, options=dict(codec.options))
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = codec.pix_fmt
                stream.thread_count = 1
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode(None))
    return buffer.getvalue()


def encode_jpeg(rgb: U8, quality: int = 82) -> bytes:
    """One image as JPEG."""
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise ValueError(f"a {rgb.shape} image could not be written as JPEG")
    return data.tobytes()


def _codec() -> _Codec:
    return next((c for c in _CODECS if c.name in av.codecs_available), _CODECS[-1])
