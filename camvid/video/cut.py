"""Cutting shots into clips: one pass over the video, one clip in memory at a time."""

import hashlib
import itertools
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import U8, Clip, Video
from camvid.errors import ConfigError
from camvid.outcome import Rejected
from camvid.settings import setting
from camvid.video.change_hash import ChangeHashes
from camvid.video.decode import SourceFrame, fit, read_frames
from camvid.video.quality import BlackBars, Combing, Looks, QualityOptions, Rect, find_fault
from camvid.video.timing import is_hole

log = logging.getLogger(__name__)

Span = tuple[float, float]  # start_s, end_s; the end is outside
_SAME_TIME_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions(QualityOptions):
    """How shots become clips, and which clips are not worth keeping."""

    max_clip_s: float = setting(8.0, "s", "Longer shots are cut into equal pieces.")
    max_fps: float = setting(
        30.0, "frames/s", "Faster videos lose frames; none is made up or doubled."
    )
    max_side_px: int = setting(640, "px", "Larger images are scaled down to this longer side.")
    jpeg_quality: int = setting(95, "1 to 100", "JPEG quality of the stored frames.")
    remove_black_bars: bool = setting(True, "true or false", "Black bars are cut off.")

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
    """A clip with its frames as JPEG, and why it is not wanted, if so."""

    clip: Clip
    jpegs: tuple[bytes, ...]  # [T]
    rejected: Rejected | None
    extra: tuple[object, ...] = ()  # artifacts that came with it


def cut(
    video: Video, shots: Sequence[Span], options: CutOptions, *, path: str = ""
) -> Iterator[CutClip]:
    """The clips of the shots, in order of time; those that fail a test come with the reason.

    A shot that runs over a hole or a change of size becomes one clip before it and one after.

    Args:
        shots: (start_s, end_s) on the video's clock, apart.
        path: a local copy of `video.uri`, where there is one.
    """
    source = path or video.uri
    spans = [piece for shot in sorted(shots) for piece in _pieces(shot, options.max_clip_s)]
    frames = read_frames(source, max_fps=options.max_fps, image_fps=video.fps, name=video.uri)
    crop = _whole(video.width_px, video.height_px)
    for span, of_span in _by_span(frames, spans):
        draft: _Draft | None = None
        start_s: float | None = span[0]
        for _, stretch in itertools.groupby(of_span, key=lambda frame: frame.stretch):
            if draft:
                yield draft.finish(video, draft.within(start_s, draft.shown_until_s))
                start_s = None  # with its first frame
            draft = _Draft(crop, options)
            for frame in stretch:
                draft.add(frame)
            if draft.content() != draft.crop.kept:
                # Bars are known only once the whole clip was seen: go back, with the right crop.
                # It holds for the next clip too, so a letterboxed video goes back just once.
                draft = _again(draft, source, video)
            crop = draft.crop
        if draft:
            yield draft.finish(video, draft.within(start_s, span[1]))
        else:
            log.warning("%s: no frame from %.3f to %.3f s", video.uri, *span)


def one_clip(video: Video, frames: Iterable[SourceFrame], options: CutOptions) -> CutClip:
    """These frames, all of one size, as one clip."""
    draft: _Draft | None = None
    for frame in frames:
        draft = draft or _Draft(_whole(*frame.rgb.shape[1::-1]), options)
        draft.add(frame)
    if draft is None:
        raise ValueError("a clip must have frames")
    return draft.finish(video, (draft.times_s[0], draft.shown_until_s))


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


class _Crop(NamedTuple):
    """What is kept of frames of one size."""

    size: tuple[int, int]
    kept: Rect


def _whole(width: int, height: int) -> _Crop:
    return _Crop((width, height), (0, 0, width, height))


