"""Cheap looks at a clip's frames: black bars, and whether there is anything to work with."""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import U8
from camvid.errors import ConfigError
from camvid.outcome import Rejected
from camvid.reasons import Why, missed_limits
from camvid.settings import setting

Rect = tuple[int, int, int, int]  # x, y, width, height in pixels

_CORNER_CONTRAST = 12  # grey levels, absolute: a relative test finds corners in fog
_LOOK_EVERY = 10  # frames
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


class Looks:
    """Brightness, change and texture of a clip, measured frame by frame at the working size."""

    def __init__(self) -> None:
        self._corners = cv2.FastFeatureDetector.create(threshold=_CORNER_CONTRAST)
        self._last: U8 | None = None
        self._brightness: list[float] = []
        self._change: list[float] = []
        self._corner_count: list[int] = []

    def add(self, grey: U8) -> None:
        """Measures one frame, [H, W]."""
        if len(self._brightness) % _LOOK_EVERY == 0:
            self._corner_count.append(len(self._corners.detect(grey)))
        self._brightness.append(float(np.percentile(grey[::4, ::4], 99)))
        if self._last is not None and self._last.shape == grey.shape:
            self._change.append(float(cv2.absdiff(grey, self._last).max()))
        self._last = grey

    def measured(self) -> dict[Why, float]:
        """The measures, by the reason of those that are too low."""
        return {
            Why.MIN_BRIGHTNESS: float(np.median(self._brightness)),
            Why.MIN_CORNER_COUNT: float(np.median(self._corner_count)),
            Why.MIN_FRAME_CHANGE: self._frame_change(),
        }

    def _frame_change(self) -> float:
        """The largest change of any pixel, frame to frame, as most of the clip shows it.

        Key frames make a still image pulse, so one pair in ten may change without meaning
        anything, unless it changes a lot: something passed through.
        """
        if not self._change:
            return 0.0
        change = np.array(self._change)
        return float(max(np.percentile(change, 90), change.max() / 10))


class Combing:
    """How many lines of a clip stand out against both neighbours in turn, as woven fields do.

    Videos that were interlaced are made whole where their headers say so; this finds the others.
    What columns do alike is noise, or texture.
    """

    def __init__(self) -> None:
        self._num_frames = 0
        self._shares: list[float] = []

    def add(self, grey: U8) -> None:
        """Notes one frame at source size, [H, W]: scaling hides the lines."""
        if self._num_frames % _LOOK_EVERY == 0 and min(grey.shape) > 4:
            rows, columns = grey[:, ::_COMB_COLUMNS], grey.T[:, ::_COMB_COLUMNS]
            self._shares.append(_turning(rows) - _turning(columns))
        self._num_frames += 1

    def measured(self) -> float:
        """The median share of pixels."""
        return max(float(np.median(self._shares)), 0.0) if self._shares else 0.0


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
    combing: float,
    lost_share: float,
) -> Rejected | None:
    """The first test that the clip fails, if any."""
    measured: dict[Why, float] = {
        Why.MIN_CLIP_S: clip_s,
        Why.MIN_FPS: fps,
        Why.MIN_SIDE_PX: float(side_px),
        **looks,
        Why.MAX_COMBING: combing,
        Why.MAX_LOST_SHARE: lost_share,
    }
    missed = missed_limits(measured, options)
    named = {why.rule.metric: value for why, value in measured.items()}
    return Rejected(missed[0], named) if missed else None


