"""Finds edges that stay at their pixels while the background passes behind them.

Averaged over time, the gradient of a passing scene is smooth over the image: every pixel sees the
same mixture of edges. An edge that is fixed to the image stands out of that mixture as a ridge one
or two pixels wide. Only the gradient along the background's motion counts, since an edge parallel
to it passes along itself and seems to stay. How far a ridge must stand out follows from how much
scene was seen to pass: n looks, and no more than one for 5 px that the background travelled
(to and fro, as a hand shakes, does not count), leave a relative standard deviation of 0.8 / sqrt(n)
(measured: 0.09 to 0.14 at 45 to 60 looks).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U8, Bool
from camvid.overlay.background import BackgroundMotion, at_pixels, flow_of
from camvid.overlay.passing import DEVIATION, MAX_GRADIENT, PATCH_PX, smoothed, travel_px
from camvid.parallel import map_threads

_PERSISTENT_PX = 35.0  # texture in the direction of motion keeps its corners for as long
_PERSISTENT_LOOKS = 8.0  # a mean of n images keeps 1 / n of its corners' strength, by chance more
_DETAIL_PX = 3.0  # deviation of the Gaussian that is taken off: strokes stay, blurred edges go
_LINE_PX = 21  # a trade-off: longer ones average more of the scene, but edges bend
_NUM_ORIENTATIONS = 8  # 11 degrees off at most: 2 px at the ends of such a line
_BESIDE_PX = 4  # a ridge is compared with what lies so far to its sides
_LINE_GAIN = 2.0  # a line of 21 px holds four patches: half the deviation of a single pixel
_SIDE_PX = 61  # least side (boxes.EDGES) of images 440 px long; shorter ones are diluted
_SIDE_GAIN = 3.5  # it holds twelve patches, of which this is the root
_MIN_LOOKS = 3  # at a pixel, to judge it: guard against means of one or two images


# When an edge counts as fixed. Moving scenes of 20 clips reached contrasts of 1.35.
_MIN_PASSING_PX = 1.5  # over a step; a pixel behind which less passes is not judged
_MIN_SIGMAS = 5.0  # by which a ridge stands out of the passing scene
_MIN_CONTRAST = 1.4  # of a ridge against its surroundings
_MIN_LINE_CONTRAST = 1.3  # of a ridge averaged along a line
_MIN_SIDE_CONTRAST = 1.2  # along a long one, in a row or a column of the image
_MIN_GRADIENT = 1.5  # grey levels a pixel, in the mean
_MIN_EDGE = 4.0  # grey levels a pixel
_MIN_PERSISTENCE = 0.4  # corner strength of the mean image over that of the images
# Four times the mean square gradient: .7 grey levels a pixel, against noise in flat areas.
_MIN_CORNER_STRENGTH = 2.0
# Of a second or two, which is all that a subtitle lasts, less scene has passed: strong corners.
_MIN_TEXT_PERSISTENCE = 0.5
_MIN_TEXT_STRENGTH = 30.0  # 2.7 grey levels a pixel


class Look(NamedTuple):
    """One frame's gradients, where the background passes."""

    frame_index: int
    along: F32  # [H, W] of the gradient along the background's motion
    whole: F32  # [H, W] of the gradient
    judged: Bool  # [H, W]
    shift_px: F32  # [h, w, 2] of the background until the next look, at every eighth pixel


class FixedEdges(NamedTuple):
    """Sure and probable pixels of fixed edges."""

    sure: Bool  # [H, W]
    probable: Bool  # [H, W], the sure ones among them
    straight: Bool  # [H, W] the sure ones, and what stands out along a long row or column
    presence: F32  # [H, W] share of the looks at which there is an edge at all


