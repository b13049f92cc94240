"""Video files opened through FFmpeg: which stream is the video, and its packets."""

import logging
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import av
import fsspec  # pyright: ignore[reportMissingTypeStubs]
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from camvid.errors import VideoError
from camvid.video.addresses import check_address
from camvid.video.names import is_remote, local_path
from camvid.video.timing import FrameClock, frame_duration

log = logging.getLogger(__name__)

DEFAULT_FPS = 24.0
_LISTS_OF_FILES = frozenset(
    {"concat", "hls", "applehttp", "dash", "imf", "sdp", "rtsp", "rtp", "sap", "lavfi"}
)
_PREVIEW_SHARE = 0.25  # of the pixels of the largest stream


@contextmanager
def local_copy(uri: str) -> Generator[str]:
    """A local absolute path of the video: its own, or a temporary copy of a remote file."""
    if not is_remote(uri):
        path = local_path(uri)
        if Path(path).is_fifo():  # opening it would wait for a writer
            raise unusable(uri, "a pipe")
        yield path
        return
    check_address(uri)
    with tempfile.TemporaryDirectory(prefix="camvid-") as folder:
        path = Path(folder, "video" + Path(uri.split("?")[0]).suffix)
        try:
            opener: Any = fsspec  # untyped
            with opener.open(uri, "rb") as remote, path.open("wb") as local:
                shutil.copyfileobj(remote, local, 1 << 20)
        except Exception as error:  # each filesystem raises types of its own
            raise unusable(uri, f"an address that cannot be read ({one_line(error)})") from error
        yield str(path)


def unusable(uri: str, found: str) -> VideoError:
    """The one line for a source that cannot be used."""
    return VideoError(
        f"{uri}: must be a video with frames that can be decoded, found {found};"
        " replace the file or leave it out"
    )


def one_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


def open_video(local: str, uri: str) -> tuple[InputContainer, VideoStream]:
    """The open container and its video stream, or one line on why there is none."""
    path = Path(local)
    if not path.exists():
        raise unusable(uri, "nothing at that path")
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise unusable(uri, "an empty file (0 bytes)")
        container = av.open(local, options={"format_whitelist": _formats()})
    except PermissionError as error:
        raise unusable(uri, "a file that may not be read") from error
    except (FFmpegError, OSError, ValueError) as error:
        size = path.stat().st_size
        raise unusable(
            uri, f"{size} bytes that are no video, or a truncated one ({one_line(error)})"
        ) from error
    stream = _main_stream(container)
    if stream is None:
        kinds = sorted({stream.type for stream in container.streams})
        container.close()
        raise unusable(uri, f"no video stream, only {', '.join(kinds) or 'an empty container'}")
    codec: Any = stream.codec_context
    if codec is None:
        container.close()
        raise unusable(uri, "a codec that cannot be decoded here")
    # FFmpeg's frame threads race when they patch over damage: the same file would give other
    # frames on the next run. Videos side by side, one thread each, keep the cores as busy.
    codec.thread_count = 1
    return container, stream


@cache
def _formats() -> str:
    """FFmpeg's formats, but not those that are lists of other files: it would open any."""
    return ",".join(sorted(av.formats_available - _LISTS_OF_FILES))


def _main_stream(container: InputContainer) -> VideoStream | None:
    """The main one: the default stream, but no preview of a larger one, and never cover art."""
    streams = [s for s in container.streams.video if not _is_cover(s)]
    largest = max(streams, key=_num_pixels, default=None)
    default = [s for s in streams if s.disposition & Disposition.default]
    chosen = max(default, key=_num_pixels, default=largest)
    if chosen and largest and _num_pixels(chosen) < _PREVIEW_SHARE * _num_pixels(largest):
        return largest  # some containers mark the first stream as the default, whatever it is
    return chosen


def _num_pixels(stream: VideoStream) -> int:
    codec: Any = stream.codec_context
    return codec.width * codec.height if codec else 0


def _is_cover(stream: VideoStream) -> bool:
    """The cover of a music file is stored as a video stream of one image."""
    return bool(stream.disposition & Disposition.attached_pic)


def read_packets(
    container: InputContainer, stream: VideoStream, uri: str
) -> Iterator["Packet[VideoStream]"]:
    """The stream's packets up to its end, or to where the file breaks off."""
    try:
        yield from container.demux(stream)
    except FFmpegError as error:
        log.warning("%s: damaged, read up to there: %s", uri, one_line(error))
    except IndexError:
        return  # PyAV, after the last packet, where damage looked like the start of more streams


def start_of(container: InputContainer) -> float:
    """Seconds on the container's clock at which a player shows 0 s."""
    return (container.start_time or 0) / av.time_base


def clock_of(stream: VideoStream, head: "list[Packet[VideoStream]]") -> tuple[FrameClock, float]:
    """The clock of the stream's frames, and the usual seconds between two, by its first packets."""
    full = [packet for packet in head if packet.size]
    stated = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
    codec: Any = stream.codec_context
    frame_s = frame_duration(full, stream.time_base, stated)
    return FrameClock(full, reorders=codec.has_b_frames, frame_s=frame_s), frame_s
