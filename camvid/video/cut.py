"""Cutting shots into clips: one pass over the video, one clip in memory at a time."""

import hashlib
import itertools
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import U8, Clip, Video
from camvid.errors import ConfigError
from camvid.outcome import Rejected
from camvid.video.decode import SourceFrame, fit, read_frames
from camvid.video.quality import BlackBars, Looks, QualityOptions, Rect, find_fault

log = logging.getLogger(__name__)

Span = tuple[float, float]  # start_s, end_s; the end is outside
_SAME_TIME_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions(QualityOptions):
    """How shots become clips, and which clips are not worth keeping."""

    max_clip_s: float = 8.0  # longer shots are cut into equal pieces
    max_fps: float = 30.0  # frames are left out, never made up or doubled
    max_side_px: int = 640
    jpeg_quality: int = 95
    remove_black_bars: bool = True

    def __post_init__(self) -> None:
        QualityOptions.__post_init__(self)
        if not self.max_clip_s >= 2 * self.min_clip_s:
            raise ConfigError(
                f"max_clip_s must be at least twice min_clip_s, got {self.max_clip_s} and"
                f" {self.min_clip_s}: the halves of a long shot would be too short"
            )
        if not self.max_fps > 0:
            raise ConfigError(f"max_fps must be above 0, got {self.max_fps}")
        if self.max_side_px < 16:
            raise ConfigError(f"max_side_px must be at least 16, got {self.max_side_px}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality must be in 1 to 100, got {self.jpeg_quality}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutClip:
    """A clip with its pictures as JPEG, and why it is not wanted, if so."""

    clip: Clip
    jpegs: tuple[bytes, ...]  # [T]
    rejected: Rejected | None


def cut(
    video: Video, shots: Sequence[Span], options: CutOptions, *, path: str = ""
) -> Iterator[CutClip]:
    """The clips of the shots, in order of time; those that fail a test come with the reason.

    Args:
        shots: (start_s, end_s) on the video's clock, apart.
        path: a local copy of `video.uri`, where there is one.
    """
    source = path or video.uri
    spans = [piece for shot in sorted(shots) for piece in _pieces(shot, options.max_clip_s)]
    frames = read_frames(source, max_fps=options.max_fps, picture_fps=video.fps, name=video.uri)
    crop: Rect = (0, 0, video.width_px, video.height_px)
    for span, of_span in _by_span(frames, spans):
        draft = _Draft(span, crop, options)
        for frame in of_span:
            draft.add(frame)
        if not draft.times_s:
            log.warning("%s: no frame from %.3f to %.3f s", video.uri, *span)
            continue
        if draft.picture() != crop:
            # Bars are known only once the whole clip was seen: go back, with the right crop.
            # It holds for the next clip too, so a letterboxed film goes back just once.
            crop = draft.picture()
            draft = _again(draft, crop, source, video)
        yield draft.finish(video)


def _pieces(shot: Span, max_clip_s: float) -> list[Span]:
    """The shot in equal pieces, none longer than allowed."""
    start_s, end_s = shot
    count = max(1, math.ceil((end_s - start_s) / max_clip_s - _SAME_TIME_S))
    edges = [float(edge) for edge in np.linspace(start_s, end_s, count + 1)]
    return list(itertools.pairwise(edges))


def _by_span(
    frames: Iterator[SourceFrame], spans: Iterable[Span]
) -> Iterator[tuple[Span, Iterator[SourceFrame]]]:
    """Each span with its frames, which must be used up before the next span is asked for."""
    frame = next(frames, None)

    def take(start_s: float, end_s: float) -> Iterator[SourceFrame]:
        nonlocal frame
        while frame is not None and frame.timestamp_s < end_s - _SAME_TIME_S:
            if frame.timestamp_s >= start_s - _SAME_TIME_S:
                yield frame
            frame = next(frames, None)

    for start_s, end_s in spans:
        yield (start_s, end_s), take(start_s, end_s)


class _Draft:
    """A clip in the making: takes frames of the source, keeps JPEGs and measures."""

    def __init__(self, span: Span, crop: Rect, options: CutOptions) -> None:
        self.span = span
        self.options = options
        self.times_s: list[float] = []
        self.indices: list[int] = []
        self._crop = crop
        self._jpegs: list[bytes] = []
        self._looks = Looks()
        self._bars = BlackBars()

    def add(self, frame: SourceFrame) -> None:
        if self.options.remove_black_bars:
            self._bars.add(_grey(frame.rgb))
        x, y, width, height = self._crop
        rgb = frame.rgb[y : y + height, x : x + width]
        size = fit(width, height, self.options.max_side_px)
        if size != (width, height):
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._looks.add(_grey(rgb))
        self._jpegs.append(_encode(rgb, self.options.jpeg_quality))
        self.times_s.append(frame.timestamp_s)
        self.indices.append(frame.source_frame_index)

    def picture(self) -> Rect:
        """What black bars leave of the frame, by all frames so far."""
        return self._bars.picture() if self.options.remove_black_bars else self._crop

    def finish(self, video: Video) -> CutClip:
        start_s, end_s = self.span
        width_px, height_px = fit(*self._crop[2:], self.options.max_side_px)
        clip = Clip(
            clip_id=clip_id_of(video, start_s, end_s),
            video=video,
            start_s=start_s,
            end_s=end_s,
            timestamps_s=np.array(self.times_s, np.float64),
            source_frame_index=np.array(self.indices, np.int32),
            width_px=width_px,
            height_px=height_px,
            crop_px=self._crop,
        )
        # The last frame stays on the screen too; thousandths, because clocks are rounded.
        shown_s = round(self.times_s[-1] - self.times_s[0] + 1 / clip.fps, 3)
        rejected = find_fault(
            self.options,
            clip_s=shown_s,
            side_px=min(self._crop[2:]),
            looks=self._looks.measured(),
        )
        return CutClip(clip=clip, jpegs=tuple(self._jpegs), rejected=rejected)


def clip_id_of(video: Video, start_s: float, end_s: float) -> str:
    """The same span of the same file has the same id, wherever and whenever it is cut."""
    return hashlib.sha256(f"{video.sha256}:{start_s:.3f}:{end_s:.3f}".encode()).hexdigest()[:16]


def _again(draft: _Draft, crop: Rect, source: str, video: Video) -> _Draft:
    """The same clip with another crop: the same frames, read once more."""
    index_of = dict(zip(draft.times_s, draft.indices, strict=True))
    second = draft
    for start_s in (draft.times_s[0], 0.0):  # from the beginning where seeking goes wrong
        second = _Draft(draft.span, crop, draft.options)
        for frame in read_frames(source, start_s=start_s, picture_fps=video.fps, name=video.uri):
            if frame.timestamp_s in index_of:  # indices count from where the file was entered
                second.add(frame._replace(source_frame_index=index_of[frame.timestamp_s]))
            if frame.timestamp_s >= draft.times_s[-1]:
                break
        if second.times_s == draft.times_s:
            break
    return second


def _grey(rgb: U8) -> U8:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


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