def look_at(gray: U8, motions: Sequence[BackgroundMotion], step: int) -> list[Look]:
    """Gradients of gray [T, H, W] at the first frame of every motion."""
    height_px, width_px = gray.shape[1:]
    starts = [motion.frame_index for motion in motions]
    until_next = np.minimum(np.diff([*starts, starts[-1] + step]), step) / step

    def look(item: tuple[BackgroundMotion, float]) -> Look:
        motion, share = item
        nodes = flow_of(motion.homography, width_px, height_px)
        flow = at_pixels(nodes, width_px, height_px)
        length = np.sqrt(flow[..., 0] ** 2 + flow[..., 1] ** 2)
        judged = length >= _MIN_PASSING_PX
        x, y = _gradient(gray[motion.frame_index])
        along = np.abs(x * flow[..., 0] + y * flow[..., 1]) / np.maximum(length, 1e-3)
        return Look(
            motion.frame_index,
            np.minimum(along, MAX_GRADIENT) * judged,
            np.minimum(np.sqrt(x * x + y * y), MAX_GRADIENT) * judged,
            judged,
            nodes * np.float32(share),
        )

    return map_threads(look, list(zip(motions, until_next.tolist(), strict=True)))


def spread_of(looks: Sequence[Look]) -> F32:
    """Variances xx, xy and yy [H, W, 3] in px^2 of where the background was, over the looks."""
    place = np.cumsum([look.shift_px for look in looks], axis=0)
    x, y = np.moveaxis(place - place.mean(axis=0), -1, 0)
    nodes = np.stack([(x * x).mean(axis=0), (x * y).mean(axis=0), (y * y).mean(axis=0)], axis=-1)
    height_px, width_px = looks[0].judged.shape
    return at_pixels(nodes.astype(np.float32), width_px, height_px)


def find_fixed_edges(gray: U8, looks: Sequence[Look]) -> FixedEdges:
    """Fixed edges over the time of the looks at gray [T, H, W]."""
    count, travel = _total(look.judged for look in looks), travel_px(spread_of(looks))
    along, whole, presence = (
        np.asarray(total / np.maximum(count, 1), np.float32)
        for total in (
            _total(look.along for look in looks),
            _total(look.whole for look in looks),
            _total(look.whole >= _MIN_EDGE for look in looks),
        )
    )
    judged = count >= _MIN_LOOKS
    patches = np.maximum(np.minimum(travel / PATCH_PX, count), 1e-3)
    margin = np.asarray(_MIN_SIGMAS * DEVIATION / np.sqrt(patches), np.float32)
    limit = np.maximum(_MIN_CONTRAST - 1, margin)
    line_limit = np.maximum(_MIN_LINE_CONTRAST - 1, margin / _LINE_GAIN)
    strong = judged & (along >= _MIN_GRADIENT)
    point = _contrast(along) - 1
    sure = strong & ((point > limit) | (_line_contrast(along) - 1 > line_limit))
    sides = strong & _sides(along, margin)
    corners = _Corners.of(gray, looks)
    sure |= judged & corners.persist(travel, _MIN_PERSISTENCE, _MIN_CORNER_STRENGTH)
    weak = (point > 0.6 * limit) | (_contrast(whole) - 1 > 0.6 * limit)
    return FixedEdges(sure, sure | (judged & weak & (whole >= 1)), sure | sides, presence)


def find_text(gray: U8, looks: Sequence[Look]) -> Bool:
    """Strong corners that stay for the short time of the looks: subtitles, titles."""
    count, travel = _total(look.judged for look in looks), travel_px(spread_of(looks))
    return (count >= _MIN_LOOKS) & _Corners.of(gray, looks).persist(
        travel, _MIN_TEXT_PERSISTENCE, _MIN_TEXT_STRENGTH
    )


def _total(images: Iterable[F32 | Bool]) -> F32:
    """Their sum [H, W], one by one: a clip's images together would fill the memory."""
    rest = iter(images)
    total = next(rest).astype(np.float32)
    for image in rest:
        total += image
    return total


