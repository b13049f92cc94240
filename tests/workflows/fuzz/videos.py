"""Damaged videos, as `split` and the stages behind it meet them."""

import os
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from camvid.models.segmenters.saliency_motion import SaliencyMotionOptions
from camvid.stage import ClipRow, run_stage
from camvid.store import ClipStore
from camvid.video.source import Source
from stages.run_split import run_split
from stages.segment import SegmentConfig
from stages.split import SplitConfig
from stages.track import TrackConfig
from tests.workflows.fuzz.batch import Attempt
from tests.workflows.fuzz.mutants import mutant

_CONTAINERS = {  # suffix: codec, pixel format
    "mp4": ("libx264", "yuv420p"),
    "mov": ("mpeg4", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "ts": ("libx264", "yuv420p"),
    "avi": ("mjpeg", "yuvj420p"),
    "webm": ("libvpx", "yuv420p"),
    "mpg": ("mpeg2video", "yuv420p"),
    "gif": ("gif", "rgb8"),
}
SMALLEST_PX = (128, 128)  # that split takes
_SMALLEST_NUM = 24  # frames: two seconds at _FPS
_FPS = 12


def short_ones() -> Attempt:
    """Containers of every kind, through split; too short for a clip, if they are whole."""
    whole = {suffix: small_video(suffix, num_frames=8, size_px=(64, 48)) for suffix in _CONTAINERS}
    split = SplitConfig().build()

    def attempt(seed: int) -> str:
        suffix = list(whole)[seed % len(whole)]
        path = Path(f"{seed}.{suffix}")
        path.write_bytes(mutant(whole[suffix], seed))
        try:
            return _lines(list(run_split(split, ClipStore("run"), Source.of(str(path)))))
        finally:
            path.unlink()

    return attempt


def long_ones() -> Attempt:
    """Containers that hold clips, damage and all, through split, segment and track."""
    suffixes = ("mp4", "ts", "avi", "webm")
    whole = {suffix: small_video(suffix, _SMALLEST_NUM, SMALLEST_PX) for suffix in suffixes}
    split = SplitConfig().build()
    seldom = SaliencyMotionOptions(saliency_every_s=60.0)  # the network sees images, not files
    stages = [SegmentConfig(options=seldom).build(), TrackConfig().build()]
    store = ClipStore("run")

    def attempt(seed: int) -> str:
        suffix = suffixes[seed % len(suffixes)]
        path = Path(f"{seed}.{suffix}")
        path.write_bytes(_scratched(whole[suffix], seed))
        rows: list[ClipRow] = []
        for row in run_split(split, store, Source.of(str(path))):
            for stage in stages:
                row = run_stage(stage, store, row)
            rows.append(row)
        path.unlink()
        return _lines(rows)

    return attempt


def _lines(rows: list[ClipRow]) -> str:
    """What a user is told of a video; a traceback is one that `run_split` would print."""
    assert rows, "every video gives a row"
    for row in rows:
        assert not row.records[-1].traceback, row.records[-1].traceback
        assert (row.status == "failed") == bool(row.error), row
    return "; ".join(row.error for row in rows if row.error)


def _scratched(data: bytes, seed: int) -> bytes:
    """Damage within the images; headers and most frames survive."""
    random = np.random.default_rng(seed)
    scratched = bytearray(data)
    for at in random.integers(len(data) // 8, len(data) * 7 // 8, size=random.integers(1, 12)):
        scratched[at] = random.integers(256)
    return bytes(scratched)


def small_video(suffix: str, num_frames: int, size_px: tuple[int, int], seed: int = 0) -> bytes:
    """An encoded video, as a container of this kind holds it."""
    codec, pixels = _CONTAINERS[suffix]
    path = f"whole.{suffix}"
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=_FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size_px, pixels
        stream.codec_context.thread_count, stream.codec_context.gop_size = 1, 4
        for image in _images(num_frames, size_px, seed):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    data = Path(path).read_bytes()
    os.unlink(path)
    return data


def _images(num_frames: int, size_px: tuple[int, int], seed: int) -> Iterator[np.ndarray]:
    """A texture that slides to the left behind a square that goes to the right."""
    random = np.random.default_rng(seed)
    width, height = size_px
    coarse = random.integers(0, 255, (height // 4, width // 2, 3), np.uint8)
    ground = cv2.resize(coarse, (width * 2, height))
    square = random.integers(0, 255, (height // 4, height // 4, 3), np.uint8)
    for t in range(num_frames):
        image = np.ascontiguousarray(ground[:, 2 * t : 2 * t + width])
        image[height // 3 : height // 3 + height // 4, t : t + height // 4] = square
        yield image
