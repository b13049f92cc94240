"""Decodes videos and folders of images into RGB frames as displayed, with their times."""

import itertools
import logging
import shutil
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import fsspec  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.addresses import check_address
from camvid.video.colour import HDR_NAMES, Rgb
from camvid.video.damage import Damage, marked_corrupt
from camvid.video.deinterlace import Placed, deinterlace
from camvid.video.display import Turn, display_matrix, turned, usable_aspect
from camvid.video.image_folder.series import ImageSeries, image_series, is_image_source, read_images
from camvid.video.names import is_remote, local_path, writable
from camvid.video.repeats import Repeats, sample_of, sample_of_rgb
from camvid.video.timing import AtTimes, FrameClock, Pacer, Timeline, frame_duration

log = logging.getLogger(__name__)

DEFAULT_FPS = 24.0
_HEAD_PACKETS = 64  # looked at before decoding: two seconds tell a rate and the order of times
_LISTS_OF_FILES = frozenset(
    {"concat", "hls", "applehttp", "dash", "imf", "sdp", "rtsp", "rtp", "sap", "lavfi"}
)
_PREVIEW_SHARE = 0.25  # of the pixels of the largest stream


LazyRgb = Callable[[], U8]  # converted to RGB only when it is wanted


class SourceFrame(NamedTuple):
    """One decoded frame of a source video, turned and stretched as it is displayed."""

    source_frame_index: int
    timestamp_s: float  # on the player's clock
    rgb: U8  # [H, W, 3]
    stretch: int = 0  # unbroken stretches, counted; frames of two do not belong together
    num_lost: int = 0  # frames of the stretch lost to damage since the one before
    processing: tuple[str, ...] = ()  # what was done beyond decoding, in words


class _Shown(NamedTuple):
    """A frame of the source before it is known whether it is wanted."""

    timestamp_s: float
    stretch: int
    num_lost: int
    rgb: LazyRgb
    sample: U8  # of the image, to know it again by
    processing: tuple[str, ...] = ()


def read_frames(
    uri: str,
    *,
    start_s: float = 0.0,
    max_fps: float = np.inf,
    max_side_px: int | None = None,
    image_fps: float = DEFAULT_FPS,
    times_s: Collection[float] = (),
    name: str = "",
) -> Iterator[SourceFrame]:
    """The frames of a video, or of a folder of numbered images, in display order.

    Damaged parts are left out with a warning; VideoError if nothing can be decoded. Where that
    leaves a hole, where the container's clock jumps or restarts, and where the size changes, a new
    `stretch` begins; times rise all the same. HDR is mapped to SDR, interlaced frames are made
    whole, frames that repeat the one before are left out, and a frame says so.
    `max_fps` leaves out frames that follow too closely, evenly, and never doubles one; indices
    count all. With `start_s` above 0 a file is entered at the key frame before it and indices
    count from there. `max_side_px` scales down quickly: for looking, not for keeping.
    `times_s` takes the frames at just these times, as an earlier reading gave them, and no others.
    `name` is what messages call the video, where `uri` is a temporary copy.
    """
    name = name or writable(uri)
    with local_copy(uri) as local:
        if is_image_source(local):
            series = image_series(local, image_fps, name)
            shown = _read_images(series, name, max_side_px)
            frames = _paced(shown, max_fps, 1 / series.fps, times_s)
        else:
            frames = _read_file(local, name, start_s, max_side_px, max_fps, times_s)
        first = next(frames, None)
        if first is None and start_s <= 0:
            raise unusable(name, "not one frame that can be decoded")
        if first is not None:
            yield first
            del first  # held no longer than the caller wants it
            yield from frames


def _paced(
    shown: Iterable[_Shown], max_fps: float, frame_s: float, times_s: Collection[float]
) -> Iterator[SourceFrame]:
    """The frames that the working rate keeps, each image once, or those at given times, in RGB."""
    pacer, repeats = AtTimes(times_s) if times_s else Pacer(max_fps, frame_s), Repeats()
    num_lost, stretch, notes = 0, -1, ()
    for index, frame in enumerate(shown):
        if frame.stretch != stretch:  # what the hole swallowed belongs to neither side
            num_lost, stretch, repeats = 0, frame.stretch, Repeats()
        else:
            num_lost += frame.num_lost
        if not times_s and repeats.again(frame.sample):
            notes = ("repeated frames left out",)
        elif pacer.takes(frame.timestamp_s, stretch):
            lost, num_lost = num_lost, 0
            at, done = frame.timestamp_s, frame.processing + notes
            yield SourceFrame(index, at, frame.rgb(), stretch, lost, done)


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


# --- files, through FFmpeg ---


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