class BlackBars:
    """Finds letterbox and pillarbox bars: black in every frame, straight, with a sharp edge.

    Bars alike on both sides may be as light as lossy coding makes them, and their edge need be lit
    in one place. A single bar, or one wider than its opposite, could be a night sky or a dark
    floor: it must be truly black, but for text or a logo on it, and lit along most of its edge.
    Black corners and vignettes are neither.
    """

    MAX_LEVEL = 20  # grey level: black after lossy coding
    TRUE_BLACK = 2  # median grey level of a bar at its brightest; coding leaves 0 or 1
    MIN_EDGE_LEVEL = 48  # reached right beside the bar at some time in the clip
    EDGE_PX = 6  # how far the bar's edge may be smeared
    INSET_PX = 2  # half-black pixels at the edge go with the bar
    MAX_ASYMMETRY = 0.02  # of the side, between two bars that are alike
    MIN_SHARE = 0.01  # of the side, both bars together: less is not worth a crop
    MIN_EDGE_SHARE = 0.6  # of a single bar's edge, lit on one side and black on the other
    _STRIP_PX = 8  # averaged along the bar, so that coding noise does not lighten it

    def __init__(self) -> None:
        self._rows: U8 = np.zeros((0, 0), np.uint8)  # [H, strips] brightest so far
        self._columns: U8 = np.zeros((0, 0), np.uint8)  # [W, strips]

    def add(self, grey: U8) -> None:
        """Notes one frame at source size, [H, W]."""
        height, width = grey.shape
        strips = (max(1, width // self._STRIP_PX), max(1, height // self._STRIP_PX))
        along_rows = cv2.resize(grey, (strips[0], height), interpolation=cv2.INTER_AREA)
        along_columns = cv2.resize(grey, (width, strips[1]), interpolation=cv2.INTER_AREA)
        if not len(self._rows):
            self._rows = np.zeros((height, strips[0]), np.uint8)
            self._columns = np.zeros((width, strips[1]), np.uint8)
        np.maximum(self._rows, along_rows, out=self._rows)
        np.maximum(self._columns, along_columns.T, out=self._columns)

    def content(self) -> Rect:
        """What the bars leave of the frame."""
        top, bottom = self._bars(self._rows)
        left, right = self._bars(self._columns)
        return left, top, len(self._columns) - left - right, len(self._rows) - top - bottom

    def _bars(self, brightest: U8) -> tuple[int, int]:
        """Widths of the two bars along one axis, from the brightest values seen, [side, strips]."""
        size = len(brightest)
        profile = brightest.max(axis=1)
        bars = self._bar(profile), self._bar(profile[::-1])
        if abs(bars[0] - bars[1]) <= self.MAX_ASYMMETRY * size:
            return bars if sum(bars) >= self.MIN_SHARE * size else (0, 0)
        return self._single_bar(brightest), self._single_bar(brightest[::-1])

    def _bar(self, brightest: U8) -> int:
        lit = np.flatnonzero(brightest > self.MAX_LEVEL)
        if not len(lit) or lit[0] == 0:
            return 0
        edge = int(lit[0])
        sharp = brightest[edge : edge + self.EDGE_PX].max() >= self.MIN_EDGE_LEVEL
        return edge + self.INSET_PX if sharp else 0

    def _single_bar(self, brightest: U8) -> int:
        """The innermost edge that passes: text on the bar has edges of its own further out."""
        lit = brightest > self.MAX_LEVEL
        across = lit.mean(axis=0) > self.MIN_SHARE  # else the strip runs along another bar
        share = lit[:, across].mean(axis=1) if across.any() else np.zeros(len(lit))
        enough = share >= self.MIN_EDGE_SHARE / 2
        edges = np.flatnonzero(enough[1:] & ~enough[:-1]) + 1
        least = max(self.INSET_PX + 1, self.MIN_SHARE * len(brightest))
        for edge in edges[(edges >= least) & (edges < len(brightest) / 2)][::-1].tolist():
            beside = brightest[edge : edge + self.EDGE_PX].max(axis=0) >= self.MIN_EDGE_LEVEL
            outside = brightest[max(0, edge - self.EDGE_PX) : edge - self.INSET_PX].max(axis=0)
            sharp = beside & (outside <= self.MAX_LEVEL)
            truly_black = np.median(brightest[: edge - self.INSET_PX]) <= self.TRUE_BLACK
            if truly_black and sharp.sum() >= self.MIN_EDGE_SHARE * across.sum():
                return edge + self.INSET_PX
        return 0
