"""What images show of a scene that passes: how far it went, and whether it goes on across a line.

A scene that passes brings ever new content past each pixel, but all of it is alike on both sides of
any line: what lies on one side at a moment continues what lies on the other.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U8, Bool
from camvid.geometry import Floats

MAX_GRADIENT = 20.0  # grey levels a pixel, where cut off: one strong edge must not speak for all
PATCH_PX = 5.0  # scene texture is independent from about so far on
DEVIATION = 0.8  # of the gradient at one look, over its mean
SCATTER = 0.15  # of a scene's own correlations (their arctanh) and log contrasts, beside chance
MIN_TEXTURE = 0.12  # correlation of the scene, below which nothing can drop
MAX_IMAGES = 48  # that evidence is gathered from
# Share of a region's frame that stands still, from which it is a window or a windscreen: .67 to .93
# around eight of them, 0 to .52 around insets.
STILL_FRAME = 0.6
_BLUR_PX = 0.8  # deviation of the Gaussian: a trade-off of noise against edges a pixel wide
_MAX_CORRELATION = 0.95  # numerical guard: arctanh has no end at 1


class PassingScene(NamedTuple):
    """What is known of a clip whose scene passes behind whatever is fixed to the image."""

    gray: U8  # [T, H, W]
    starts: list[int]  # frames from which on it passes, ...
    step: int  # ... over so many frames
    spread: F32  # [H, W, 3] variances xx, xy and yy of the background's places, in px^2
    change: F32  # [H, W] deviation of each pixel from its mean over time, in grey levels
    still: Bool  # [H, W] where that is so small that nothing passes


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Indices of `count` things, of more than `most` some that are evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def travel_px(spread: F32) -> F32:
    """How far [H, W] the background went: an even motion's whole length has that spread.

    `spread` [H, W, 3] are the variances xx, xy and yy of its places, in px^2.
    """
    return np.sqrt(12 * np.maximum(spread[..., 0] + spread[..., 2], 0))


def travel_across_px(spread: F32, x: F32 | float, y: F32 | float) -> F32:
    """The same across a line whose normal is (x, y), or [H, W] each, of whatever length."""
    variance = x * x * spread[..., 0] + 2 * x * y * spread[..., 1] + y * y * spread[..., 2]
    squared = 12 * np.maximum(variance, 0) / np.maximum(x * x + y * y, 1e-12)
    return np.asarray(np.sqrt(squared), np.float32)


def smoothed(gray: U8) -> F32:
    """The image [H, W] as its derivatives are taken of."""
    return np.asarray(cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _BLUR_PX), np.float32)


def cut_ratio(correlation: Floats, beside: Floats, samples: Floats) -> F32:
    """Log likelihood ratio [h, w] that no content crosses a line, over the scene beside it.

    Args:
        correlation: over the line, of the derivatives along it: 0 across a cut of any contrast.
        beside: the scene's own, beside the line.
        samples: how many independent ones they come from; a correlation of n is known to
            1 / sqrt(n).
    """
    here, scene = (np.arctanh(np.clip(c, 0, _MAX_CORRELATION)) for c in (correlation, beside))
    variance = 1 / samples + SCATTER**2
    ratio = (np.maximum(scene - here, 0) ** 2 - here**2) / (2 * variance)
    return np.asarray(ratio, np.float32)
