"""Probing: what a source video is, before anything is decoded for keeps."""

import hashlib
import logging
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from camvid.artifacts import Video
from camvid.errors import ConfigError
from camvid.video.container import (
    DEFAULT_FPS,
    local_copy,
    open_video,
    read_packets,
    unusable,
)
from camvid.video.decode import read_frames
from camvid.video.image_folder.series import ImageSeries, image_series, is_image_source, read_images
from camvid.video.timing import frame_duration, is_hole

log = logging.getLogger(__name__)


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int


class _Timing(NamedTuple):
    fps: float
    num_frames: int
    duration_s: float


def probe(uri: str, *, image_fps: float = DEFAULT_FPS, local: str = "") -> Video:
    """Size as displayed, rate, length and content hash of a video or folder of images.

    `image_fps` is the rate of a folder of numbered images, which has no clock of its own;
    `local` is a local copy of a remote video, where there is one.
    """
    if not (math.isfinite(image_fps) and image_fps > 0):
        raise ConfigError(f"image_fps must be above 0, got {image_fps}")
    with local_copy(local or uri) as found:
        if is_image_source(found):
            series = image_series(found, image_fps, uri)
            timing = _time_images(series, uri)
            sha256 = _sha256_of_images(series)
        else:
            timing = _time_file(found, uri)
            sha256 = _sha256(Path(found))
        height_px, width_px = next(read_frames(found, name=uri)).rgb.shape[:2]
    return Video(
        video_id=sha256[:16],
        uri=uri,
        sha256=sha256,
        width_px=width_px,
        height_px=height_px,
        fps=timing.fps,
        num_frames=timing.num_frames,
        duration_s=timing.duration_s,
    )


def _time_file(local: str, uri: str) -> _Timing:
    """Counts packets: headers lie about frame counts, and variable rates have no one rate."""
    container, stream = open_video(local, uri)
    with container:
        packets = [
            _Packet(packet.pts, packet.dts, packet.duration or 0)
            for packet in read_packets(container, stream, uri)
            if packet.size and not packet.is_discard
        ]
        stated = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
        frame_s = frame_duration(packets, stream.time_base, stated)
        base = float(stream.time_base or 0)
    if not packets:
        raise unusable(uri, "a video stream without frames")
    runs = [np.diff(np.array(sorted(stamps), np.float64)) * base for stamps in _runs(packets)]
    gaps_s = np.concatenate([np.zeros(0), *runs])
    whole_s = gaps_s[(gaps_s > 0) & ~is_hole(gaps_s, frame_s)]  # a hole says nothing of the rate
    measured = len(whole_s) / whole_s.sum() if len(whole_s) else 1 / frame_s
    # The header's rate is exact where it holds; some containers state their clock's instead.
    holds = len(gaps_s) and abs(stated / measured - 1) < 0.05  # of raw streams it is made up
    fps = stated if holds else float(measured)
    num_ends = len(packets) - len(gaps_s)  # frames that no other follows, or that have no time
    last_s = packets[-1].duration * base or 1 / fps
    return _Timing(fps, len(packets), float(gaps_s.sum()) + num_ends * last_s)


def _runs(packets: list[_Packet]) -> list[list[int]]:
    """Timestamps, where there are any, from one restart of the container's clock to the next."""
    runs: list[list[int]] = []
    last_dts: int | None = None
    for packet in packets:
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            continue
        restarted = last_dts is not None and packet.dts is not None and packet.dts < last_dts
        if restarted or not runs:
            runs.append([])
        runs[-1].append(stamp)
        last_dts = last_dts if packet.dts is None else packet.dts
    return runs


def _time_images(series: ImageSeries, uri: str) -> _Timing:
    """Reads them all: names promise images that cannot be decoded, or are of another size."""
    if series.left_out:
        log.warning("%s: images left out: %s", uri, "; ".join(series.left_out))
    times_s = [time_s for time_s, _ in read_images(series, uri)]
    if not times_s:
        raise unusable(uri, "not one image that can be decoded")
    return _Timing(series.fps, len(times_s), times_s[-1] - times_s[0] + 1 / series.fps)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_images(series: ImageSeries) -> str:
    """Of the images and their times: the same images at another pace are another video.

    Times to the last bit: they are stored with the frames, whose bytes copies must agree on.
    """
    spelled: list[str] = []
    for path, time_s in zip(series.paths, series.times_s, strict=True):
        try:
            spelled.append(f"{_sha256(path)}{float(time_s).hex()}")
        except OSError:  # left out as damaged
            spelled.append(float(time_s).hex())
    return hashlib.sha256("".join(spelled).encode()).hexdigest()
