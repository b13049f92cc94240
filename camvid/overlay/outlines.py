"""Finds insets of whatever outline: closed curves fixed to the image that no content crosses.

Rectangles, rounded ones and ellipses of all places and sizes are tried, coarse to fine; the
evidence for an outline is the sum of its pixels' log likelihood ratios.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, Bool
from camvid.morphology import grown
from camvid.overlay.outline_evidence import NORMALS_PX, outline_evidence, reduced
from camvid.overlay.passing import MAX_IMAGES, STILL_FRAME, PassingScene, evenly, smoothed
from camvid.overlay.regions import Overlay, share_px

_CELL_PX = 6  # of the rough search, in which there are 36 times fewer places than pixels
_ROUGH_BIAS = 0.1  # what the best of the pixels of a cell shows by chance
_UNSEEN = -0.1  # for a pixel of a curve beyond the image
_BORDER_PX = 6  # at the image's sides nothing can be measured
_MARGIN_PX = 20  # by which an outline may reach beyond the image
_PAD = 2  # cells by which a rough outline may reach beyond the image
# Roundness, and whether an ellipse. Each is looked for at all places and in all sizes: so few.
_ROUGH_SHAPES = ((0.0, False), (0.5, False), (1.0, False), (1.0, True))
# Looked for only where a rough one was found: so twice as many.
_FINE_SHAPES = (*((r, False) for r in (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0)), (1.0, True))
_FINE_STEPS_PX = (3, 2, 1, 1)  # from half a cell of the rough search down to a pixel
_MAX_ROUNDS = 3  # of each step: bound on work, with an end before where nothing gets better
Move = tuple[int, int, int, int]  # of the left, top, right and bottom side
_MOVES: tuple[Move, ...] = (
    (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 1, 0), (0, 1, 0, 1),
)  # fmt: skip
_SHORTEST_PX = 14  # what a side is compared with lies up to 9 px within: short of the opposite one
_FINE_CELLS = 10  # of longer rough sides every other length is tried

# What counts as an inset's outline; lengths are shares of the long side.
#
# Of 47 made insets that were looked at once (circles, ellipses, plain and rounded rectangles in
# real and generated videos; lines, soft edges and shadows; images of 640x360 to 320x180) straight
# borders alone had 14 refused, 12 left out as overlay and 21 missed; with outlines it is 22, 13
# and 12. What is missed lies in hosts that hardly move or are bare. The search takes a fifth to a
# quarter of the time of all others for overlay, at 320x180 as much as four fifths.
#
# Log likelihood ratio: of 40 insets 8 to 80 in the middle; an ellipse of another texture that
# the camera follows to 3 px has 15, a road below a followed car 10 to 16, other scenes 8 and
# less. At 16 none of 20 real, 61 generated and 37 made scenes (windows, doors, screens,
# paintings, signs, windscreens) is refused.
_MIN_EVIDENCE = 16.0
_MIN_STILL_EVIDENCE = 25.0  # of what stands still: a sign that the camera orbits has 21
# Mean gradient within, in grey levels a pixel: a bare wall has .3, insets 2.4 and more.
_MIN_TEXTURE = 1.0
_NUM_TEXTURE = 8  # images that it is taken of
_AROUND = 0.01  # width of the ring around it that may be a still frame (STILL_FRAME)
_MAX_KNOWN = 0.9  # of its inside a fixed overlay: a logo of glass lets the scene through
_MIN_AREA = 0.012  # of the image
_MIN_SIDE = 0.0625  # smallest to be found: about the short side of _MIN_AREA at _MAX_ASPECT
_MAX_SIDE = 0.6  # bound on the search: longer ones are of split screens, which `cuts` finds
_MAX_ASPECT = 2.5  # longer over shorter side, bound on the search: wide-screen video has 2.39
_NUM_CANDIDATES = 20  # bound on work: rough outlines that go through the first fine step
_NUM_REFINED = 6  # bound on work: the best of them, which go through all steps


class Outline(NamedTuple):
    """A rectangle with rounded corners, in pixels of the reduced images; or an ellipse."""

    left: float
    top: float
    right: float
    bottom: float
    roundness: float  # radius of its corners, over half the shorter side
    is_ellipse: bool


class _Curve(NamedTuple):
    """A curve about the origin, at even distances."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    direction: NDArray[np.int64]  # of its normal, among NORMALS_PX
    step_px: float


