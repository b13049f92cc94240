"""Where a thing touches the ground: what tells static things from movers, and how far movers are.

The ground's depth is known, behind movers too, since other frames see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, NAN, U16, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundOptions:
    """How a static object is told from a mover, and where a mover's depth is read off."""

    min_static_share: float = 0.6  # of an object's pixels, measured by agreeing pairs
    # A static thing is not behind its own feet, nor does it float before the ground (of inverse
    # depths; seen on generated scenes: 0.94 to 1.12 where static, 1.6 for a mover):
    min_ground_ratio: float = 0.95
    max_ground_ratio: float = 1.35
    min_floor_ratio: float = 0.85  # of the floor, whose place may be known less well
    max_floor_ratio: float = 1.5  # and over which parts of things hang
    # Beside a thing's foot, so many pixels of the working size away, it is the floor that is seen
    # if the larger share of what was measured there is so near to it:
    beside_px: tuple[int, int] = (3, 12)
    floor_tolerance: float = 0.1
    min_ground_rise: float = 1.04  # half its height farther down: else it may hang before a wall
    ring_px: int = 3  # width of the border read around an object, at the working size
    foot_share: float = 0.15  # of an object's height: its lowest part, which touches the ground
    contact_share: float = 0.05  # of a mover's height: how even the line is on which it stands
    min_pixels: int = 8
    contact_quantile: float = 0.9  # over time: in the air or covered, contact seems farther away
    min_telling_share: float = 0.3  # of the frames: those whose foot is seen
    edge_px: int = 2  # a foot so near the picture's lower edge is cut off by it
    looming_share: float = 0.25  # of the picture: what fills more may hang before the camera
    # Inverse depth over that of the ground seen lowest. What fills the picture with its foot in
    # sight hangs there in generated scenes and stands in real life; without, it is nearer still
    # (2.4 in the median of those scenes), but too small a depth makes up motion.
    looming_nearness: float = 1.4
    looming_footless_nearness: float = 1.8
    footless_nearness: float = 1.3  # of what is smaller and cut off by the picture's lower edge
    grounded_sigma: float = 0.15  # expected relative error where the ground contact is seen
    footless_sigma: float = 0.4  # and where it is not


class Contact(NamedTuple):
    """What one frame shows of where a mover stands."""

    inv_depth: float  # of the static scene at its lowest pixels; NaN where not known
    beneath: int  # id of what is seen right below these, 0 for the ground
    share: float  # of the picture
    footed: bool  # its lowest part is above the lower edge of the picture


def ground_ratio(
    inv_depth: F32, known: Bool, static: Bool, mask: Bool, options: GroundOptions
) -> float:
    """Inverse depth of the lowest part of `mask` [h, w] over that of the ground it stands on.

    A thing that stands on the ground is where the ground is. What moves along the epipolar lines
    is triangulated as if it were static, often to a place behind the very ground it covers or in
    the air before it. NaN where either was not measured, and where a thing is before no ground but
    a wall: a static thing may hang there.
    """
    if not mask.any():
        return NAN
    rows, columns = np.flatnonzero(mask.any(axis=1)), mask.any(axis=0)
    height = int(rows[-1] - rows[0])
    lowest = _lowest_rows(mask, options)
    ring = grown(mask, options.ring_px) & ~mask
    ground = _median(inv_depth[ring & known & static & lowest], options)
    ratio = _median(inv_depth[mask & known & lowest], options) / ground
    below = np.zeros_like(mask)
    middle = int(rows[-1]) + height // 2
    below[max(0, middle - options.ring_px) : middle + options.ring_px + 1, columns] = True
    nearer = _median(inv_depth[below & known & static], options)
    is_ground = nearer > options.min_ground_rise * ground
    return ratio if is_ground or ratio < 1 else NAN


