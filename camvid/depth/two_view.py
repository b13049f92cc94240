"""Inverse depth from dense flow between posed frames: each pair in closed form, then their mean.

The end point of a pixel's flow is held against the epipolar line: the place along the line gives
the inverse depth, the distance from it says whether the pixel can be static at all.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool, Reconstruction
from camvid.depth.alignment import SparseDepth
from camvid.depth.fusion import Measured, robust_mean
from camvid.depth.views import PixelMap, Views, pixel_centres, relative_transform
from camvid.geometry import cam_from_img, img_from_cam, transform_points

_MAX_EPIPOLAR_PX = 1.0  # at the working size: flow that ends farther off its line is not static
_FLOW_NOISE_PX = 0.25  # of flow where there is texture, beside what is seen across its line
_FAINT_TEXTURE = 1.0  # grey levels a pixel, RMS: there the noise of flow is 1.4 times as large
_TEXTURE_PX = 9  # side of the window over which texture is judged
_AGREEMENT = 0.04  # of inverse depth, beside twice the noise: two pairs that differ less agree
_BORDER_PX = 4  # so near the image border flow is wrong: half of what it compares is missing

# Which frames are paired: near ones see more of the same things, and fusion makes up for their
# smaller parallax.
_PARALLAX_FRACTION = 0.03  # of the width: the wanted median shift due to depth
_MAX_GAP_FRAMES = 24  # bounds the search: further apart, frames share too little
_MAX_PARALLAX_POINTS = 100  # sparse points that say how much parallax a pair has


class Triangulated(NamedTuple):
    """Where flow ends, held against the epipolar lines of a pair of cameras; [h, w] each."""

    inv_depth: F32  # of the place on the line that is nearest to the end of the flow
    z_ratio: F32  # depth there in the other frame over depth here
    precision: F32  # squared pixels per squared unit of inverse depth
    off_line_px: F32  # how far from the line the flow ends
    inside: Bool  # whether it ends inside the other image


def choose_partners(
    reconstruction: Reconstruction, sparse: Sequence[SparseDepth], width_px: int
) -> list[tuple[int, ...]]:
    """For each frame the frames to pair it with.

    On either side the nearest with enough parallax (or that with most), and one half way there;
    none for a frame without cameras or sparse points.
    """
    wanted_px = _PARALLAX_FRACTION * width_px
    partners: list[tuple[int, ...]] = []
    for frame_index, points in enumerate(sparse):
        chosen: set[int] = set()
        if len(points.depth):
            for side in (-1, 1):
                others = _registered_beside(reconstruction, frame_index, side)
                shift_px = _median_parallax_px(reconstruction, frame_index, others, points)
                chosen |= _nearest_with_parallax(others, shift_px, wanted_px)
        partners.append(tuple(sorted(chosen)))
    return partners


def _registered_beside(reconstruction: Reconstruction, frame_index: int, side: int) -> list[int]:
    others = frame_index + side * np.arange(1, _MAX_GAP_FRAMES + 1)
    others = others[(others >= 0) & (others < len(reconstruction.registered))]
    return others[reconstruction.registered[others]].tolist()


def _median_parallax_px(
    reconstruction: Reconstruction, frame_index: int, others: list[int], points: SparseDepth
) -> F64:
    """For each other frame, how far a finite depth moves the points from where infinity goes."""
    thin = np.s_[:: 1 + len(points.depth) // _MAX_PARALLAX_POINTS]
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


def measure(views: Views, frame_index: int, partners: Sequence[int]) -> Measured:
    """Inverse depth [h, w] of one frame from its pairs with the frames `partners`.

    Where two pairs agree (or the only one measured), off the border of the image.
    """
    here = views.gray[frame_index]
    maps = [views.between(frame_index, other) for other in partners]
    flow_error = _flow_error(here, maps)
    pairs = [
        _measured(triangulate_flow(dense_flow(here, views.gray[other]), seen), flow_error)
        for other, seen in zip(partners, maps, strict=True)
    ]
    return agreed(pairs)


def agreed(pairs: Sequence[Measured]) -> Measured:
    """The mean [h, w] of what pairs of one frame measured, where two of them agree with it.

    Where there is one pair alone, what it measured; unknown along the border of the image.
    """
    mean = robust_mean(pairs)
    agreeing = np.zeros(mean.inv_depth.shape, np.uint8)
    for pair in pairs:
        known = pair.inv_depth > 0
        noise = np.where(known, pair.sigma, np.float32(0))
        slack = (_AGREEMENT + 2 * noise) * mean.inv_depth
        agreeing += known & (np.abs(pair.inv_depth - mean.inv_depth) < slack)
    inner = np.zeros(agreeing.shape, np.bool_)
    inner[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = True
    return mean.where(inner & (agreeing >= min(2, len(pairs))))


def _measured(pair: Triangulated, flow_error: F32) -> Measured:
    """What one pair says, with the relative error that the noise of its flow makes.

    How far flow ends across its line is a sample of its noise along it; `flow_error` [h, w] is how
    much larger that is than where there is texture.
    """
    static = pair.inside & (pair.off_line_px < _MAX_EPIPOLAR_PX)
    static &= (pair.inv_depth > 0) & (pair.z_ratio > 0)
    tiny = np.float32(1e-12)
    noise_px = flow_error * np.hypot(np.float32(_FLOW_NOISE_PX), pair.off_line_px)
    sigma = noise_px / np.sqrt(np.maximum(pair.precision, tiny)) / np.maximum(pair.inv_depth, tiny)
    return Measured(pair.inv_depth, np.asarray(sigma, np.float32)).where(static)


def _flow_error(gray: U8, maps: Sequence[PixelMap]) -> F32:
    """[h, w] Error of the flow along the epipolar lines, over that where there is texture.

    What has no texture in that direction is not matched, only carried along by its surroundings.
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), 0.8).astype(np.float32)
    gx, gy = (cv2.Sobel(smooth, cv2.CV_32F, i, 1 - i, scale=1 / 8) for i in (1, 0))
    window = (_TEXTURE_PX, _TEXTURE_PX)
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
    return np.sqrt(1 + _FAINT_TEXTURE**2 / np.maximum(texture, np.float32(1e-4)))


def dense_flow(here: U8, there: U8) -> F32:
    """Flow [h, w, 2] in pixels between two images far enough apart to show parallax."""
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