def add_outlined(overlay: Overlay, scene: PassingScene) -> Overlay:
    """The overlay with what has an outline of its own."""
    still = scene.still
    fixed, inset = overlay.fixed.copy(), overlay.inset.copy()
    taken, texture = np.zeros(still.shape, bool), _texture(scene)
    for evidence, region in _outlined(scene):
        if region.mean() < _MIN_AREA or (region & taken).any():
            continue
        if texture[region].mean() < _MIN_TEXTURE:
            continue
        taken |= region  # the best outline of a thing tells what it is
        if overlay.fixed[region].mean() > _MAX_KNOWN:
            continue
        if still[_around(region)].mean() > STILL_FRAME:
            continue
        stands_still = still[region].mean() > 0.5
        if stands_still and evidence < _MIN_STILL_EVIDENCE:
            continue
        (fixed if stands_still else inset)[region] = True
    return Overlay(fixed & ~inset, inset)


def _texture(scene: PassingScene) -> F32:
    """Mean gradient [H, W] in grey levels a pixel."""
    images = [smoothed(scene.gray[t]) for t in evenly(len(scene.gray), _NUM_TEXTURE)]
    slopes = [(cv2.Sobel(i, -1, 1, 0) / 8, cv2.Sobel(i, -1, 0, 1) / 8) for i in images]
    return np.asarray(np.mean([np.hypot(x, y) for x, y in slopes], axis=0), np.float32)


def _outlined(scene: PassingScene) -> Iterator[tuple[float, Bool]]:
    """The evidence for outlines, the best first, and the regions [H, W] within."""
    shown = [scene.starts[k] for k in evenly(len(scene.starts), MAX_IMAGES)]
    images = reduced(scene.gray[shown])
    evidence = outline_evidence(images, scene.spread)
    padded = _padded(evidence)
    rough = [_refined(padded, outline, _FINE_STEPS_PX[:1]) for outline in _candidates(evidence)]
    best = sorted(set(rough), reverse=True)[:_NUM_REFINED]
    fine = {_refined(padded, outline, _FINE_STEPS_PX) for _, outline in best}
    for score, outline in sorted(fine, reverse=True):
        if score >= _MIN_EVIDENCE:
            yield score, _filled(outline, images.factor, scene.gray.shape[1:])


def _padded(evidence: F32) -> F32:
    """The evidence [8, h, w] with what is not seen around it."""
    seen = evidence[:, _BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX]
    width = _BORDER_PX + _MARGIN_PX
    around = ((0, 0), (width, width), (width, width))
    return np.pad(seen, around, constant_values=_UNSEEN)


def _around(region: Bool) -> Bool:
    """A ring [H, W] around the region, at a small distance."""
    near = grown(region, share_px(_AROUND / 2, region))
    return grown(near, share_px(_AROUND, region)) & ~near