def floor_ratio(
    inv_depth: F32, level: F32, static: Bool, mask: Bool, options: GroundOptions
) -> float:
    """Measured inverse depth of the lowest part of `mask` over the floor's there, all [h, w].

    NaN where either is not known, or where it is not the floor that is `static` beside it. Below
    1 a thing would be under the floor on which it is seen: it moves, and was measured wrong.
    """
    if not mask.any():
        return NAN
    lowest = _lowest_rows(mask, options)
    near, far = (grown(mask, reach_px) for reach_px in options.beside_px)
    beside = far & ~near & static & lowest & (inv_depth > 0) & (level > 0)
    if np.count_nonzero(beside) < options.min_pixels:
        return NAN
    off_floor = np.abs(inv_depth[beside] / level[beside] - 1)
    if np.mean(off_floor <= options.floor_tolerance) <= 0.5:
        return NAN
    under = float(np.median(level[mask & lowest]))
    return (
        _median(inv_depth[mask & lowest & (inv_depth > 0)], options) / under if under > 0 else NAN
    )


def grown(mask: Bool, reach_px: int) -> Bool:
    """`mask` [h, w] and what is so near to it, along rows and columns."""
    size = 2 * reach_px + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0


def _lowest_rows(mask: Bool, options: GroundOptions) -> Bool:
    """The rows [h, w] of the foot of `mask`, and all below."""
    rows = np.flatnonzero(mask.any(axis=1))
    lowest = np.zeros_like(mask)
    lowest[max(0, int(np.ceil(rows[-1] - options.foot_share * (rows[-1] - rows[0])))) :] = True
    return lowest


def _median(values: F32, options: GroundOptions) -> float:
    return float(np.median(values)) if len(values) >= options.min_pixels else NAN


def contact(ground: F32, object_id: U16, label: int, options: GroundOptions) -> Contact:
    """Where `label` of the objects [h, w] stands on the ground's inverse depths [h, w]."""
    mask = object_id == label
    num_pixels = int(np.count_nonzero(mask))
    share = num_pixels / mask.size
    if num_pixels < options.min_pixels:
        return Contact(NAN, 0, share, footed=False)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    lowest = mask.shape[0] - 1 - mask[::-1, columns].argmax(axis=0)
    standing = lowest >= rows[-1] - options.contact_share * (rows[-1] - rows[0])
    y, x = lowest[standing], columns[standing]
    under = object_id[np.minimum(y + 2, mask.shape[0] - 1), x]
    inv_depth_there = float(np.median(ground[y, x]))
    return Contact(
        inv_depth_there if inv_depth_there > 0 else NAN,
        int(np.bincount(under[under != label]).argmax()) if (under != label).any() else 0,
        share,
        bool(rows[-1] < mask.shape[0] - options.edge_px),
    )


class Stand(NamedTuple):
    """Where one mover is guessed to be by where it stands."""

    inv_depth: F64  # [T], NaN where not known
    sigma: float  # expected relative error of all of it together
    grounded: bool  # False where nothing is known but what is seen below it


def stand(contacts: Sequence[Contact], growth: F64, options: GroundOptions) -> Stand:
    """Depth of one mover from its contact with the ground and how its size changes, growth [T].

    A body of one size looks larger in proportion to its inverse depth: its growth tells how the
    depth changes, and its ground contact tells the scale. In the air, or where its foot is
    covered, a mover is nearer than the ground seen below it, never farther: so the frames in which
    it seems nearest count.
    """
    foot = np.array([c.inv_depth for c in contacts])
    footed = np.array([c.footed for c in contacts])
    on_ground = footed & np.array([c.beneath == 0 for c in contacts]) & np.isfinite(foot)
    looming = float(np.median([c.share for c in contacts])) > options.looming_share
    if not looming and on_ground.mean() >= options.min_telling_share:
        scale = np.quantile(foot[on_ground] / growth[on_ground], options.contact_quantile)
        return Stand(scale * growth, options.grounded_sigma, grounded=True)
    if looming:
        nearer = np.where(footed, options.looming_nearness, options.looming_footless_nearness)
    else:
        nearer = np.where(footed, 1.0, options.footless_nearness)
    known = np.isfinite(foot)
    scale = np.median((foot * nearer / growth)[known]) if known.any() else NAN
    return Stand(scale * growth, options.footless_sigma, grounded=looming)
