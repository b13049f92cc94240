"""Finds lines along rows and columns that no content crosses: borders of another video.

While the camera moves, content crosses every line that is fixed to the image, so that what lies on
one side of it at a moment continues what lies on the other. Across the border of an inset or of a
split screen nothing continues. Measured as the correlation over a line of the derivative along it:
0.2 to 0.6 between rows or columns that are 3 px apart, wherever in a scene they are, and 0 across
a cut, of whatever contrast. Of a clip's n independent samples a correlation is known to 1 / sqrt(n)
(one sample for 5 px of the line, times one for 5 px that the background travels).
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U8, Bool
from camvid.overlay.background import tracked_corners
from camvid.overlay.boxes import CUTS
from camvid.overlay.passing import (
    MAX_GRADIENT,
    MAX_IMAGES,
    MIN_TEXTURE,
    PATCH_PX,
    PassingScene,
    cut_ratio,
    evenly,
    smoothed,
    travel_px,
)

_APART_PX = 3  # blur and coding mix rows that are nearer
_BEFORE_PX = 1  # of them, before the pixel that a correlation is assigned to
_NOISE = 0.25  # variance of the derivative of coded images, in grey levels squared
_BESIDE_PX = (5, 14)  # what a line is compared with lies so far to either side of it
_CELL_PX = 8  # of a line, 1.6 patches of texture, for which evidence is cut off (_MAX_EVIDENCE)
_BARE = 0.05  # evidence against a cut where there is no texture: no line is all bare
# Ten split screens have evidence of 39 to 119 over all of a row or column; generated and real
# clips have 11 over three quarters of one, and 43 over two fifths.
_MIN_SPAN = 0.85  # of a row or column, for a split screen
_MIN_SPAN_EVIDENCE = 18.0  # log likelihood ratio
# Shorter ones, where the background goes across them: sides of small insets in dull places have
# evidence of 5 to 28.
_MIN_EVIDENCE = 4.0
_MAX_EVIDENCE = 2.0  # of 8 px: no cell decides alone
_REACH = 0.2  # of the image: how near a line motion is asked about
_MIN_CORNERS = 12  # on either side ...
_MIN_TIMES = 5  # ... at so many times
_MIN_ACROSS_PX = 10.0  # travel across the line, in which content would have crossed it
_MIN_APART = 0.3  # share by which the motions along it differ
_MIN_APART_PX = 1.0  # and at the least, since medians continued to the line scatter, too


class Cuts(NamedTuple):
    """Where a cut is measured."""

    lines: Bool  # [H, W] of shorter lines
    spans: Bool  # [H, W] of lines right across the image


def find_cuts(scene: PassingScene) -> Cuts:
    """The cuts in the images of a scene."""
    gray, step = scene.gray, scene.step
    times = [scene.starts[k] for k in evenly(len(scene.starts), MAX_IMAGES)]
    distance = travel_px(scene.spread)
    lines, spans = np.zeros((2, *gray.shape[1:]), bool)
    upright = gray.transpose(0, 2, 1), distance.T, lines.T, spans.T
    for images, travel, line, span in ((gray, distance, lines, spans), upright):
        found, whole = _Correlation.of(images[times]).cuts(travel)
        line[found] = True
        for row in whole:
            if _two_motions(images, times, step, row):
                span[row : row + 2] = True
    return Cuts(lines, spans)


class _Correlation(NamedTuple):
    """Correlation of the rows on either side of a level line: means over time, at each pixel."""

    product: F32  # [H, W] of the derivatives on both sides
    energy: F32  # [H, W] mean of their squares
    num_images: int

    @classmethod
    def of(cls, images: U8) -> "_Correlation":
        product = np.zeros(images.shape[1:], np.float32)
        energy = np.zeros_like(product)
        upper, lower = slice(None, -_APART_PX), slice(_APART_PX, None)
        line = slice(_BEFORE_PX, _BEFORE_PX - _APART_PX)
        for image in images:
            slope = cv2.Sobel(smoothed(image), cv2.CV_32F, 1, 0, ksize=1)
            along = np.clip(slope, -MAX_GRADIENT, MAX_GRADIENT)
            square = along * along / 2
            product[line] += along[upper] * along[lower]
            energy[line] += square[upper] + square[lower]
        return cls(product / np.float32(len(images)), energy / np.float32(len(images)), len(images))

    def cuts(self, travel: F32) -> tuple[Bool, list[int]]:
        """Cuts [H, W] of some length, and the rows that are cuts from end to end."""
        evidence = self._evidence(travel)
        best, start, end = _best_stretches(evidence)
        near = np.ones((2 * _BESIDE_PX[0] + 1, 1), np.uint8)
        peak = best == cv2.dilate(best[:, None], near)[:, 0]
        share = (end - start) / evidence.shape[1]
        whole = peak & (share >= _MIN_SPAN) & (best >= _MIN_SPAN_EVIDENCE)
        long = (end - start) * _CELL_PX >= CUTS.line * max(self.product.shape)
        lines = np.zeros(self.product.shape, bool)
        for row in np.flatnonzero(long & peak & ~whole & (best >= _MIN_EVIDENCE)):
            lines[row : row + 2, start[row] * _CELL_PX : end[row] * _CELL_PX] = True
        return lines, [int(row) for row in np.flatnonzero(whole)]

    def _evidence(self, travel: F32) -> F32:
        """Log likelihood ratio [H, w] in each cell of a row: a cut, over the scene beside it."""
        num = self.product.shape[1] // _CELL_PX
        product, energy, travel = (
            _cells(part, num) for part in (self.product, self.energy, travel)
        )
        near = cv2.blur(product, (3, 1)) / (cv2.blur(energy, (3, 1)) + _NOISE)
        above, below = _beside(np.asarray(near, np.float32))
        beside = np.minimum(above, below)  # a bare side is like nothing, as skies are
        samples = np.clip(travel / PATCH_PX, 1, self.num_images) * _CELL_PX / PATCH_PX
        ratio = cut_ratio(product / (energy + _NOISE), beside, samples)
        ratio = np.clip(ratio, -_MAX_EVIDENCE, _MAX_EVIDENCE)
        ratio[beside < MIN_TEXTURE] = -_BARE
        ratio[: _BESIDE_PX[1]] = ratio[-_BESIDE_PX[1] :] = -_MAX_EVIDENCE
        return np.asarray(ratio, np.float32)


def _cells(image: F32, num: int) -> F32:
    """Its means [H, num] over equal parts of each row."""
    height_px, width_px = image.shape
    whole = np.ascontiguousarray(image[:, : width_px // num * num])
    return np.asarray(cv2.resize(whole, (num, height_px), interpolation=cv2.INTER_AREA), np.float32)


def _best_stretches(evidence: F32) -> tuple[F32, NDArray[np.int64], NDArray[np.int64]]:
    """The stretch of each row with the greatest sum: that sum [H], its first cell and its end."""
    num_rows = len(evidence)
    total, best = np.zeros((2, num_rows), np.float32)
    begin, start, end = np.zeros((3, num_rows), np.int64)
    for k, cell in enumerate(evidence.T):
        begin[total <= 0] = k
        total = np.maximum(total, 0) + cell
        better = total > best
        best[better], start[better], end[better] = total[better], begin[better], k + 1
    return best, start, end


def _beside(correlation: F32) -> tuple[F32, F32]:
    """Its mean [H, W] above each pixel, and below."""
    near, far = _BESIDE_PX
    kernel = np.zeros((2 * far + 1, 1), np.float32)
    kernel[: far - near + 1] = 1 / (far - near + 1)
    above, below = (
        cv2.filter2D(correlation, cv2.CV_32F, side, borderType=cv2.BORDER_REFLECT)
        for side in (kernel, kernel[::-1].copy())
    )
    return np.asarray(above, np.float32), np.asarray(below, np.float32)


def _two_motions(images: U8, starts: Sequence[int], step: int, row: int) -> bool:
    """Whether what lies above and below a row of images [T, H, W] moves as one scene cannot.

    Content that goes across the row should have crossed it. Where all goes along it, both sides
    must differ: a level horizon parts what is unlike, but all of it pans alike.
    """
    reach = round(_REACH * images.shape[1])
    above = images[:, max(row - reach, 0) : row - 1][:, ::-1]
    below = images[:, row + _APART_PX : row + reach]
    shift_px = np.array(
        [[_shift_at_line(side[t], side[t + step]) for t in starts] for side in (above, below)]
    )
    share = np.minimum(np.diff([*starts, starts[-1] + step]), step) / step
    across = np.cumsum(np.nan_to_num(shift_px[..., 1]) * share, axis=1)
    if np.sqrt(12 * across.var(axis=1)).max() >= _MIN_ACROSS_PX:
        return True
    one, other = shift_px[..., 0][:, np.isfinite(shift_px[..., 0]).all(axis=0)]
    if len(one) < _MIN_TIMES:
        return False
    apart = np.maximum(_MIN_APART_PX, _MIN_APART * np.maximum(abs(one), abs(other)))
    return float(np.median(abs(one - other) / apart)) >= 1


def _shift_at_line(here: U8, there: U8) -> F32:
    """Shift [2] in px at the first row of images [h, W]; nan where there are few corners.

    The ground below a horizon moves the less the nearer it is to it, and not at all there: so the
    medians of the nearer and of the farther half of the corners are continued to the row.
    """
    start, end = tracked_corners(np.ascontiguousarray(here), np.ascontiguousarray(there))
    if len(start) < _MIN_CORNERS:
        return np.full(2, np.nan, np.float32)
    halves = np.array_split(np.argsort(start[:, 1]), 2)
    near_px, far_px = (float(np.median(start[half, 1])) for half in halves)
    near, far = (np.median((end - start)[half], axis=0) for half in halves)
    return np.asarray(near - (far - near) * near_px / max(far_px - near_px, 1), np.float32)
