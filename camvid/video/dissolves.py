"""Finds dissolves and fades: spans whose frames are a linear blend of the two ends.

Three facts distinguish a dissolve from a moving camera. Its ends are different scenes; every frame
between lies on the line from one end to the other, at a share that grows evenly with time; and
contrast dips on the way, because unrelated images average out (to half, in the middle). A pan
fails the second test, a hard cut the evenness, a change of light the first or the third. A fade
to or from black is a dissolve with black.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F64, U8

_MAX_FPS = 31.0  # neighbours closer than this add nothing
_LENGTHS = (6, 8, 12, 16, 24, 32, 48)  # frames: from a quarter of a second to two
_CHUNK = 4096
_BLEND_SIZE_PX = (16, 9)  # coarse: what moves within either scene hardly shows
_CONTRAST_SIZE_PX = (64, 36)
_AS_GOOD_AS_BEST = 0.05  # in blend score: lengths are tried in coarse steps


@dataclass(frozen=True, slots=True, kw_only=True)
class DissolveOptions:
    """When a span counts as a dissolve.

    With these limits 90 % of dissolves of up to a second between moving shots are found, 60 % of
    those that last one and a half; no pan or other single shot passed.
    """

    min_fade_blend: float = 0.55  # 1 = exactly linear; pans with such a dip reach 0.35
    min_fade_contrast_dip: float = 0.25  # share of contrast missing in the middle third
    min_fade_difference: float = 15.0  # of the two ends, RMS in grey levels
    max_fade_correlation: float = 0.7  # of the two ends


class DissolveDetector:
    """Takes a video's frames in order and then tells where it dissolves."""

    def __init__(self, options: DissolveOptions) -> None:
        self._options = options
        self._index: list[int] = []  # of the frames kept, in the video
        self._num_frames = 0
        self._last_s = -np.inf
        self._thumbnails: list[U8] = []
        self._contrast: list[tuple[float, float]] = []

    def add(self, timestamp_s: float, rgb: U8) -> None:
        """Notes one frame, [H, W, 3]."""
        if timestamp_s - self._last_s >= 1 / _MAX_FPS:
            small = cv2.resize(rgb, _CONTRAST_SIZE_PX, interpolation=cv2.INTER_AREA)
            coarse = cv2.resize(small, _BLEND_SIZE_PX, interpolation=cv2.INTER_AREA)
            self._thumbnails.append(np.asarray(coarse, np.uint8).ravel())
            self._contrast.append(_contrast(np.asarray(small, np.uint8)))
            self._index.append(self._num_frames)
            self._last_s = timestamp_s
        self._num_frames += 1

    def find(self) -> list[tuple[int, int]]:
        """Dissolves as (first frame blended, first frame clean again), in order, apart."""
        spans: list[tuple[float, int, int]] = []
        for begin in range(0, len(self._index), _CHUNK):
            chunk = slice(begin, begin + _CHUNK + max(_LENGTHS))
            thumbnails, contrast = self._thumbnails[chunk], np.array(self._contrast[chunk])
            if len(thumbnails) > min(_LENGTHS):
                found = _score_spans(np.array(thumbnails), contrast, self._options)
                spans += [(score, begin + a, begin + b) for score, a, b in found]
        return [(self._index[a] + 1, self._index[b]) for a, b in _keep_apart(spans)]


def _contrast(rgb: U8) -> tuple[float, float]:
    """Variance and gradient energy of a small image: both fall when images are averaged."""
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float64)
    energy = np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean()
    return float(grey.var()), float(energy)


def _score_spans(
    thumbnails: U8, contrast: F64, options: DissolveOptions
) -> list[tuple[float, int, int]]:
    """(blend score, first, last) of every span that passes all tests.

    Args:
        thumbnails: [T, N] one flattened image per frame.
        contrast: [T, 2] of each frame.
    """
    products = _banded_products(thumbnails)
    means = thumbnails.mean(axis=1)
    found: list[tuple[float, int, int]] = []
    for length in (n for n in _LENGTHS if n < len(thumbnails)):
        num = len(thumbnails) - length
        first, last = products[0, :num], products[0, length:]
        across = products[length, :num]
        apart = first + last - 2 * across  # squared distance of the two ends
        mean_a, mean_b = means[:num], means[length:]
        spread = np.sqrt(np.maximum(first - mean_a**2, 1) * np.maximum(last - mean_b**2, 1))
        different = (across - mean_a * mean_b < options.max_fade_correlation * spread) & (
            apart >= options.min_fade_difference**2
        )
        dipped = _dip(contrast, length) >= options.min_fade_contrast_dip
        blend = np.where(different & dipped, _blend(products, length), 0.0)
        found += [
            (float(blend[s]), int(s), int(s) + length)
            for s in np.flatnonzero(blend >= options.min_fade_blend)
        ]
    return found


def _banded_products(thumbnails: U8) -> F64:
    """[K, T] mean product of frames k apart, starting at each; whole numbers, so exact."""
    num, size = thumbnails.shape
    whole = thumbnails.astype(np.int32)
    products = np.zeros((max(_LENGTHS) + 1, num))
    for k in range(min(len(products), num)):
        products[k, : num - k] = np.einsum("ij,ij->i", whole[: num - k], whole[k:])
    return products / size


def _blend(products: F64, length: int) -> F64:
    """How well each span of this length is an even blend of its ends: 1 is exactly."""
    num = products.shape[1] - length
    first, last, across = products[0, :num], products[0, length:], products[length, :num]
    apart = np.maximum(first + last - 2 * across, 1e-9)
    off_line, uneven = np.zeros(num), np.zeros(num)
    for k in range(1, length):
        own, to_first = products[0, k : k + num], products[k, :num]
        to_last = products[length - k, k : k + num]
        share = (to_last - to_first - across + first) / apart  # 0 at the first end, 1 at the last
        squared = own - 2 * to_first + first - share**2 * apart
        off_line = np.maximum(off_line, squared / apart)
        uneven = np.maximum(uneven, np.abs(share - k / length))
    return 1 - np.sqrt(np.maximum(off_line, 0)) - uneven


def _dip(contrast: F64, length: int) -> F64:
    """Least share of contrast that each span lacks in its middle third, against its ends."""
    num = len(contrast) - length
    ratio = np.zeros((num, 2))
    for k in range(length // 3 + 1, length - length // 3 + 1):
        share = k / length
        expected = (1 - share) * contrast[:num] + share * contrast[length:] + 1
        ratio = np.maximum(ratio, contrast[k : k + num] / expected)
    return 1 - ratio.max(axis=1)


def _keep_apart(spans: list[tuple[float, int, int]]) -> list[tuple[int, int]]:
    """The best spans first, widened by those that fit the same dissolve nearly as well."""
    kept: list[tuple[int, int]] = []
    left = sorted(spans, reverse=True)
    while left:
        best, begin, end = left[0]
        same = [
            (a, b) for s, a, b in left if a < end and b > begin and s >= best - _AS_GOOD_AS_BEST
        ]
        begin, end = min(a for a, _ in same), max(b for _, b in same)
        kept.append((begin, end))
        left = [span for span in left if span[1] >= end or span[2] <= begin]
    return sorted(kept)
