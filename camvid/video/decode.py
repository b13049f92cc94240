"""Decodes videos and folders of images into RGB frames as displayed, with their times."""

import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from camvid.artifacts import U8
from camvid.video.colour import HDR_NAMES, Rgb
from camvid.video.container import (
    DEFAULT_FPS,
    clock_of,
    local_copy,
    open_video,
    read_packets,
    start_of,
    unusable,
)
from camvid.video.damage import Damage, marked_corrupt
from camvid.video.deinterlace import Placed, deinterlace
from camvid.video.display import Turn, display_matrix, turned, usable_aspect
from camvid.video.image_folder.series import ImageSeries, image_series, is_image_source, read_images
from camvid.video.names import writable
from camvid.video.repeats import Repeats, sample_of, sample_of_rgb
from camvid.video.timing import AtTimes, FrameClock, Pacer, Timeline

log = logging.getLogger(__name__)

_HEAD_PACKETS = 64  # looked at before decoding: two seconds tell a rate and the order of times

T = TypeVar("T")
LazyRgb = Callable[[int | None], U8]  # with the longer side at most so long; None: as it is


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
    with _opened(uri, name, image_fps, start_s) as (shown, frame_s):
        pacer = AtTimes(times_s) if times_s else Pacer(max_fps, frame_s)
        paced = _paced(shown, pacer, each_once=not times_s)
        frames = (_source_frame(index, f, max_side_px) for index, f, kept in paced if kept)
        yield from frames if start_s > 0 else _some(frames, name)


def read_with_previews(
    uri: str,
    *,
    preview_side_px: int,
    max_fps: float = np.inf,
    image_fps: float = DEFAULT_FPS,
    name: str = "",
) -> Iterator[tuple[SourceFrame, SourceFrame | None]]:
    """Each frame in small, and with it the frame itself where the working rate keeps it.

    One decoding gives what two of `read_frames` would, one with `max_side_px` and one with
    `max_fps`.
    """
    name = name or writable(uri)
    with _opened(uri, name, image_fps) as (shown, frame_s):
        paced = _paced(shown, Pacer(max_fps, frame_s), each_once=True)
        yield from _some((_with_preview(*each, preview_side_px) for each in paced), name)


def _with_preview(
    index: int, frame: _Shown, kept: bool, preview_side_px: int
) -> tuple[SourceFrame, SourceFrame | None]:
    preview = _source_frame(index, frame, preview_side_px)
    return preview, _source_frame(index, frame, None) if kept else None


def _source_frame(index: int, frame: _Shown, max_side_px: int | None) -> SourceFrame:
    at, rgb = frame.timestamp_s, frame.rgb(max_side_px)
    return SourceFrame(index, at, rgb, frame.stretch, frame.num_lost, frame.processing)


def _some(frames: Iterator[T], name: str) -> Iterator[T]:
    """The frames; VideoError if there is none."""
    first = next(frames, None)
    if first is None:
        raise unusable(name, "not one frame that can be decoded")
    yield first
    del first  # held no longer than the caller wants it
    yield from frames


def _paced(
    shown: Iterable[_Shown], pacer: Pacer | AtTimes, *, each_once: bool
) -> Iterator[tuple[int, _Shown, bool]]:
    """Each frame with its number and whether the pacer takes it; repeats are left out.

    What was lost before frames that it does not take counts with the next that it takes.
    """
    repeats = Repeats()
    num_lost, stretch, notes = 0, -1, ()
    for index, frame in enumerate(shown):
        if frame.stretch != stretch:  # what the hole swallowed belongs to neither side
            num_lost, stretch, repeats = 0, frame.stretch, Repeats()
        else:
            num_lost += frame.num_lost
        if each_once and repeats.again(frame.sample):
            notes = ("repeated frames left out",)
            continue
        takes = pacer.takes(frame.timestamp_s, stretch)
        done = frame.processing + notes
        yield index, frame._replace(num_lost=num_lost, processing=done), takes
        num_lost = 0 if takes else num_lost


@contextmanager
def _opened(
    uri: str, name: str, image_fps: float, start_s: float = 0.0
) -> Generator[tuple[Iterator[_Shown], float]]:
    """The source's frames, and the usual seconds between two."""
    with local_copy(uri) as local:
        if is_image_source(local):
            series = image_series(local, image_fps, name)
            yield _read_images(series, name), 1 / series.fps
            return
        container, stream = open_video(local, name)
        with container:
            packets = read_packets(container, stream, name)
            head = list(itertools.islice(packets, _HEAD_PACKETS))
            clock, frame_s = clock_of(stream, head)
            if start_s > 0 and clock.seekable and _seek(container, start_s):
                packets = read_packets(container, stream, name)
            else:
                packets = itertools.chain(head, packets)
            codec: Any = stream.codec_context
            placed = _place(packets, clock, frame_s, start_of(container), name)
            placed = deinterlace(placed, codec.field_order)
            yield _shown(placed, float(stream.sample_aspect_ratio or 1)), frame_s


# --- files, through FFmpeg ---


def _seek(container: InputContainer, start_s: float) -> bool:
    """Goes to the key frame before `start_s`; False, and nowhere, where the format cannot."""
    try:
        offset = int((start_s + start_of(container)) * av.time_base)
        container.seek(offset, backward=True)
    except FFmpegError:
        return False
    return True


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


def _read_images(series: ImageSeries, uri: str) -> Iterator[_Shown]:
    timeline = Timeline(1 / series.fps)
    for time_s, rgb in read_images(series, uri):
        on_clock_s = timeline.place(time_s, (0, 0))
        if on_clock_s is not None:
            scaled = partial(_scaled, rgb)
            yield _Shown(on_clock_s, timeline.stretch, 0, scaled, sample_of_rgb(rgb))


# --- how a frame is displayed ---


def _shown(placed: Iterable[Placed], aspect: float) -> Iterator[_Shown]:
    converters: defaultdict[int | None, Rgb] = defaultdict(Rgb)  # by the size that is wanted
    aspect, notes = usable_aspect(aspect)
    for frame in placed:
        processing = notes
        if frame.deinterlaced:
            processing += ("deinterlaced",)
        if frame.frame.color_trc in HDR_NAMES:
            processing += (f"tone-mapped from {HDR_NAMES[frame.frame.color_trc]}",)
        convert = partial(_displayed, converters, frame.frame, frame.turn, aspect)
        at, sample = frame.timestamp_s, sample_of(frame.frame)
        yield _Shown(at, frame.stretch, frame.num_lost, convert, sample, processing)


def _displayed(
    converters: Mapping[int | None, Rgb],
    frame: VideoFrame,
    turn: Turn,
    aspect: float,
    max_side_px: int | None,
) -> U8:
    width, height = fit(round(frame.width * aspect), frame.height, max_side_px)
    return np.ascontiguousarray(turned(converters[max_side_px].convert(frame, width, height), turn))


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
