"""Evidence, at each pixel and in each direction, for the outline of something fixed to the image.

Two things are measured over time. What lies on one side of a line at a moment continues what lies
on the other unless another video begins there (as `cuts` has it, but in eight directions). And the
gradient across an outline stays where it is, while elsewhere, averaged over what the background
brings past, it is the same all around (as `fixed_edges` has it). Each is a log likelihood ratio.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, U8
from camvid.overlay.passing import (
    DEVIATION,
    MAX_GRADIENT,
    MIN_TEXTURE,
    PATCH_PX,
    SCATTER,
    cut_ratio,
    smoothed,
    travel_across_px,
    travel_px,
)

LONG_SIDE_PX = 320  # images are reduced to about so much
# Across a line in each of eight directions, from one side to the other.
NORMALS_PX = ((3, 0), (3, 1), (2, 2), (1, 3), (0, 3), (-1, 3), (-2, 2), (-3, 1))
_PATCH_PX = PATCH_PX / 2  # in reduced images
_LINE_PX = 9  # of the line over which both are averaged
_NOISE = 0.12  # variance of the derivative of coded images, in grey levels squared
_BESIDE_PX = 6.0  # the scene's own correlation is taken so far to either side
_BESIDE_BOX_PX = 7  # and averaged over a box of this side, which ends short of the line
_MAX_RATIO = 4.5  # of a line of nine pixels
_EDGE_PX = 3.5  # an edge, one or two pixels wide, is compared with what lies so far to its sides
_GROUND = 0.3  # grey levels a pixel: gradients below are noise
_OUTLINE_CONTRAST = (0.6, 0.5)  # log contrast of 40 made outlines: mean, deviation
_FULL_TRAVEL_PX = 40.0  # across the line, from which a fixed edge counts in full
# Of a pixel of a curve. A streak along the motion has no content that crosses it either, but no
# edge that stays: so the first counts little for itself.
_CUT_RANGE = (-0.2, 0.1)
_EDGE_RANGE = (-0.45, 0.3)  # so this counts two to three times as much


class Reduced(NamedTuple):
    """Images at a whole fraction of their size."""

    gray: U8  # [T, h, w]
    factor: int


def reduced(gray: U8) -> Reduced:
    """Images gray [T, H, W], at some 320 px."""
    factor = max(1, round(max(gray.shape[1:]) / LONG_SIDE_PX))
    height, width = gray.shape[1] // factor, gray.shape[2] // factor
    whole = gray[:, : height * factor, : width * factor]
    if factor == 1:
        return Reduced(whole, 1)
    size = (width, height)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in whole]
    return Reduced(np.stack(small), factor)


def outline_evidence(images: Reduced, spread: F32) -> F32:
    """Log likelihood ratio [8, h, w] for each pixel of an outline, for each of NORMALS_PX.

    Args:
        spread: [H, W, 3] variances xx, xy and yy of the background's places, in px^2.
    """
    num, height, width = images.gray.shape
    small = cv2.resize(spread, (width, height), interpolation=cv2.INTER_AREA) / images.factor**2
    small = np.asarray(small, np.float32)
    travel = travel_px(small)
    found = np.empty((len(NORMALS_PX), height, width), np.float32)
    for k, (normal, means) in enumerate(zip(NORMALS_PX, _means(images.gray), strict=True)):
        cut = _cut_ratio(means, normal, travel, num) / _LINE_PX
        edge = (
            _edge_ratio(means.gradient, normal, travel_across_px(small, *_unit(normal)), num)
            / _LINE_PX
        )
        found[k] = np.clip(cut, *_CUT_RANGE) + np.clip(edge, *_EDGE_RANGE)
    return np.minimum(found, _EDGE_RANGE[1])


class _Means(NamedTuple):
    """Over time, at each pixel of a line of one direction."""

    product: F32  # [h, w] of the derivatives along the line on either side
    energy: F32  # [h, w] of their squares
    gradient: F32  # [h, w] across the line


def _means(gray: U8) -> Iterator[_Means]:
    shape = (len(NORMALS_PX), *gray.shape[1:])
    product, energy, gradient = (np.zeros(shape, np.float32) for _ in range(3))
    for image in gray:
        smooth = smoothed(image)
        slopes = (cv2.Sobel(smooth, cv2.CV_32F, *d, ksize=1) for d in ((1, 0), (0, 1)))
        x, y = (np.clip(slope, -MAX_GRADIENT, MAX_GRADIENT) for slope in slopes)
        for k, (dx, dy) in enumerate(NORMALS_PX):
            nx, ny = _unit((dx, dy))
            along = ny * x - nx * y
            half_square = along * along / 2
            (top, low, row), (left, right, column) = (
                _apart(d, n) for d, n in zip((dy, dx), along.shape, strict=True)
            )
            product[k, row, column] += along[top, left] * along[low, right]
            energy[k, row, column] += half_square[top, left] + half_square[low, right]
            gradient[k] += np.abs(nx * x + ny * y)
    num = np.float32(len(gray))
    for k in range(len(NORMALS_PX)):
        yield _Means(product[k] / num, energy[k] / num, gradient[k] / num)


def _apart(distance: int, size: int) -> tuple[slice, slice, slice]:
    """Two views of an axis at a distance from each other, and the pixels between."""
    back, forth, middle = max(-distance, 0), max(distance, 0), abs(distance) // 2
    return (
        slice(back, size - forth),
        slice(forth, size - back),
        slice(middle, size - abs(distance) + middle),
    )


def _cut_ratio(means: _Means, normal: tuple[int, int], travel: F32, num: int) -> F32:
    """For a line [h, w] that no content crosses."""
    line = _line(normal)
    product, energy = (_filtered(part, line) for part in (means.product, means.energy))
    box = (_BESIDE_BOX_PX, _BESIDE_BOX_PX)
    near = cv2.blur(means.product, box) / (cv2.blur(means.energy, box) + _NOISE)
    beside = np.minimum(*_beside(np.asarray(near, np.float32), normal, _BESIDE_PX))
    samples = np.clip(travel / _PATCH_PX, 1, num) * _LINE_PX / _PATCH_PX
    ratio = cut_ratio(product / (energy + _NOISE), beside, samples)
    ratio[beside < MIN_TEXTURE] = 0
    return np.asarray(np.clip(ratio, -_MAX_RATIO, _MAX_RATIO), np.float32)


def _edge_ratio(gradient: F32, normal: tuple[int, int], across: F32, num: int) -> F32:
    """For a line [h, w] with an edge that stays."""
    line = _filtered(gradient, _line(normal))
    beside = np.maximum(*_beside(line, normal, _EDGE_PX))
    contrast = np.log((line + _GROUND) / (beside + _GROUND))
    samples = np.clip(across / _PATCH_PX, 0.3, num) * _LINE_PX / _PATCH_PX
    variance = DEVIATION**2 / samples + SCATTER**2
    mean, deviation = _OUTLINE_CONTRAST
    outline = variance + deviation**2
    ratio = (contrast**2 / variance - (contrast - mean) ** 2 / outline) / 2
    ratio -= np.log(outline / variance) / 2
    share = np.clip(across / _FULL_TRAVEL_PX, 0, 1)
    return np.asarray(np.clip(ratio, -_MAX_RATIO, _MAX_RATIO) * share, np.float32)


def _unit(normal: tuple[int, int]) -> tuple[float, float]:
    length = float(np.hypot(*normal))
    return normal[0] / length, normal[1] / length


def _line(normal: tuple[int, int]) -> F32:
    """A kernel that averages along a line."""
    size = _LINE_PX + 2
    line = np.zeros((size, size), np.float32)
    x, y = _unit(normal)
    for step in np.linspace(-(_LINE_PX - 1) / 2, (_LINE_PX - 1) / 2, 4 * _LINE_PX):
        column, row = size // 2 - step * y, size // 2 + step * x
        left, top = int(column), int(row)
        right_share, low_share = column - left, row - top
        line[top : top + 2, left : left + 2] += np.outer(
            [1 - low_share, low_share], [1 - right_share, right_share]
        )
    return line / line.sum()


def _filtered(image: F32, kernel: F32) -> F32:
    found = cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32)


def _beside(image: F32, normal: tuple[int, int], distance_px: float) -> Sequence[F32]:
    """Its values [h, w] at a distance to either side."""
    x, y = (round(distance_px * part) for part in _unit(normal))
    size = image.shape[::-1]
    sides: list[F32] = []
    for sign in (1, -1):
        shift = np.array([[1, 0, sign * x], [0, 1, sign * y]], np.float32)
        moved = cv2.warpAffine(
            image, shift, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
        )
        sides.append(np.asarray(moved, np.float32))
    return sides