def _gradient(gray: U8) -> tuple[F32, F32]:
    smooth = smoothed(gray)
    x, y = (cv2.Scharr(smooth, cv2.CV_32F, *d) / 32 for d in ((1, 0), (0, 1)))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _contrast(mean: F32) -> F32:
    """A pixel's mean gradient over that of the ring from 3 to 5 px around it."""
    border = cv2.BORDER_REFLECT
    outer, inner = (cv2.blur(mean, (k, k), borderType=border) * k * k for k in (11, 5))
    return np.asarray(mean / ((outer - inner) / (11**2 - 5**2) + 0.5), np.float32)


def _line_contrast(mean: F32) -> F32:
    """The same along lines: over the stronger of both sides, in the best of eight directions."""
    best = np.zeros_like(mean)
    for k in range(_NUM_ORIENTATIONS):
        angle = np.pi * k / _NUM_ORIENTATIONS
        line = np.asarray(
            cv2.filter2D(mean, -1, _line(angle), borderType=cv2.BORDER_REFLECT), np.float32
        )
        normal = np.array([-np.sin(angle), np.cos(angle)]) * _BESIDE_PX
        sides = [_shifted(line, normal), _shifted(line, -normal)]
        best = np.maximum(best, line / (np.maximum(*sides) + 0.5))
    return best


def _sides(mean: F32, margin: F32) -> Bool:
    """Where [H, W] upright and level lines of 61 px stand out: the sides of insets are as long."""
    found = np.zeros(mean.shape, bool)
    limit = np.maximum(_MIN_SIDE_CONTRAST - 1, margin / _SIDE_GAIN)
    for size, normal in (((1, _SIDE_PX), (_BESIDE_PX, 0)), ((_SIDE_PX, 1), (0, _BESIDE_PX))):
        line = np.asarray(cv2.blur(mean, size, borderType=cv2.BORDER_REFLECT), np.float32)
        beside = np.maximum(*(_shifted(line, sign * np.array(normal)) for sign in (1, -1)))
        found |= line / (beside + 0.5) - 1 > limit
    return found


def _line(angle: float) -> F32:
    kernel = np.zeros((_LINE_PX, _LINE_PX), np.float32)
    middle, reach = _LINE_PX // 2, (_LINE_PX // 2) * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple(np.rint(middle + s * reach).astype(int).tolist()) for s in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return kernel / kernel.sum()


def _shifted(image: F32, offset_px: NDArray[Any]) -> F32:
    shift = np.array([[1, 0, offset_px[0]], [0, 1, offset_px[1]]], np.float32)
    size = image.shape[::-1]
    return np.asarray(cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REFLECT), np.float32)


class _Corners(NamedTuple):
    """Corners that averaging over time leaves as they are; those that pass are averaged away."""

    strength: F32  # [H, W] mean over the looks
    kept: F32  # [H, W] strength of the mean image, over that
    num_looks: int

    @classmethod
    def of(cls, gray: U8, looks: Sequence[Look]) -> "_Corners":
        shape = gray.shape[1:]
        mean, strength = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for look in looks:
            image = _detail(gray[look.frame_index])
            mean += image / len(looks)
            strength += _corner_strength(image) / len(looks)
        kept = np.asarray(_corner_strength(mean) / np.maximum(strength, 1e-6), np.float32)
        return cls(strength, kept, len(looks))

    def persist(self, travel_px: F32, min_persistence: float, min_strength: float) -> Bool:
        by_chance = np.maximum(
            _PERSISTENT_PX / np.maximum(travel_px, 1e-3), _PERSISTENT_LOOKS / self.num_looks
        )
        return (self.strength >= min_strength) & (
            self.kept >= np.maximum(min_persistence, by_chance)
        )


def _detail(gray: U8) -> F32:
    """The image without what is wider than a stroke: a blurred edge takes long to pass."""
    image = gray.astype(np.float32)
    return np.asarray(image - cv2.GaussianBlur(image, (0, 0), _DETAIL_PX), np.float32)


def _corner_strength(image: F32) -> F32:
    return np.asarray(cv2.cornerMinEigenVal(image, 5, ksize=3), np.float32)
