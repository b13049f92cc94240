"""Probing: what a source video is, before anything is decoded for keeps."""

import hashlib
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from camvid.artifacts import Video
from camvid.errors import ConfigError
from camvid.video.decode import (
    PICTURE_FPS,
    local_copy,
    open_video,
    read_frames,
    read_packets,
    unusable,
)
from camvid.video.find import numbered_pictures
from camvid.video.timing import frame_duration, is_hole


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int


class _Timing(NamedTuple):
    fps: float
    num_frames: int
    duration_s: float


def probe(uri: str, *, picture_fps: float = PICTURE_FPS, local: str = "") -> Video:
    """Size as displayed, rate, length and content hash of a video or folder of pictures.

    `picture_fps` is the rate of a folder of numbered pictures, which has no clock of its own;
    `local` is a local copy of a remote video, where there is one.
    """
    if not (math.isfinite(picture_fps) and picture_fps > 0):
        raise ConfigError(f"picture_fps must be above 0, got {picture_fps}")
    with local_copy(local or uri) as found:
        path = Path(found)
        if path.is_dir():
            pictures = numbered_pictures(path)
            if not pictures:
                raise unusable(uri, "a folder without numbered pictures")
            timing = _Timing(picture_fps, len(pictures), len(pictures) / picture_fps)
            sha256 = _sha256_of_pictures(pictures)
        else:
            timing = _time_file(found, uri)
            sha256 = _sha256(path)
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
        stated = float(stream.average_rate or stream.guessed_rate or PICTURE_FPS)
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of_pictures(pictures: list[Path]) -> str:
    digests = "".join(_sha256(path) for path in pictures)
    return hashlib.sha256(digests.encode()).hexdigest()