def _candidates(evidence: F32) -> list[Outline]:
    """The best rough outlines [left, top, right, bottom] unlike each other, in reduced pixels."""
    cells = _pooled(evidence)
    rows, columns = cells.shape[1] - 2 * _PAD, cells.shape[2] - 2 * _PAD
    least, most = (round(share * max(rows, columns)) for share in (_MIN_SIDE, _MAX_SIDE))
    rough: list[tuple[float, tuple[int, int, int, int], tuple[float, bool]]] = []
    sizes = [n for n in range(least, most + 1) if n <= _FINE_CELLS or n % 2 == 0]
    for width, height in product(sizes, sizes):
        usual = max(width, height) <= _MAX_ASPECT * min(width, height)
        if usual and width <= columns and height <= rows:
            for shape in _ROUGH_SHAPES:
                places = _everywhere(cells, _curve(width, height, *shape))
                for _ in range(2):
                    y, x = divmod(int(places.argmax()), places.shape[1])
                    box = (x - _PAD, y - _PAD, x - _PAD + width, y - _PAD + height)
                    rough.append((float(places[y, x]), box, shape))
                    places[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -np.inf
    kept: list[tuple[tuple[int, int, int, int], tuple[float, bool]]] = []
    for _, box, shape in sorted(rough, reverse=True):
        if all(max(abs(a - b) for a, b in zip(box, other, strict=True)) > 1 for other, _ in kept):
            kept.append((box, shape))
        if len(kept) == _NUM_CANDIDATES:
            break
    return [_at_cells(box, shape) for box, shape in kept]


def _at_cells(box: tuple[int, int, int, int], shape: tuple[float, bool]) -> Outline:
    left, top, right, bottom = (_CELL_PX * (c + 0.5) - 0.5 for c in box)
    return Outline(left, top, right, bottom, *shape)


def _pooled(evidence: F32) -> F32:
    """The best in each cell [8, rows, columns], over what is usual in that direction."""
    num, height, width = evidence.shape
    rows, columns = height // _CELL_PX, width // _CELL_PX
    whole = evidence[:, : rows * _CELL_PX, : columns * _CELL_PX]
    cells = whole.reshape(num, rows, _CELL_PX, columns, _CELL_PX).max(axis=(2, 4))
    usual = np.maximum(cells.mean(axis=(1, 2), keepdims=True), 0) + _ROUGH_BIAS
    beyond = ((0, 0), (_PAD, _PAD), (_PAD, _PAD))
    return np.asarray(np.pad(cells - usual, beyond, constant_values=_UNSEEN), np.float32)


def _everywhere(cells: F32, curve: _Curve) -> F32:
    """The curve's mean, times the root of its length, with its box at each place."""
    x, y = (np.rint(part - part.min()).astype(int) for part in (curve.x, curve.y))
    rows, columns = cells.shape[1] - int(y.max()), cells.shape[2] - int(x.max())
    total = np.zeros((rows, columns), np.float32)
    for left, top, direction in zip(x, y, curve.direction, strict=True):
        total += cells[direction, top : top + rows, left : left + columns]
    return np.asarray(total * np.sqrt(curve.step_px / len(x)), np.float32)


@lru_cache(maxsize=8192)
def _curve(width: float, height: float, roundness: float, is_ellipse: bool) -> _Curve:
    half = np.array([width, height]) / 2
    corner = half if is_ellipse else np.full(2, roundness * half.min())
    angle = np.linspace(0, np.pi / 2, 48)
    quarter = np.stack([np.cos(angle), np.sin(angle)], axis=1) * corner + half - corner
    turned = [quarter, quarter[::-1] * (-1, 1), -quarter, quarter[::-1] * (1, -1), quarter[:1]]
    corners = np.concatenate(turned)
    along = np.append(0, np.cumsum(np.hypot(*np.diff(corners, axis=0).T)))
    num = int(np.ceil(along[-1]))
    step_px = float(along[-1] / num)
    at = (np.arange(num) + 0.5) * step_px
    x, y = (np.interp(at, along, part) for part in corners.T)
    tangent_x, tangent_y = (
        np.interp((at + 0.25) % along[-1], along, part)
        - np.interp((at - 0.25) % along[-1], along, part)
        for part in corners.T
    )
    normal = np.arctan2(-tangent_x, tangent_y)
    direction = np.rint(normal / np.pi * len(NORMALS_PX)).astype(int) % len(NORMALS_PX)
    return _Curve(x, y, direction, step_px)


def _score(padded: F32, outline: Outline) -> float:
    """The evidence for the outline."""
    left, top, right, bottom, roundness, is_ellipse = outline
    curve = _curve(right - left, bottom - top, roundness, is_ellipse)
    x = (curve.x + ((left + right) / 2 + _MARGIN_PX + 0.5)).astype(np.int64)
    y = (curve.y + ((top + bottom) / 2 + _MARGIN_PX + 0.5)).astype(np.int64)
    return curve.step_px * float(padded[curve.direction, y, x].sum())


def _refined(padded: F32, outline: Outline, steps_px: Sequence[int]) -> tuple[float, Outline]:
    """The best near it and its evidence, changing one thing at a time."""
    best, score = outline, _score(padded, outline)
    for step_px in steps_px:
        for _ in range(_MAX_ROUNDS):
            before = score
            for change in (*_MOVES, None):
                for other in _changed(best, change, step_px):
                    found = _score(padded, other) if _is_usual(other, padded) else score
                    if found > score:
                        best, score = other, found
            if score == before:
                break
    return score, best


def _changed(outline: Outline, move: Move | None, step_px: int) -> list[Outline]:
    """The outline with its sides moved to and fro or, where they stay, in other shapes."""
    if move is None:
        return [outline._replace(roundness=r, is_ellipse=e) for r, e in _FINE_SHAPES]
    left, top, right, bottom = outline[:4]
    a, b, c, d = move
    return [
        outline._replace(
            left=left + n * a, top=top + n * b, right=right + n * c, bottom=bottom + n * d
        )
        for n in (-step_px, step_px)
    ]


def _is_usual(outline: Outline, padded: F32) -> bool:
    left, top, right, bottom = outline[:4]
    sides, (height, width) = (right - left, bottom - top), padded.shape[1:]
    inside = min(left, top, width - 2 * _MARGIN_PX - right, height - 2 * _MARGIN_PX - bottom)
    return (
        inside > -_MARGIN_PX
        and min(sides) >= _SHORTEST_PX
        and max(sides) <= _MAX_ASPECT * min(sides)
    )


def _filled(outline: Outline, factor: int, shape: tuple[int, ...]) -> Bool:
    """Its inside [H, W] in the whole images."""
    left, top, right, bottom, roundness, is_ellipse = outline
    curve = _curve(right - left, bottom - top, roundness, is_ellipse)
    points = np.stack([curve.x + (left + right) / 2, curve.y + (top + bottom) / 2], axis=1)
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [np.rint((points + 0.5) * factor - 0.5).astype(np.int32)], 1)
    return inside > 0
