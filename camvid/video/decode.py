"""Decoding: every picture as it is meant to be seen, with its exact presentation time."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import fsspec  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.names import is_remote, local_path, writable
from camvid.video.pictures import PictureSeries, is_picture_source, picture_series, read_pictures

log = logging.getLogger(__name__)

PICTURE_FPS = 24.0
_FRAME_GAP_SLACK = 0.98  # timestamps are rounded to the container's clock
_IGNORED_STRETCH = 0.01  # encoders round the pixel aspect; resampling for that only blurs


Picture = Callable[[], U8]  # converted to RGB only when it is wanted


class SourceFrame(NamedTuple):
    """One decoded picture of a source video, turned and stretched as it is displayed."""

    source_frame_index: int
    timestamp_s: float  # on the player's clock
    rgb: U8  # [H, W, 3]


def read_frames(
    uri: str,
    *,
    start_s: float = 0.0,
    max_fps: float = np.inf,
    max_side_px: int | None = None,
    picture_fps: float = PICTURE_FPS,
    name: str = "",
) -> Iterator[SourceFrame]:
    """The frames of a video, or of a folder of numbered pictures, in display order.

    Damaged parts are left out with a warning; VideoError if nothing can be decoded.
    `max_fps` leaves out frames that follow too closely and never doubles one; indices count all.
    With `start_s` above 0 a file is entered at the key frame before it and indices count from
    there. `max_side_px` scales down quickly: for looking, not for keeping.
    `name` is what messages call the video, where `uri` is a temporary copy.
    """
    name = name or writable(uri)
    with local_copy(uri) as local:
        if is_picture_source(local):
            frames = _read_pictures(picture_series(local, picture_fps, name), name, max_side_px)
        else:
            frames = _read_file(local, name, start_s, max_side_px)
        index, last_s, last_taken_s = 0, -np.inf, -np.inf
        for timestamp_s, picture in frames:
            if timestamp_s <= last_s:  # a frame that is never on the screen is no frame
                continue
            if timestamp_s - last_taken_s >= _FRAME_GAP_SLACK / max_fps:
                yield SourceFrame(index, timestamp_s, picture())
                last_taken_s = timestamp_s
            index, last_s = index + 1, timestamp_s
        if not index and start_s <= 0:
            raise unusable(name, "not one frame that can be decoded")


@contextmanager
def local_copy(uri: str) -> Generator[str]:
    """A local absolute path of the video: its own, or a temporary copy of a remote file."""
    if not is_remote(uri):
        path = local_path(uri)
        if Path(path).is_fifo():  # opening it would wait for a writer
            raise unusable(uri, "a pipe")
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="camvid-") as folder:
        path = Path(folder, "video" + Path(uri.split("?")[0]).suffix)
        try:
            opener: Any = fsspec  # untyped
            with opener.open(uri, "rb") as remote, path.open("wb") as local:
                shutil.copyfileobj(remote, local, 1 << 20)
        except (OSError, ImportError, ValueError) as error:
            raise unusable(uri, f"an address that cannot be read ({one_line(error)})") from error
        yield str(path)


def unusable(uri: str, found: str) -> VideoError:
    """The one line for a source that cannot be used."""
    return VideoError(
        f"{uri}: must be a video with pictures that can be decoded, found {found};"
        " replace the file or leave it out"
    )


def one_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


# --- files, through FFmpeg ---


def open_video(local: str, uri: str) -> tuple[InputContainer, VideoStream]:
    """The open container and its video stream, or one line on why there is none."""
    path = Path(local)
    if not path.exists():
        raise unusable(uri, "nothing at that path")
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise unusable(uri, "an empty file (0 bytes)")
        container = av.open(local)
    except PermissionError as error:
        raise unusable(uri, "a file that may not be read") from error
    except (FFmpegError, OSError, ValueError) as error:
        size = path.stat().st_size
        raise unusable(
            uri, f"{size} bytes that are no video, or a truncated one ({one_line(error)})"
        ) from error
    stream = next((s for s in container.streams.video if not _is_cover(s)), None)
    if stream is None:
        kinds = sorted({stream.type for stream in container.streams})
        container.close()
        raise unusable(uri, f"no video stream, only {', '.join(kinds) or 'an empty container'}")
    codec: Any = stream.codec_context
    if codec is None:
        container.close()
        raise unusable(uri, "a codec that cannot be decoded here")
    # FFmpeg's frame threads race when they patch over damage: the same file would give other
    # pictures on the next run. Videos side by side, one thread each, keep the cores as busy.
    codec.thread_count = 1
    return container, stream


def _is_cover(stream: VideoStream) -> bool:
    """The cover of a music file is stored as a video stream of one picture."""
    return bool(stream.disposition & Disposition.attached_pic)


def read_packets(
    container: InputContainer, stream: VideoStream, uri: str
) -> Iterator["Packet[VideoStream]"]:
    """The stream's packets up to its end, or to where the file breaks off."""
    try:
        yield from container.demux(stream)
    except FFmpegError as error:
        log.warning("%s: damaged, read up to there: %s", uri, one_line(error))


