"""Cheap looks at a clip's frames: whether there is anything to work with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import U8
from camvid.errors import ConfigError
from camvid.outcome import Rejected
from camvid.reasons import Why, missed_limits
from camvid.settings import setting

LOOK_EVERY_S = 0.4
_CORNER_CONTRAST = 12  # grey levels, absolute: a relative test finds corners in fog
_COMB_CONTRAST = 10  # grey levels between lines
_COMB_COLUMNS = 8  # one in so many is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityOptions:
    """The least a clip must have; the name of an option is the reason of the rejection."""

    min_clip_s: float = setting(1.5, "s", "Shorter clips are refused.")
    # Slower: no two frames within the half second that motion is sought in.
    min_fps: float = setting(2.0, "frames/s", "Clips with fewer are refused.")
    min_side_px: int = setting(
        128, "px", "Sources whose shorter side, black bars off, is smaller are refused."
    )
    min_brightness: float = setting(
        24.0, "grey level", "The brightest hundredth of an image must exceed it; 0: no test."
    )
    min_corner_count: int = setting(40, "corners", "An image must hold as many; 0: no test.")
    min_frame_change: float = setting(  # sensor noise alone makes more
        4.0, "grey levels", "Some pixel must change by as much between frames; 0: no test."
    )
    max_combing: float = setting(  # woven fields have 0.12; of 60 whole clips the most was 0.03
        0.06,
        "share of the pixels",
        "More in alternating (woven) lines are refused; 1: no test.",
    )
    max_lost_share: float = setting(  # more is a hole in any half second
        0.1, "share of the frames", "Clips that lost more to damage are refused; 1: no test."
    )

    def __post_init__(self) -> None:
        for name in ("min_clip_s", "min_fps", "min_side_px"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}")
        for name in ("min_brightness", "min_frame_change", "min_corner_count"):
            value = getattr(self, name)
            if not value >= 0:
                raise ConfigError(f"{name} must be 0 (no test) or more, got {value}")
        for name in ("max_combing", "max_lost_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} must be in 0 to 1 (no test), got {value}")


class Looks(NamedTuple):
    """What a frame shows on its own, and how it differs from the one before."""

    brightness: float  # grey level that its brightest hundredth exceeds
    change: float | None  # grey levels of the pixel that changes most; None for a first frame
    corner_count: int | None  # None where nobody looked: it takes long
    combing: float | None  # share of the pixels; None where nobody looked


class Look:
    """Looks at frames in order, for corners and combing every so many seconds."""

    def __init__(self, every_s: float = LOOK_EVERY_S) -> None:
        self._corners = cv2.FastFeatureDetector.create(threshold=_CORNER_CONTRAST)
        self._every_s, self._next_s = every_s, -np.inf
        self._last: U8 | None = None

    def at(self, timestamp_s: float, rgb: U8, grey: U8) -> Looks:
        """Measures the next frame: as it was decoded, [H, W, 3], and as it is kept, [h, w]."""
        corner_count = combing = change = None
        if timestamp_s >= self._next_s:
            corner_count, combing = len(self._corners.detect(grey)), combing_of(grey_of(rgb))
            self._next_s = timestamp_s + self._every_s
        if self._last is not None and self._last.shape == grey.shape:
            change = float(cv2.absdiff(grey, self._last).max())
        self._last = grey
        brightness = float(np.percentile(grey[::4, ::4], 99))
        return Looks(brightness, change, corner_count, combing)


def measured(looks: Sequence[Looks]) -> dict[Why, float]:
    """What a clip's frames show together, by the reason why it may be too little, or too much."""
    changes = [frame.change for frame in looks[1:] if frame.change is not None]
    counts = [frame.corner_count for frame in looks if frame.corner_count is not None]
    combing = [frame.combing for frame in looks if frame.combing is not None]
    found = {Why.MIN_BRIGHTNESS: float(np.median([frame.brightness for frame in looks]))}
    if counts:  # else it is too short to be kept
        found[Why.MIN_CORNER_COUNT] = float(np.median(counts))
    found[Why.MIN_FRAME_CHANGE] = _frame_change(changes)
    if combing:
        found[Why.MAX_COMBING] = max(float(np.median(combing)), 0.0)
    return found


def _frame_change(changes: Sequence[float]) -> float:
    """The largest change of any pixel, frame to frame, as most of the clip shows it.

    Key frames make a still image pulse, so one pair in ten may change without meaning
    anything, unless it changes a lot: something passed through.
    """
    return max(float(np.percentile(changes, 90)), max(changes) / 10) if changes else 0.0


def combing_of(grey: U8) -> float:
    """Share of the pixels of lines that stand out against both neighbours, as woven fields do.

    Videos that were interlaced are made whole where their headers say so; this finds the others.
    What columns do alike is noise, or texture. To be seen at source size, [H, W]: scaling hides
    the lines.
    """
    if min(grey.shape) <= 4:
        return 0.0
    rows, columns = grey[:, ::_COMB_COLUMNS], grey.T[:, ::_COMB_COLUMNS]
    return _turning(rows) - _turning(columns)


def _turning(lines: U8) -> float:
    """Share of the pixels where brightness goes up and down from line to line, over four lines."""
    step = np.diff(lines.astype(np.int16), axis=0)
    up, down = step > _COMB_CONTRAST, step < -_COMB_CONTRAST
    turns = up[:-1] & down[1:] | down[:-1] & up[1:]
    return float((turns[:-2] & turns[1:-1] & turns[2:]).mean())


def find_fault(
    options: QualityOptions,
    *,
    clip_s: float,
    fps: float,
    side_px: int,
    looks: dict[Why, float],
    lost_share: float,
) -> Rejected | None:
    """The first test that the clip fails, if any."""
    measured: dict[Why, float] = {
        Why.MIN_CLIP_S: clip_s,
        Why.MIN_FPS: fps,
        Why.MIN_SIDE_PX: float(side_px),
        **looks,
        Why.MAX_LOST_SHARE: lost_share,
    }
    missed = missed_limits(measured, options)
    named = {why.rule.metric: value for why, value in measured.items()}
    return Rejected(missed[0], named) if missed else None


def grey_of(rgb: U8) -> U8:
    """Brightness of an image [H, W, 3]."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