class _Draft:
    """A clip in the making: takes frames of the source, keeps JPEGs and measures."""

    def __init__(self, crop: _Crop, options: CutOptions) -> None:
        self.crop = crop
        self.options = options
        self.times_s: list[float] = []
        self.indices: list[int] = []
        self.num_lost = 0
        self.processing: dict[str, None] = {}  # in order of appearance
        self.last_rgb: U8 = np.zeros((0, 0, 3), np.uint8)
        self._jpegs: list[bytes] = []
        self._looks = Looks()
        self._bars = BlackBars()
        self._combing = Combing()
        self._changes = ChangeHashes()

    def add(self, frame: SourceFrame) -> None:
        height, width = frame.rgb.shape[:2]
        if not self.times_s and (width, height) != self.crop.size:
            self.crop = _whole(width, height)
        grey = _grey(frame.rgb)
        self._combing.add(grey)
        if self.options.remove_black_bars:
            self._bars.add(grey)
        x, y, width, height = self.crop.kept
        rgb = frame.rgb[y : y + height, x : x + width]
        size = fit(width, height, self.options.max_side_px)
        if size != (width, height):
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        small_grey = _grey(rgb)
        self._looks.add(small_grey)
        self._changes.add(small_grey, frame.timestamp_s)
        self._jpegs.append(_encode(rgb, self.options.jpeg_quality))
        self.num_lost += frame.num_lost if self.times_s else 0
        self.processing |= dict.fromkeys(frame.processing)
        self.times_s.append(frame.timestamp_s)
        self.indices.append(frame.source_frame_index)
        self.last_rgb = frame.rgb

    def content(self) -> Rect:
        """What black bars leave of the frame, by all frames so far."""
        return self._bars.content() if self.options.remove_black_bars else self.crop.kept

    def within(self, start_s: float | None, end_s: float) -> Span:
        """The span, less holes that lie between its ends and the first and last frame."""
        usual_s = self.shown_until_s - self.times_s[-1]
        start_s = self.times_s[0] if start_s is None else start_s
        ends_s = np.array([self.times_s[0] - start_s, end_s - self.times_s[-1]])
        late, early = is_hole(ends_s, usual_s)
        return self.times_s[0] if late else start_s, self.shown_until_s if early else end_s

    @property
    def shown_until_s(self) -> float:
        """The end, where no shot says it: the last frame stays as long as the others."""
        usual_s = np.median(np.diff(self.times_s)) if len(self.times_s) > 1 else 0.0
        return self.times_s[-1] + float(usual_s)

    def finish(self, video: Video, span: Span) -> CutClip:
        start_s, end_s = span
        width_px, height_px = fit(*self.crop.kept[2:], self.options.max_side_px)
        clip = Clip(
            clip_id=clip_id_of(video, start_s, end_s),
            video=video,
            start_s=start_s,
            end_s=end_s,
            timestamps_s=np.array(self.times_s, np.float64),
            source_frame_index=np.array(self.indices, np.int32),
            width_px=width_px,
            height_px=height_px,
            crop_px=self.crop.kept,
            processing=tuple(self.processing),
            num_lost=self.num_lost,
            change_hashes=tuple(self._changes.hashes),
        )
        # The last frame stays on the screen too; thousandths, because clocks are rounded.
        shown_s = round(self.times_s[-1] - self.times_s[0] + 1 / clip.fps, 3)
        num_source = self.indices[-1] - self.indices[0] + 1
        rejected = find_fault(
            self.options,
            clip_s=shown_s,
            fps=clip.fps,
            side_px=min(self.crop.kept[2:]),
            looks=self._looks.measured(),
            combing=self._combing.measured(),
            lost_share=self.num_lost / (self.num_lost + num_source),
        )
        return CutClip(clip=clip, jpegs=tuple(self._jpegs), rejected=rejected)


def clip_id_of(video: Video, start_s: float, end_s: float) -> str:
    """The same span of the same file has the same id, wherever and whenever it is cut."""
    return hashlib.sha256(f"{video.sha256}:{start_s:.3f}:{end_s:.3f}".encode()).hexdigest()[:16]


def _again(draft: _Draft, source: str, video: Video) -> _Draft:
    """The same clip without its bars: the same frames, read once more."""
    index_of = dict(zip(draft.times_s, draft.indices, strict=True))
    crop = _Crop(draft.crop.size, draft.content())
    second = draft
    for start_s in (draft.times_s[0], 0.0):  # from the beginning where seeking goes wrong
        second = _Draft(crop, draft.options)
        for frame in read_frames(
            source, start_s=start_s, image_fps=video.fps, times_s=index_of, name=video.uri
        ):  # indices count from where the file was entered
            second.add(frame._replace(source_frame_index=index_of[frame.timestamp_s]))
            if frame.timestamp_s >= draft.times_s[-1]:
                break
        # Where a clock restarts, another frame may have the same time on it.
        same = second.times_s == draft.times_s
        if same and np.array_equal(second.last_rgb, draft.last_rgb):
            break
    second.num_lost, second.processing = draft.num_lost, draft.processing
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
