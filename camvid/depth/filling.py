"""Depth where none was measured: holes from their surroundings, movers from where they stand."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, NAN, U16, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FillOptions:
    """Where a mover's depth is read off, and how a static object is told from a mover."""

    min_static_share: float = 0.6  # of an object's pixels, measured by agreeing pairs
    min_ground_ratio: float = 0.95  # of inverse depths: a static thing is not behind its own feet
    ring_px: int = 3  # width of the border read around a mover, at the working size
    foot_share: float = 0.15  # of the mover's height: its lowest part, which touches the ground
    min_ring_pixels: int = 8
    min_length_share: float = 0.6  # of the median: a mover seen smaller is mostly covered
    max_grounded_spread: float = 1.2  # of ground contact against size, last decile over first
    airborne_quantile: float = 0.95  # of the same, where it spreads wider: higher is nearer
    max_cut_share: float = 0.3  # of a mover's border, lying on the picture's edge or other objects
    min_telling_share: float = 0.1  # of the frames: those whose foot and size are both seen
    max_footless_share: float = 0.25  # of a mover's width, lying on the picture's lower edge
    footless_nearness: float = 1.4  # what stands below the picture is nearer than its lower edge
    grounded_sigma: float = 0.2  # expected relative error where the ground contact is seen
    footless_sigma: float = 0.3  # and where it is not


def fill_holes(inv_depth: F32, weight: F32) -> F32:
    """inv_depth [h, w] wherever weight > 0, and elsewhere a weighted mean of what is around.

    Push-pull: averages over ever larger blocks, each hole filled from the smallest that knows.
    """
    known = weight > 0
    if known.all() or not known.any():
        return inv_depth
    height, width = weight.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    block_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    block_sum = cv2.resize(weight * inv_depth, half, interpolation=cv2.INTER_AREA)
    block = block_sum / np.maximum(block_weight, np.float32(1e-30))
    coarse = fill_holes(np.asarray(block, np.float32), np.minimum(block_weight, np.float32(1)))
    around = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(known, inv_depth, around)


def foot_inv_depth(static_inv_depth: F32, known: Bool, mask: Bool, options: FillOptions) -> float:
    """Median static inverse depth of the border round the lowest part of `mask` [h, w].

    NaN where nothing static was measured there.
    """
    if not mask.any():
        return NAN
    size = 2 * options.ring_px + 1
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    ring = grown & ~mask & known
    ring[: _foot_row(mask, options)] = False
    return _median(static_inv_depth[ring], options)


def ground_ratio(
    inv_depth: F32, known: Bool, static: Bool, mask: Bool, options: FillOptions
) -> float:
    """Inverse depth of the lowest part of `mask` [h, w] over that of the ground it stands on.

    A thing covers what lies behind it, so this is 1 or more for all that is static. What moves
    along the epipolar lines is triangulated as if it were static, often to a place behind the
    very ground it covers: then it is below 1. NaN where either was not measured.
    """
    if not mask.any():
        return NAN
    low = mask & known
    low[: _foot_row(mask, options)] = False
    ground = foot_inv_depth(inv_depth, known & static, mask, options)
    return _median(inv_depth[low], options) / ground


def _foot_row(mask: Bool, options: FillOptions) -> int:
    """The first row of the lowest part of `mask`, which must not be empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    return max(0, int(np.ceil(rows[-1] - options.foot_share * (rows[-1] - rows[0]))))


def _median(values: F32, options: FillOptions) -> float:
    return float(np.median(values)) if len(values) >= options.min_ring_pixels else NAN


class MoverDepth(NamedTuple):
    """Where one mover is guessed to be."""

    inv_depth: F64  # [T], NaN where not known
    sigma: float  # expected relative error of all of it together


def mover_inv_depths(
    foot: F64, num_pixels: F64, whole: Bool, footed: Bool, options: FillOptions
) -> MoverDepth:
    """Depth of one mover from its ground contact [T] and its size [T] in the picture.

    A body of one size looks larger in proportion to its inverse depth: its size tells how the
    depth changes, and its ground contact tells the scale where its foot is seen (`footed`). A
    mover in the air is nearer than the ground seen below it, so where contact against size varies
    much, the frames in which it is nearest count: then it touched the ground. Where it is cut off
    (not `whole`) or covered, the frames around are interpolated.
    """
    length = np.sqrt(num_pixels)
    usual = float(np.median(length[length > 0])) if length.any() else 0.0
    sized = whole & (length > options.min_length_share * usual)
    telling = sized & footed & (foot > 0)  # NaN is not
    if telling.sum() < max(1.0, options.min_telling_share * len(foot)):
        nearer = np.where(footed, 1.0, options.footless_nearness)
        return MoverDepth(foot * nearer, options.footless_sigma)
    per_length = foot[telling] / length[telling]
    first, last = np.quantile(per_length, (0.1, 0.9))
    airborne = last > options.max_grounded_spread * first
    scale = np.quantile(per_length, options.airborne_quantile if airborne else 0.5)
    frames = np.flatnonzero(sized)
    inv_depth = np.interp(np.arange(len(foot)), frames, scale * length[frames])
    return MoverDepth(inv_depth, options.grounded_sigma)


def is_whole(object_id: U16, label: int, options: FillOptions) -> bool:
    """Whether the picture's edge and other objects cut next to nothing of `label` off in [h, w]."""
    padded = np.pad(object_id.astype(np.int32), 1, constant_values=-1)
    own = padded == label
    around = (cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~own
    return bool(around.any()) and float((padded[around] != 0).mean()) <= options.max_cut_share


def is_footed(object_id: U16, label: int, options: FillOptions) -> bool:
    """Whether the lowest part of `label` in [h, w] is above the lower edge of the picture."""
    mask = object_id == label
    width_px = int(np.count_nonzero(mask.any(axis=0)))
    return int(np.count_nonzero(mask[-1])) <= options.max_footless_share * width_px
