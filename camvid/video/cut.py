"""Cutting videos into clips: one pass over the video, one clip in memory at a time."""

import hashlib
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from camvid.artifacts import Clip, Video
from camvid.errors import ConfigError
from camvid.outcome import Rejected
from camvid.settings import setting
from camvid.video.bars import BlackBars, Rect
from camvid.video.change_hash import ChangeHashes
from camvid.video.decode import SourceFrame, fit, read_frames, read_with_previews
from camvid.video.kept import SAME_TIME_S, Keeper, Kept, Waiting, content_of_clip, waiting
from camvid.video.quality import LOOK_EVERY_S, QualityOptions, find_fault, measured
from camvid.video.timing import is_hole

log = logging.getLogger(__name__)

Span = tuple[float, float]  # start_s, end_s; the end is outside
ShotFinder = Callable[[Iterable[SourceFrame]], Sequence[Span]]
PREVIEW_SIDE_PX = 256  # of frames in which shots are looked for


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
    """The clips of these shots, apart on the video's clock, as `find_and_cut` gives them."""
    yield from find_and_cut(video, lambda _: shots, options, path=path)


def find_and_cut(
    video: Video,
    find_shots: ShotFinder,
    options: CutOptions,
    *,
    path: str = "",
    within: Span = (0.0, math.inf),
) -> Iterator[CutClip]:
    """The clips of a video in order of time; those that fail a test come with the reason.

    The video is decoded once: while shots are looked for in its frames, JPEGs of them are made and
    wait on disk. A shot that runs over a hole or a change of size becomes one clip before it and
    one after.

    Args:
        find_shots: from frames of PREVIEW_SIDE_PX to (start_s, end_s) on their clock, apart.
        path: a local copy of `video.uri`, where there is one.
        within: (start_s, end_s) of what is wanted of the video.
    """
    source = path or video.uri
    with waiting() as frames:
        previews = _kept(source, video, options, within, frames)
        shots = sorted(find_shots(previews))
        for _ in previews:  # what the finder did without
            pass
        pieces = (_pieces(shot, options.max_clip_s, within) for shot in shots)
        for span in itertools.chain.from_iterable(pieces):
            yield from _clips_of(span, frames, source, video, options)


def one_clip(video: Video, frames: Iterable[SourceFrame], options: CutOptions) -> CutClip:
    """These frames, all of one size, as one clip, whole."""
    keeper = _keeper(options)
    kept = [keeper.keep(frame, (0, 0, *frame.rgb.shape[1::-1])) for frame in frames]
    if not kept:
        raise ValueError("a clip must have frames")
    return _finish(video, kept, (kept[0].timestamp_s, _shown_until_s(kept)), options)


def _keeper(options: CutOptions, look_every_s: float = LOOK_EVERY_S) -> Keeper:
    return Keeper(
        max_side_px=options.max_side_px,
        jpeg_quality=options.jpeg_quality,
        remove_bars=options.remove_black_bars,
        look_every_s=look_every_s,
    )


def _kept(
    source: str, video: Video, options: CutOptions, within: Span, kept: Waiting
) -> Iterator[SourceFrame]:
    """Each frame in small; those that a clip may be made of are kept meanwhile."""
    # Two looks in the shortest clip that passes.
    keeper = _keeper(options, min(LOOK_EVERY_S, options.min_clip_s / 2))
    for preview, frame in read_with_previews(
        source,
        preview_side_px=PREVIEW_SIDE_PX,
        max_fps=options.max_fps,
        image_fps=video.fps,
        name=video.uri,
    ):
        if frame and within[0] - SAME_TIME_S <= frame.timestamp_s < within[1] - SAME_TIME_S:
            kept.add(keeper.keep(frame))
        del frame  # while the finder looks at the preview
        yield preview


def _clips_of(
    span: Span, frames: Waiting, source: str, video: Video, options: CutOptions
) -> Iterator[CutClip]:
    """One clip, or one for each unbroken stretch in the span."""
    start_s, end_s = span
    stretches = [
        list(part)
        for _, part in itertools.groupby(frames.between(start_s, end_s), lambda kept: kept.stretch)
    ]
    if not stretches:
        log.warning("%s: no frame from %.3f to %.3f s", video.uri, *span)
    for number, part in enumerate(stretches):
        until_s = end_s if part is stretches[-1] else _shown_until_s(part)
        shown = _within(part, None if number else start_s, until_s)
        yield _finish(video, _without_bars(part, source, video, options), shown, options)


def _pieces(shot: Span, max_clip_s: float, within: Span) -> list[Span]:
    """What is wanted of the shot in equal pieces, none longer than allowed."""
    start_s, end_s = max(shot[0], within[0]), min(shot[1], within[1])
    if not start_s < end_s:
        return []
    count = max(1, math.ceil((end_s - start_s) / max_clip_s - SAME_TIME_S))
    edges = [float(edge) for edge in np.linspace(start_s, end_s, count + 1)]
    return list(itertools.pairwise(edges))


