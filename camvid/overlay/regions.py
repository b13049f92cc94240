"""Turns fixed edges into the regions they bound: overlays, and insets of other videos."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool

_NORMAL_PX = 4.0
_SEAM_PX = 8  # from a seam on, there is none beside it: what is fixed all over is no line


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOptions:
    """How edges join; lengths are shares of the image's long side, areas of its pixels.

    Of 20 real and generated clips without an overlay none has a group of 0.0006 sure edge pixels;
    of 17 with one all have 0.004 or more. Of 30 generated scenes three have one of up to 0.005,
    where the camera keeps looking at an object or a mover fills the image.
    """

    min_edge_area: float = 0.0012  # sure pixels of a group of edges
    min_sure_share: float = 0.4  # of a group's probable pixels
    min_density: float = 0.05  # sure pixels of the group's own area: no scattered specks
    group_reach: float = 0.008  # edges so near each other belong together
    letter_gap: float = 0.019  # between strokes and letters: overlay too
    margin: float = 0.005  # around it, for blur and coding noise
    min_seam: float = 0.5  # of the image's height or width: 0.19 without a seam, 0.75 with one
    min_inset_area: float = 0.01
    max_still_change: float = 4.0  # grey levels from the mean image: what stands still changes less
    min_still_area: float = 0.004
    min_jump: float = 8.0  # grey levels: change right beside a still region; a sky's grows slowly
    jump_reach: float = 0.006
    min_presence: float = 0.6  # of the time in which an edge must be seen where it ends
    min_travel_px: float = 30.0  # of the background across the edge ...
    min_ring_share: float = 0.15  # ... of this share of it


class Overlay(NamedTuple):
    """Pixels that are fixed to the image, and those that show another video."""

    fixed: Bool  # [H, W]
    inset: Bool  # [H, W]

    @property
    def mask(self) -> Bool:
        """[H, W] all that is not the scene."""
        return self.fixed | self.inset


def group_edges(sure: Bool, probable: Bool, options: RegionOptions) -> Bool:
    """The probable edges [H, W] of groups that are large, dense and sure enough."""
    near = disc(options.group_reach, sure)
    num, found, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(sure.astype(np.uint8), near))
    group = np.asarray(found)
    num_sure = np.bincount(group[sure], minlength=num)
    keep = (
        (num_sure >= options.min_edge_area * sure.size)
        & (num_sure >= options.min_sure_share * np.bincount(group[probable], minlength=num))
        & (num_sure >= options.min_density * stats[:, cv2.CC_STAT_AREA])
    )
    keep[0] = False
    seed = np.isin(group, np.flatnonzero(keep)) & sure
    touching = cv2.dilate(probable.astype(np.uint8), np.ones((3, 3), np.uint8))
    _, linked = cv2.connectedComponents(touching)  # an edge along the motion is but probable
    chain = np.asarray(linked)
    return np.asarray(np.isin(chain, np.unique(chain[seed])) & probable)


def find_seams(sure: Bool, options: RegionOptions) -> Bool:
    """Straight lines [H, W] right across the image, as between the halves of a split screen."""
    seams = np.zeros(sure.shape, bool)
    for across in (sure, sure.T):
        wide = cv2.dilate(across.astype(np.uint8), np.ones((1, 3), np.uint8))
        share = wide.mean(axis=0)
        beside = np.minimum(np.roll(share, _SEAM_PX), np.roll(share, -_SEAM_PX))
        found = (share >= options.min_seam) & (beside < options.min_seam / 2)
        view = seams if across is sure else seams.T
        view[:, found] = True
    return seams


def bounded_regions(edges: Bool, still: Bool, change: F32, options: RegionOptions) -> Overlay:
    """What the edges [H, W] bound.

    Args:
        still: [H, W] still regions.
        change: [H, W] deviation of each pixel from its mean over time, in grey levels.
    """
    if not (edges | still).any():
        return Overlay(edges, edges)
    joined = _closed(edges, options) | still.astype(np.uint8)
    walls = cv2.dilate(joined, disc(options.margin, edges))
    num, cell = cv2.connectedComponents((walls == 0).astype(np.uint8), connectivity=4)
    area = np.bincount(cell.ravel(), minlength=num)
    num_still = np.bincount(cell[change <= options.max_still_change], minlength=num)
    still_share = num_still / area.clip(1)
    changing = area * (1 - still_share)
    changing[0] = 0
    scene = int(changing.argmax())
    large = area >= options.min_inset_area * edges.size
    is_inset = large & (still_share < 0.5)
    is_inset[[0, scene]] = False
    is_fixed = ~is_inset
    is_fixed[scene] = False
    return Overlay(is_fixed[cell], is_inset[cell])


def still_regions(change: F32, presence: F32, spread: F32, options: RegionOptions) -> Bool:
    """Regions [H, W] in which nothing changes, right beside which everything does.

    Hoods, black corners, plain boxes. The edge of a still sky goes with the scene: it is seldom
    where the sky ends that was always there, and change grows slowly from there. An edge along
    which the background goes, as a level horizon in a pan, is no evidence.

    Args:
        change: [H, W] deviation of each pixel from its mean over time, in grey levels.
        presence: [H, W] share of the time in which there is an edge.
        spread: [H, W, 3] of the background's places, as `spread_of` has it.
    """
    near = np.asarray(cv2.dilate(presence, disc(options.jump_reach, change)), np.float32)
    still = cv2.morphologyEx(
        (change <= options.max_still_change).astype(np.uint8),
        cv2.MORPH_OPEN,
        disc(options.jump_reach, change),
    )
    _, region, stats, _ = cv2.connectedComponentsWithStats(still)
    found = np.zeros(change.shape, bool)
    for k in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= options.min_still_area * change.size):
        own = np.asarray(region == k, np.bool_)
        ring = _ring(own, options.jump_reach)
        across = ring & (_travel_across_px(own, spread) >= options.min_travel_px)
        if k == 0 or across.sum() < max(options.min_ring_share * ring.sum(), 1):
            continue
        jump, edge = np.quantile(change[across], 0.25), np.quantile(near[across], 0.25)
        if jump >= options.min_jump and edge >= options.min_presence:
            found |= own
    return found


def _travel_across_px(region: Bool, spread: F32) -> F32:
    """How far [H, W] the background went across the region's edge."""
    soft = cv2.GaussianBlur(region.astype(np.float32), (0, 0), _NORMAL_PX)
    x, y = (np.asarray(cv2.Sobel(soft, cv2.CV_32F, *d), np.float32) for d in ((1, 0), (0, 1)))
    variance = x * x * spread[..., 0] + 2 * x * y * spread[..., 1] + y * y * spread[..., 2]
    return np.sqrt(12 * np.maximum(variance, 0) / np.maximum(x * x + y * y, 1e-12))


def _ring(region: Bool, share: float) -> Bool:
    """The line [H, W] at a distance around the region."""
    near = cv2.dilate(region.astype(np.uint8), disc(share, region))
    return (cv2.dilate(near, np.ones((3, 3), np.uint8)) > 0) & (near == 0)


def _closed(edges: Bool, options: RegionOptions) -> U8:
    """Gaps closed between letters, and along straight borders."""
    image = edges.astype(np.uint8)
    pad = round(3 * options.letter_gap * max(image.shape))
    image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(image, cv2.MORPH_CLOSE, disc(options.letter_gap, edges))
    run = pad // 2
    for turn in (0, 1):
        straight, gap = (np.ones((1, n)[:: 1 - 2 * turn], np.uint8) for n in (run, 2 * pad))
        lines = cv2.morphologyEx(image, cv2.MORPH_OPEN, straight)
        closed = np.maximum(closed, cv2.morphologyEx(lines, cv2.MORPH_CLOSE, gap))
    return np.asarray(closed[pad:-pad, pad:-pad], np.uint8)


def disc(share: float, image: Bool | F32) -> U8:
    """A disc whose radius is a share of the image's long side."""
    size = 2 * max(1, round(share * max(image.shape))) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
