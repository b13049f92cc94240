"""Inverse depth from dense flow between posed frames: each pair in closed form, then a vote.

The end point of a pixel's flow is held against the epipolar line: the place along the line gives
the inverse depth, the distance from it says whether the pixel can be static at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool, Reconstruction
from camvid.depth.alignment import SparseDepth
from camvid.depth.views import PixelMap, Views, pixel_centres, relative_transform
from camvid.geometry import cam_from_img, img_from_cam, transform_points


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoViewOptions:
    """Which frames are paired, and what makes a measured depth trustworthy."""

    parallax_fraction: float = 0.06  # of the width: the wanted median shift due to depth
    max_gap_frames: int = 24
    max_parallax_points: int = 100  # sparse points that say how much parallax a pair has
    max_epipolar_px: float = 1.0  # at the working size
    flow_noise_px: float = 0.25  # expected error of the flow where there is texture
    faint_texture: float = 1.0  # grey levels a pixel, RMS: there the error is 1.4 times that
    texture_px: int = 9  # side of the window over which texture is judged
    max_disagreement: float = 0.04  # of inverse depth, beside what flow noise explains


class InverseDepth(NamedTuple):
    """What the pairs of one frame measured, at the working size."""

    inv_depth: F32  # [h, w], 0 where not measured
    sigma: F32  # [h, w] expected relative error; infinite where not measured
    num_pairs: U8  # [h, w] that agree


class Triangulated(NamedTuple):
    """Where flow ends, held against the epipolar lines of a pair of cameras; [h, w] each."""

    inv_depth: F32  # of the place on the line that is nearest to the end of the flow
    z_ratio: F32  # depth there in the other frame over depth here
    precision: F32  # squared pixels per squared unit of inverse depth
    off_line_px: F32  # how far from the line the flow ends
    inside: Bool  # whether it ends inside the other picture


class _Opinion(NamedTuple):
    """What one pair says."""

    inv_depth: F32  # [h, w]
    precision: F32  # [h, w] squared pixels per unit of inverse depth; 0 where it cannot say


def choose_partners(
    reconstruction: Reconstruction,
    sparse: Sequence[SparseDepth],
    width_px: int,
    options: TwoViewOptions,
) -> list[tuple[int, ...]]:
    """For each frame the frames to pair it with.

    On either side the nearest with enough parallax, and one half way there; none for a frame
    without cameras or sparse points.
    """
    wanted_px = options.parallax_fraction * width_px
    partners: list[tuple[int, ...]] = []
    for frame_index, points in enumerate(sparse):
        chosen: set[int] = set()
        if len(points.depth):
            for side in (-1, 1):
                others = _registered_beside(reconstruction, frame_index, side, options)
                shift_px = _median_parallax_px(reconstruction, frame_index, others, points, options)
                chosen |= _nearest_with_parallax(others, shift_px, wanted_px)
        partners.append(tuple(sorted(chosen)))
    return partners


def _registered_beside(
    reconstruction: Reconstruction, frame_index: int, side: int, options: TwoViewOptions
) -> list[int]:
    others = frame_index + side * np.arange(1, options.max_gap_frames + 1)
    others = others[(others >= 0) & (others < len(reconstruction.registered))]
    return others[reconstruction.registered[others]].tolist()


def _median_parallax_px(
    reconstruction: Reconstruction,
    frame_index: int,
    others: list[int],
    points: SparseDepth,
    options: TwoViewOptions,
) -> F64:
    """For each other frame, how far a finite depth moves the points from where infinity goes."""
    thin = np.s_[:: 1 + len(points.depth) // options.max_parallax_points]
    K = reconstruction.K_of(frame_index)  # of both: what zoom there is does not matter here
    points_cam = cam_from_img(K, points.xy_px[thin].astype(np.float64), points.depth[thin])
    other_from_this = relative_transform(
        reconstruction.cam_from_world[others], reconstruction.cam_from_world[frame_index]
    )
    at_depth, _ = img_from_cam(K, transform_points(other_from_this, points_cam))
    rotation_only = other_from_this * np.array([1.0, 1, 1, 0])
    at_infinity, _ = img_from_cam(K, transform_points(rotation_only, points_cam))
    return np.median(np.linalg.norm(at_depth - at_infinity, axis=-1), axis=-1)


def _nearest_with_parallax(others: list[int], shift_px: F64, wanted_px: float) -> set[int]:
    if not others:
        return set()
    enough = np.flatnonzero(shift_px >= wanted_px)
    place = int(enough[0]) if len(enough) else int(np.argmax(shift_px))
    return {others[place], others[place // 2]}


def measure_inverse_depth(
    views: Views, frame_index: int, partners: Sequence[int], options: TwoViewOptions
) -> InverseDepth:
    """Inverse depth [h, w] of one frame from its partners."""
    gray, here = views.gray, views.gray[frame_index]
    maps = [views.between(frame_index, other) for other in partners]
    opinions = [
        _opinion(triangulate_flow(dense_flow(here, gray[other]), seen), options)
        for other, seen in zip(partners, maps, strict=True)
    ]
    found = _vote(opinions, gray[frame_index].shape, options)
    return found._replace(sigma=found.sigma * _flow_error(gray[frame_index], maps, options))


def _flow_error(gray: U8, maps: Sequence[PixelMap], options: TwoViewOptions) -> F32:
    """[h, w] Error of the flow along the epipolar lines, over that where there is texture.

    What has no texture in that direction is not matched, only carried along by its surroundings.
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), 0.8).astype(np.float32)
    gx, gy = (cv2.Sobel(smooth, cv2.CV_32F, i, 1 - i, scale=1 / 8) for i in (1, 0))
    window = (options.texture_px, options.texture_px)
    xx, xy, yy = (cv2.boxFilter(p, -1, window) for p in (gx * gx, gx * gy, gy * gy))
    x, y = pixel_centres(gray.shape)
    texture = np.zeros(gray.shape, np.float32)
    for seen in maps:
        # The line through x leads to where the other camera stands, H^-1 e.
        place = np.linalg.solve(seen.H, seen.e)
        along_x, along_y = place[0] - x * place[2], place[1] - y * place[2]
        square = along_x * along_x + along_y * along_y + np.float32(1e-20)
        texture += (xx * along_x + 2 * xy * along_y) * along_x / square
        texture += yy * along_y * along_y / square
    texture = texture / np.float32(max(1, len(maps)))
    return np.sqrt(1 + options.faint_texture**2 / np.maximum(texture, np.float32(1e-4)))