def _without_bars(frames: list[Kept], source: str, video: Video, options: CutOptions) -> list[Kept]:
    """The clip's frames in the crop that all of them agree on, read once more where they are not.

    The bars of a clip are known only once the whole clip was seen.
    """
    content = content_of_clip(frames)
    if content and all(frame.crop_px == content and frame.jpeg for frame in frames):
        return frames
    crop = content or frames[0].crop_px
    again, content = _again(frames, crop, source, video, options)
    return again if content == crop else _again(frames, content, source, video, options)[0]


def _again(
    frames: list[Kept], crop: Rect, source: str, video: Video, options: CutOptions
) -> tuple[list[Kept], Rect]:
    """The same frames in this crop, and what black bars leave of them, by whole images."""
    was = {frame.timestamp_s: frame for frame in frames}
    again: list[Kept] = []
    bars = BlackBars()
    for start_s in (frames[0].timestamp_s, 0.0):  # from the beginning where seeking goes wrong
        keeper, bars, again = _keeper(options), BlackBars(), []
        for frame in read_frames(
            source, start_s=start_s, image_fps=video.fps, times_s=was, name=video.uri
        ):
            bars.add(frame.rgb)
            again.append(keeper.keep(frame, crop))
            if frame.timestamp_s >= frames[-1].timestamp_s:
                break
        # Where a clock restarts, another frame may have the same time on it.
        if [(frame.timestamp_s, frame.mark) for frame in again] == [
            (frame.timestamp_s, frame.mark) for frame in frames
        ]:
            break
    same = [_as_first_read(frame, was[frame.timestamp_s]) for frame in again]
    return same, bars.content() if options.remove_black_bars else crop


def _as_first_read(frame: Kept, first: Kept) -> Kept:
    """What only the frames before can tell: indices count from where a file is entered."""
    return frame._replace(
        source_frame_index=first.source_frame_index,
        stretch=first.stretch,
        num_lost=first.num_lost,
        processing=first.processing,
    )


def _within(frames: Sequence[Kept], start_s: float | None, end_s: float) -> Span:
    """The span, less holes that lie between its ends and the first and last frame."""
    first_s, last_s, until_s = frames[0].timestamp_s, frames[-1].timestamp_s, _shown_until_s(frames)
    start_s = first_s if start_s is None else start_s
    late, early = is_hole(np.array([first_s - start_s, end_s - last_s]), until_s - last_s)
    return first_s if late else start_s, until_s if early else end_s


def _shown_until_s(frames: Sequence[Kept]) -> float:
    """The end, where no shot says it: the last frame stays as long as the others."""
    times_s = [frame.timestamp_s for frame in frames]
    usual_s = np.median(np.diff(times_s)) if len(times_s) > 1 else 0.0
    return times_s[-1] + float(usual_s)


def _finish(video: Video, frames: Sequence[Kept], span: Span, options: CutOptions) -> CutClip:
    start_s, end_s = span
    crop_px = frames[0].crop_px
    width_px, height_px = fit(*crop_px[2:], options.max_side_px)
    hashes = ChangeHashes()
    for frame in frames:
        hashes.add(frame.thumbnail, frame.timestamp_s)
    num_lost = sum(frame.num_lost for frame in frames[1:])
    clip = Clip(
        clip_id=clip_id_of(video, start_s, end_s),
        video=video,
        start_s=start_s,
        end_s=end_s,
        timestamps_s=np.array([frame.timestamp_s for frame in frames], np.float64),
        source_frame_index=np.array([frame.source_frame_index for frame in frames], np.int32),
        width_px=width_px,
        height_px=height_px,
        crop_px=crop_px,
        processing=tuple(dict.fromkeys(note for frame in frames for note in frame.processing)),
        num_lost=num_lost,
        change_hashes=tuple(hashes.hashes),
    )
    # The last frame stays on the screen too; thousandths, because clocks are rounded.
    shown_s = round(frames[-1].timestamp_s - frames[0].timestamp_s + 1 / clip.fps, 3)
    num_source = frames[-1].source_frame_index - frames[0].source_frame_index + 1
    rejected = find_fault(
        options,
        clip_s=shown_s,
        fps=clip.fps,
        side_px=min(crop_px[2:]),
        looks=measured([frame.looks for frame in frames]),
        lost_share=num_lost / (num_lost + num_source),
    )
    return CutClip(clip=clip, jpegs=tuple(frame.jpeg for frame in frames), rejected=rejected)


def clip_id_of(video: Video, start_s: float, end_s: float) -> str:
    """The same span of the same file has the same id, wherever and whenever it is cut."""
    return hashlib.sha256(f"{video.sha256}:{start_s:.3f}:{end_s:.3f}".encode()).hexdigest()[:16]