def _read_file(
    local: str,
    uri: str,
    start_s: float,
    max_side_px: int | None,
    max_fps: float,
    times_s: Collection[float],
) -> Iterator[SourceFrame]:
    container, stream = open_video(local, uri)
    with container:
        packets = read_packets(container, stream, uri)
        head = list(itertools.islice(packets, _HEAD_PACKETS))
        clock, frame_s = clock_of(stream, head)
        if start_s > 0 and clock.seekable and _seek(container, start_s):
            packets = read_packets(container, stream, uri)
        else:
            packets = itertools.chain(head, packets)
        codec: Any = stream.codec_context
        placed = _place(packets, clock, frame_s, start_of(container), uri)
        placed = deinterlace(placed, codec.field_order)
        shown = _shown(placed, float(stream.sample_aspect_ratio or 1), max_side_px)
        yield from _paced(shown, max_fps, frame_s, times_s)


def _seek(container: InputContainer, start_s: float) -> bool:
    """Goes to the key frame before `start_s`; False, and nowhere, where the format cannot."""
    try:
        offset = int((start_s + start_of(container)) * av.time_base)
        container.seek(offset, backward=True)
    except FFmpegError:
        return False
    return True


def clock_of(stream: VideoStream, head: "list[Packet[VideoStream]]") -> tuple[FrameClock, float]:
    """The clock of the stream's frames, and the usual seconds between two, by its first packets."""
    full = [packet for packet in head if packet.size]
    stated = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
    codec: Any = stream.codec_context
    frame_s = frame_duration(full, stream.time_base, stated)
    return FrameClock(full, reorders=codec.has_b_frames, frame_s=frame_s), frame_s


def _place(
    packets: "Iterable[Packet[VideoStream]]",
    clock: FrameClock,
    frame_s: float,
    origin_s: float,
    uri: str,
) -> Iterator[Placed]:
    """The frames that decode whole, in display order, on one clock that rises."""
    timeline, damage = Timeline(frame_s), Damage()
    num_lost = num_damaged = num_unseen = 0
    corrupt_pts: set[int] = set()
    turn: Turn = (1, 0, 0, 1)
    rotation: int | None = None
    for packet, is_corrupt in marked_corrupt(packets):
        clock.feed(packet)
        if is_corrupt:
            damage.lose(packet)
            if packet.pts is not None:
                corrupt_pts.add(packet.pts)
        try:
            frames = packet.decode()
        except FFmpegError:
            clock.fail(packet)
            damage.lose(packet)
            num_lost, num_damaged = num_lost + 1, num_damaged + 1
            continue
        for frame in frames:
            if damage.hides(frame, corrupt_packet=frame.pts in corrupt_pts):
                clock.skip(frame.duration, frame.time_base)
                num_lost, num_damaged = num_lost + 1, num_damaged + 1
                continue
            if frame.rotation != rotation:
                turn, rotation = display_matrix(frame), frame.rotation
            time_s, restarts = clock.time_of(frame.pts, frame.duration, frame.time_base)
            on_clock_s = timeline.place(time_s - origin_s, (frame.width, frame.height), restarts)
            if on_clock_s is None:
                num_lost, num_unseen = num_lost + 1, num_unseen + 1
                continue
            yield Placed(frame, on_clock_s, timeline.stretch, num_lost, turn)
            num_lost = 0
    if num_damaged or num_unseen:
        log.warning(
            "%s: %d damaged frames and %d at the time of another left out, %d breaks",
            uri,
            num_damaged,
            num_unseen,
            timeline.stretch,
        )


# --- folders of images ---


def _read_images(series: ImageSeries, uri: str, max_side_px: int | None) -> Iterator[_Shown]:
    timeline = Timeline(1 / series.fps)
    for time_s, rgb in read_images(series, uri):
        on_clock_s = timeline.place(time_s, (0, 0))
        if on_clock_s is not None:
            scaled = partial(_scaled, rgb, max_side_px)
            yield _Shown(on_clock_s, timeline.stretch, 0, scaled, sample_of_rgb(rgb))


# --- how a frame is displayed ---


def _shown(placed: Iterable[Placed], aspect: float, max_side_px: int | None) -> Iterator[_Shown]:
    rgb = Rgb()
    aspect, notes = usable_aspect(aspect)
    for frame in placed:
        processing = notes
        if frame.deinterlaced:
            processing += ("deinterlaced",)
        if frame.frame.color_trc in HDR_NAMES:
            processing += (f"tone-mapped from {HDR_NAMES[frame.frame.color_trc]}",)
        convert = partial(_displayed, rgb, frame.frame, frame.turn, aspect, max_side_px)
        at, sample = frame.timestamp_s, sample_of(frame.frame)
        yield _Shown(at, frame.stretch, frame.num_lost, convert, sample, processing)


def _displayed(
    rgb: Rgb,
    frame: VideoFrame,
    turn: Turn,
    aspect: float,
    max_side_px: int | None,
) -> U8:
    width, height = fit(round(frame.width * aspect), frame.height, max_side_px)
    return np.ascontiguousarray(turned(rgb.convert(frame, width, height), turn))


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
