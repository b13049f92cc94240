"""Many short videos of differing kinds, cut from those in a folder: some of them bad."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.decode import read_frames
from camvid.video.find import find_videos

Random = np.random.Generator
_ENCODINGS = (  # suffix, codec, pixel format
    ("mp4", "libx264", "yuv420p"),
    ("mkv", "libx264", "yuv444p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("ts", "mpeg2video", "yuv420p"),
    ("mov", "mjpeg", "yuvj420p"),
)
_BAD_SHARE = 0.1
_MAX_START = 120  # frames
_NUM_FRAMES = (40, 72)
_SPEEDS = (0.5, 1.0, 1.0, 2.0)
_MPEG2_FPS = 25  # knows a few rates alone


def write_videos(data: str, folder: Path, num_clips: int, width_px: int) -> list[str]:
    """`num_clips` videos; the same for the same data, whoever makes them.

    Args:
        width_px: of the images; their height follows from the crop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = find_videos([data])
    made: list[str] = []
    for number, rgb in enumerate(islice(_pieces(sources, width_px), num_clips)):
        random = np.random.default_rng([1, number])
        path = _encode(folder / f"{number:04d}", rgb, random)
        if random.random() < _BAD_SHARE:
            path.write_bytes(_BAD[random.integers(len(_BAD))](path.read_bytes(), random))
        made.append(str(path))
    return made


def _pieces(sources: list[str], width_px: int) -> Iterator[U8]:
    """Stretches of the videos, from random places of random ones; [T, H, W, 3]."""
    random = np.random.default_rng(0)
    while True:
        source = sources[random.integers(len(sources))]
        start, count = random.integers(_MAX_START), random.integers(*_NUM_FRAMES)
        try:
            frames = [f.rgb for f in islice(read_frames(source), start, start + count)]
        except VideoError:
            sources = [name for name in sources if name != source]
            continue
        if len({frame.shape for frame in frames}) == 1:
            yield np.stack([_cropped(frame, start, width_px) for frame in frames])


def _cropped(frame: U8, seed: int, width_px: int) -> U8:
    """Another part of the image for each piece, at three quarters of its size or more."""
    random = np.random.default_rng(seed)
    height, width = frame.shape[:2]
    share = random.uniform(0.75, 1.0)
    high, wide = int(height * share), int(width * share)
    y, x = random.integers(height - high + 1), random.integers(width - wide + 1)
    size = (width_px, round(width_px * high / wide / 2) * 2)
    part = frame[y : y + high, x : x + wide]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encode(stem: Path, rgb: U8, random: Random) -> Path:
    suffix, codec, pixels = _ENCODINGS[random.integers(len(_ENCODINGS))]
    fps = Fraction(24 * random.choice(_SPEEDS)).limit_denominator(1001)
    path = stem.with_suffix(f".{suffix}")
    # Without "bitexact" Matroska files carry a random name of their own.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=_MPEG2_FPS if codec == "mpeg2video" else fps)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = rgb.shape[1:3]
        stream.pix_fmt, stream.bit_rate = pixels, 4_000_000
        stream.codec_context.thread_count = 1
        if codec == "libx264":  # whose control of the bit rate is another in every run
            stream.options = {"qp": "20"}
        for image in rgb:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


def _noise(data: bytes, random: Random) -> bytes:
    return random.bytes(len(data) // 4)


def _cut_off(data: bytes, random: Random) -> bytes:
    return data[: random.integers(len(data))]


def _scratched(data: bytes, random: Random) -> bytes:
    scratched = np.frombuffer(data, np.uint8).copy()
    scratched[random.integers(len(data), size=len(data) // 500)] ^= 0xFF
    return scratched.tobytes()


def _empty(data: bytes, random: Random) -> bytes:
    del data, random
    return b""


_BAD: tuple[Callable[[bytes, Random], bytes], ...] = (_noise, _cut_off, _scratched, _empty)
