"""Depth where none was measured: holes from their surroundings, movers from where they stand."""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, F64, NAN, U16, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FillOptions:
    """Where a mover's depth is read off, and how a static object is told from a mover."""

    min_static_share: float = 0.6  # of an object's pixels, measured by agreeing pairs
    ring_px: int = 3  # width of the border read around a mover, at the working size
    foot_share: float = 0.15  # of the mover's height: its lowest part, which touches the ground
    min_ring_pixels: int = 8
    size_quantile: float = 0.95  # of ground contact against size: higher is nearer


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
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return NAN
    size = 2 * options.ring_px + 1
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    ring = grown & ~mask & known
    foot_row = rows[-1] - options.foot_share * (rows[-1] - rows[0])
    ring[: max(0, int(np.ceil(foot_row)))] = False
    values = static_inv_depth[ring]
    return float(np.median(values)) if len(values) >= options.min_ring_pixels else NAN


def mover_inv_depths(foot: F64, num_pixels: F64, whole: Bool, options: FillOptions) -> F64:
    """Inverse depth [T] of one mover from its ground contact [T] and its size [T] in the picture.

    A mover in the air is nearer than the ground seen below it, so contact alone gives too much
    depth; but a body of one size looks larger in proportion to its inverse depth, and the frames
    in which it does touch the ground say how large it is. Where it is cut off (not `whole`), the
    frames around are interpolated. NaN where neither is known.
    """
    length = np.sqrt(num_pixels)
    telling = whole & np.isfinite(foot) & (length > 0)
    if not telling.any():
        return foot
    inv_depth_per_length = np.quantile(foot[telling] / length[telling], options.size_quantile)
    frames = np.flatnonzero(whole & (length > 0))
    by_size = np.interp(np.arange(len(foot)), frames, inv_depth_per_length * length[frames])
    return np.fmax(foot, by_size)


def is_whole(object_id: U16, label: int) -> bool:
    """Whether neither the picture's edge nor another object cuts `label` off in [h, w] ids."""
    mask = object_id == label
    if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
        return False
    beside = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return bool(np.isin(object_id[beside], (0, label)).all())
