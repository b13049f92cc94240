"""Tells edges that stand still from those of a mover that the camera follows.

A mover that is held in the middle of the image seems fixed to it, and so does a line along which
the camera pans. But a motion of its own, or the background's, explains most of how such a thing
changes; of what is fixed to the image no motion explains anything.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool
from camvid.morphology import grown
from camvid.overlay.background import BackgroundMotion
from camvid.overlay.passing import evenly, smoothed

# In steps of the background's motions: a line passes in one, a mover that is followed drifts in
# half a second or one.
_GAPS = (1, 4, 8)
_MAX_PAIRS = 6  # of images for each gap, of which the median counts: bound on work
_MAX_PIXELS = 1500  # of a thing's edges, evenly thinned, for seven unknowns: bound on work
_ITERATIONS = 8  # bound on work: the least on the way counts, which more steps can only lower
_MAX_CHANGE = 40.0  # grey levels, where cut off: what is hidden must not speak for all
_ROBUST = 8.0  # grey levels
_NOISE = 1.0  # grey levels: so little needs no explanation
_RIDGE = 1e-3  # squared grey levels: of a motion that nothing shows


def unexplained_change(
    edges: Bool, gray: U8, motions: Sequence[BackgroundMotion], step: int
) -> list[float]:
    """Shares of the edges' change that the likeliest motion does not explain, 0 to 1.

    Of changes over a short, a longer and a long time, as far as the clip goes; each is the median
    over several.

    Args:
        edges: pixels [H, W] of one thing.
        gray: images [T, H, W].
        motions: the background's, over `step` frames each, of the time in which it is seen.
    """
    row, column = np.nonzero(grown(edges, 1))
    thin = slice(None, None, 1 + len(row) // _MAX_PIXELS)
    xy_px = np.stack([column[thin], row[thin]], axis=1).astype(np.float64)
    left: list[float] = []
    for gap in _GAPS:
        pairs = [motion for motion in motions if motion.frame_index + gap * step < len(gray)]
        shares: list[float] = []
        for k in evenly(len(pairs), _MAX_PAIRS) if pairs else ():
            start = pairs[k].frame_index
            edge = _Edge.of(gray[start], gray[start + gap * step], xy_px)
            passed = xy_px[:, None]
            for _ in range(gap):
                moved = cv2.perspectiveTransform(passed, pairs[k].homography)
                passed = np.asarray(moved, np.float64)
            least = min(edge.least_change(xy_px), edge.least_change(passed[:, 0]))
            shares.append((least + _NOISE) / (edge.change(xy_px) + _NOISE))
        left += [float(np.median(shares))] if shares else []
    return left


class _Edge(NamedTuple):
    """Pixels of an edge in one image, and another image that they are looked for in."""

    grey: F64  # [n]
    there: F32  # [H, W]
    slope_x: F32  # [H, W] of it, in grey levels a pixel
    slope_y: F32
    basis: F64  # [n, 3] of affine motions: places about their middle, and 1

    @classmethod
    def of(cls, here: U8, there: U8, xy_px: F64) -> "_Edge":
        smooth = smoothed(there)
        x, y = (
            np.asarray(cv2.Scharr(smooth, cv2.CV_32F, *axes) / 32, np.float32)
            for axes in ((1, 0), (0, 1))
        )
        centred = xy_px - xy_px.mean(axis=0)
        scale = max(float(centred.std(axis=0).sum()), 1.0)
        basis = np.column_stack([centred / scale, np.ones(len(xy_px))])
        return cls(_sampled(smoothed(here), xy_px), smooth, x, y, basis)

    def change(self, xy_px: F64) -> float:
        """Mean change in grey levels of pixels that go to xy_px [n, 2]; all may grow brighter."""
        change = self._residual(xy_px)
        return float(np.minimum(np.abs(change), _MAX_CHANGE).mean())

    def least_change(self, xy_px: F64) -> float:
        """The least of `change` on the way from xy_px [n, 2] to an affine motion that suits best.

        Gauss and Newton's steps with Cauchy weights. Without weights (OpenCV's ECC) what passes
        behind the edges leads half of the fits astray.
        """
        least = np.inf
        for _ in range(_ITERATIONS):
            residual = self._residual(xy_px)
            least = min(least, float(np.minimum(np.abs(residual), _MAX_CHANGE).mean()))
            x, y = (_sampled(slope, xy_px)[:, None] for slope in (self.slope_x, self.slope_y))
            jacobian = np.hstack([self.basis * x, self.basis * y, np.ones((len(xy_px), 1))])
            weighted = jacobian / (1 + (residual[:, None] / _ROBUST) ** 2)
            normal = jacobian.T @ weighted + _RIDGE * len(xy_px) * np.eye(7)
            motion = -np.linalg.solve(normal, weighted.T @ residual)
            xy_px = xy_px + self.basis @ motion[:6].reshape(2, 3).T
        return min(least, self.change(xy_px))

    def _residual(self, xy_px: F64) -> F64:
        change = _sampled(self.there, xy_px) - self.grey
        return change - np.median(change)


def _sampled(image: F32, xy_px: F64) -> F64:
    """The image [H, W] at places [n, 2]."""
    x, y = xy_px.astype(np.float32).T[:, None]
    found = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found[0], np.float64)
