"""What is kept of the frames of a video while nobody knows yet where its clips begin and end."""

import bisect
import pickle
import shutil
import tempfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import U8
from camvid.video.bars import Profile, Rect, brightest, content_of, profile_of
from camvid.video.change_hash import thumbnail_of
from camvid.video.decode import SourceFrame, fit
from camvid.video.quality import LOOK_EVERY_S, Look, Looks, grey_of
from camvid.video.repeats import sample_of_rgb

MAX_WAITING_BYTES = 2 << 30  # of JPEGs on disk: a quarter of an hour
SAME_TIME_S = 1e-6


class Kept(NamedTuple):
    """A frame as it is stored, and what decides on the clip that it goes into."""

    source_frame_index: int
    timestamp_s: float
    stretch: int
    num_lost: int
    processing: tuple[str, ...]
    size_px: tuple[int, int]  # width, height before the crop
    crop_px: Rect
    jpeg: bytes  # empty where too many wait
    looks: Looks
    thumbnail: U8  # for the clip's hashes
    profile: Profile | None
    mark: int  # by which the frame is known again


class Keeper:
    """Makes JPEGs of frames in order, at the size and without the bars that clips have."""

    def __init__(
        self,
        *,
        max_side_px: int,
        jpeg_quality: int,
        remove_bars: bool,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._max_side_px, self._jpeg_quality = max_side_px, jpeg_quality
        self._remove_bars = remove_bars
        self._look = Look(look_every_s)
        self._stretch = -1
        self._seen: Profile | None = None  # of the stretch so far

    def keep(self, frame: SourceFrame, crop_px: Rect | None = None) -> Kept:
        """The frame in this crop; by default without the bars of its stretch so far."""
        size_px = frame.rgb.shape[1], frame.rgb.shape[0]
        profile = profile_of(frame.rgb) if self._remove_bars else None
        is_first, self._stretch = frame.stretch != self._stretch, frame.stretch
        self._seen = profile if is_first else brightest([self._seen, profile])
        whole = (0, 0, *size_px)
        crop_px = crop_px or content_of(self._seen, size_px) or whole
        x, y, width, height = crop_px
        rgb = frame.rgb[y : y + height, x : x + width]
        size = fit(width, height, self._max_side_px)
        if size != (width, height):
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        grey = grey_of(rgb)
        return Kept(
            source_frame_index=frame.source_frame_index,
            timestamp_s=frame.timestamp_s,
            stretch=frame.stretch,
            num_lost=frame.num_lost,
            processing=frame.processing,
            size_px=size_px,
            crop_px=crop_px,
            jpeg=_encode(rgb, self._jpeg_quality),
            looks=self._look.at(frame.timestamp_s, frame.rgb, grey),
            thumbnail=thumbnail_of(grey),
            profile=profile,
            mark=zlib.crc32(sample_of_rgb(frame.rgb).tobytes()),
        )


def content_of_clip(frames: Sequence[Kept]) -> Rect | None:
    """What black bars leave of a clip's frames; None where it takes whole images to tell."""
    return content_of(brightest([frame.profile for frame in frames]), frames[0].size_px)


class Waiting:
    """Frames of a video in order of time; they wait on disk until their clip is asked for."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file, self._max_bytes = file, max_bytes
        self._times_s: list[float] = []
        self._begin: list[int] = []  # of each frame in the file

    def add(self, frame: Kept) -> None:
        """Notes the next frame."""
        begin = self._file.tell()
        frame = frame if begin < self._max_bytes else frame._replace(jpeg=b"")
        pickle.dump(frame, self._file, pickle.HIGHEST_PROTOCOL)
        self._times_s.append(frame.timestamp_s)
        self._begin.append(begin)

    def between(self, start_s: float, end_s: float) -> list[Kept]:
        """The frames from `start_s` on, those at `end_s` no longer."""
        edges_s = start_s - SAME_TIME_S, end_s - SAME_TIME_S
        first, stop = (bisect.bisect_left(self._times_s, edge_s) for edge_s in edges_s)
        if first < stop:
            self._file.seek(self._begin[first])
        return [pickle.load(self._file) for _ in range(first, stop)]


@contextmanager
def waiting() -> Generator[Waiting]:
    """Room for the frames of one video: of a small disk half, as others may want some."""
    free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
    with tempfile.TemporaryFile(prefix="camvid-") as file:
        yield Waiting(file, min(MAX_WAITING_BYTES, free_bytes // 2))


def _encode(rgb: U8, quality: int) -> bytes:
    """JPEG with full-resolution colour: halving it smears the edges that tracks hold on to."""
    ok, data = cv2.imencode(
        ".jpg",
        cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
        [
            cv2.IMWRITE_JPEG_QUALITY,
            quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ],
    )
    if not ok:
        raise RuntimeError(f"JPEG encoding failed for a frame of shape {rgb.shape}")
    return data.tobytes()