def start_of(container: InputContainer) -> float:
    """Seconds on the container's clock at which a player shows 0 s."""
    return (container.start_time or 0) / av.time_base


def _read_file(
    local: str, uri: str, start_s: float, max_side_px: int | None
) -> Iterator[tuple[float, Picture]]:
    container, stream = open_video(local, uri)
    with container:
        origin_s = start_of(container)
        aspect = float(stream.sample_aspect_ratio or 1)
        rate = float(stream.average_rate or PICTURE_FPS)
        if start_s > 0:
            container.seek(int((start_s + origin_s) * av.time_base), backward=True)
        last_s = -1 / rate
        for frame in _decode(container, stream, uri):
            last_s = last_s + 1 / rate if frame.pts is None else frame.time - origin_s
            yield last_s, partial(_displayed, frame, aspect, max_side_px)


def _decode(container: InputContainer, stream: VideoStream, uri: str) -> Iterator[VideoFrame]:
    num_damaged = 0
    for packet in read_packets(container, stream, uri):
        try:
            frames = packet.decode()
        except FFmpegError:
            num_damaged += 1
            continue
        for frame in frames:
            if not frame.is_corrupt:
                yield frame
    if num_damaged:
        log.warning("%s: %d damaged packets left out", uri, num_damaged)


# --- folders of pictures ---


def _read_pictures(
    series: PictureSeries, uri: str, max_side_px: int | None
) -> Iterator[tuple[float, Picture]]:
    for time_s, rgb in read_pictures(series, uri):
        yield time_s, partial(_scaled, rgb, max_side_px)


# --- how a picture is displayed ---


def _displayed(frame: VideoFrame, aspect: float, max_side_px: int | None) -> U8:
    stretched = frame.width if abs(aspect - 1) < _IGNORED_STRETCH else round(frame.width * aspect)
    width, height = fit(stretched, frame.height, max_side_px)
    rgb: Any = (
        VideoReformatter()
        .reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
        .to_ndarray()
    )
    return np.ascontiguousarray(_turned(rgb, frame))


def _scaled(rgb: Any, max_side_px: int | None) -> U8:
    height, width = rgb.shape[:2]
    size = fit(width, height, max_side_px)
    if size == (width, height):
        return rgb
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def fit(width_px: int, height_px: int, max_side_px: int | None) -> tuple[int, int]:
    """Width and height scaled down, never up, until the longer side fits."""
    scale = min(1.0, max_side_px / max(width_px, height_px)) if max_side_px else 1.0
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _turned(rgb: U8, frame: VideoFrame) -> U8:
    """Applies the display matrix: quarter turns and mirrors (x' = a x + c y, y' = b x + d y)."""
    side_data: Any = frame.side_data
    matrix = next((d for d in side_data if d.type is SideDataType.DISPLAYMATRIX), None)
    if matrix is None:
        return rgb
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        rgb, a, d = rgb.transpose(1, 0, 2), c, b
    return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