def dense_flow(here: U8, there: U8) -> F32:
    """Flow [h, w, 2] in pixels between two pictures far enough apart to show parallax."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(0)
    found: Any = None  # no first guess: the stubs do not know that it may be missing
    return np.asarray(flow.calc(here, there, found), np.float32)


def triangulate_flow(flow_px: F32, seen: PixelMap) -> Triangulated:
    """Least squares on x' ~ H x + w e, where x' is the end of the flow [h, w, 2]."""
    height, width = flow_px.shape[:2]
    x, y = pixel_centres(flow_px.shape)
    far_x, far_y, far_z = seen.at_infinity(flow_px.shape)
    e = seen.e
    to_x, to_y = x + flow_px[..., 0], y + flow_px[..., 1]
    # w a = b, in pixels times depth along the line:
    a_x, a_y = e[0] - to_x * e[2], e[1] - to_y * e[2]
    b_x, b_y = to_x * far_z - far_x, to_y * far_z - far_y
    square = np.maximum(a_x * a_x + a_y * a_y, np.float32(1e-30))
    inv_depth = (a_x * b_x + a_y * b_y) / square
    z_ratio = far_z + inv_depth * e[2]
    return Triangulated(
        inv_depth=inv_depth,
        z_ratio=z_ratio,
        precision=square / np.maximum(z_ratio, np.float32(1e-6)) ** 2,
        off_line_px=np.abs(a_x * b_y - a_y * b_x) / np.sqrt(square) / np.abs(far_z),
        inside=(to_x > 0) & (to_x < width) & (to_y > 0) & (to_y < height),
    )


def _opinion(found: Triangulated, options: TwoViewOptions) -> _Opinion:
    says = (found.off_line_px < options.max_epipolar_px) & found.inside
    says &= (found.inv_depth > 0) & (found.z_ratio > 0)
    return _Opinion(found.inv_depth, np.where(says, found.precision, np.float32(0)))


def _vote(
    opinions: list[_Opinion], shape: tuple[int, ...], options: TwoViewOptions
) -> InverseDepth:
    """Per pixel the opinion with most support, averaged with those that agree with it."""
    zero = np.zeros(shape, np.float32)
    best_count, best_weight = np.zeros(shape, np.uint8), zero
    best_sum, best_square = zero, zero
    for judged in opinions:
        count, weight, total, square = np.zeros(shape, np.uint8), zero, zero, zero
        for other in opinions:
            agrees = _agree(judged, other, options)
            precision = np.where(agrees, other.precision, np.float32(0))
            count = count + agrees
            weight = weight + precision
            total = total + precision * other.inv_depth
            square = square + precision * (other.inv_depth - judged.inv_depth) ** 2
        wins = (count > best_count) | ((count == best_count) & (weight > best_weight))
        best_count, best_weight = (
            np.where(wins, count, best_count),
            np.where(wins, weight, best_weight),
        )
        best_sum, best_square = np.where(wins, total, best_sum), np.where(wins, square, best_square)
    known = best_count > 0
    weight = np.where(known, best_weight, np.float32(1))
    inv_depth = np.where(known, best_sum / weight, np.float32(0))
    noise = np.float32(options.flow_noise_px**2)
    with np.errstate(divide="ignore"):
        sigma = np.sqrt((noise + best_square) / weight) / inv_depth
    return InverseDepth(inv_depth, np.where(known, sigma, np.float32(np.inf)), best_count)


def _agree(one: _Opinion, other: _Opinion, options: TwoViewOptions) -> np.ndarray:
    if one is other:
        return one.precision > 0
    both = (one.precision > 0) & (other.precision > 0)
    floor = np.float32(1e-30)
    variance = 1 / np.maximum(one.precision, floor) + 1 / np.maximum(other.precision, floor)
    slack = options.max_disagreement * one.inv_depth + 2 * options.flow_noise_px * np.sqrt(variance)
    return both & (np.abs(one.inv_depth - other.inv_depth) < slack)
