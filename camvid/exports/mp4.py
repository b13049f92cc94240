"""H.264 in MP4, as players and trainers' readers take it."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from camvid.artifacts import U8
from camvid.errors import BackendUnavailable
from camvid.parallel import num_threads

_BT601, _BT709 = 6, 1  # in the code points of ITU-T H.273


def write_mp4(path: Path, frames: Iterable[U8], fps: float, crf: int) -> None:
    """Writes frames [H, W, 3] with even sides at a steady rate; a key frame every second.

    The matrix is BT.601 and says so: that is also what readers assume that do not look.

    Raises:
        BackendUnavailable: this build of PyAV has no libx264.
    """
    if "libx264" not in av.codecs_available:
        raise BackendUnavailable("MP4 needs PyAV with libx264", fix="pip install --upgrade av")
    rate = Fraction(fps).limit_denominator(1001)
    options = {"crf": str(crf), "preset": "medium", "g": str(max(1, round(fps)))}
    to_yuv = VideoReformatter()
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = None  # PyAV types add_stream as any kind of stream
        for rgb in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = "yuv420p"
                context = stream.codec_context
                context.thread_count = num_threads()
                context.colorspace, context.color_range = _BT601, ColorRange.MPEG
                context.color_primaries = context.color_trc = _BT709
            frame = to_yuv.reformat(
                av.VideoFrame.from_ndarray(rgb, format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
