"""Real video files of generated scenes, and one that no decoder can read."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.stream import VideoStream

from camvid.artifacts import U8


def write_video(path: Path, rgb: U8, fps: float) -> None:
    """Encodes [T, H, W, 3] as H.264 near to lossless, or MPEG-4 where H.264 is not built in."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            _codec(), rate=Fraction(fps).limit_denominator(1001), options=_options()
        )
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = rgb.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes from the same images
        if stream.codec_context.name != "libx264":
            stream.bit_rate = 12_000_000
        for image in rgb:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_video(path: Path) -> U8:
    """Every frame [T, H, W, 3] of a short video."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.uint8, copy=False)


def write_broken_video(path: Path) -> None:
    """A file that begins like an mp4 and is noise: what a broken download looks like."""
    header = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42" + b"\x00\x10\x00\x00mdat"
    noise = np.random.default_rng(0).integers(0, 256, 20_000, np.uint8).tobytes()
    path.write_bytes(header + noise)


def _codec() -> str:
    try:
        av.Codec("libx264", "w")
    except UnknownCodecError:
        return "mpeg4"
    return "libx264"


def _options() -> dict[str, str]:
    # A fixed quantiser: with x264's crf the same images give other bytes on every run.
    return {"qp": "12", "preset": "veryfast"} if _codec() == "libx264" else {}
