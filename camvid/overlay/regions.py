"""From fixed edges to what they bound: the overlay's pixels, and insets of other videos."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.overlay.fixed_edges import FixedEdges


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOptions:
    """How edges join; lengths are shares of the image's long side, areas of its pixels.

    Of 20 real and generated clips without an overlay none has a group of 0.0006 sure edge pixels;
    of 17 with one, one has 0.001 and the others 0.004 or more.
    """

    min_edge_area: float = 0.0009  # sure pixels of a group of edges
    min_sure_share: float = 0.4  # of a group's probable pixels
    min_density: float = 0.05  # sure pixels of the group's own area: no scattered specks
    group_reach: float = 0.008  # edges so near each other belong together
    letter_gap: float = 0.019  # between strokes and letters: overlay too
    margin: float = 0.005  # around it, for blur and coding noise
    min_inset_area: float = 0.01
    max_still_change: float = 4.0  # grey levels from the mean image: what stands still changes less
    min_still_area: float = 0.004
    min_jump: float = 8.0  # grey levels: change right beside a still region; a sky's grows slowly
    jump_reach: float = 0.006
    min_way_px: float = 80.0  # of the background beside it


class Overlay(NamedTuple):
    """Pixels that are fixed to the image, and those that show another video."""

    fixed: Bool  # [H, W]
    inset: Bool  # [H, W]

    @property
    def mask(self) -> Bool:
        """[H, W] all that is not the scene."""
        return self.fixed | self.inset


def group_edges(edges: FixedEdges, options: RegionOptions) -> Bool:
    """The probable edges [H, W] of groups that are large, dense and sure enough."""
    near = _disc(options.group_reach, edges.sure)
    around = cv2.dilate(edges.sure.astype(np.uint8), near)
    num, group, stats, _ = cv2.connectedComponentsWithStats(around)
    sure = np.bincount(group[edges.sure], minlength=num)
    probable = np.bincount(group[edges.probable], minlength=num)
    keep = (
        (sure >= options.min_edge_area * edges.sure.size)
        & (sure >= options.min_sure_share * probable)
        & (sure >= options.min_density * stats[:, cv2.CC_STAT_AREA])
    )
    keep[0] = False
    seed = keep[group] & edges.sure
    touching = cv2.dilate(edges.probable.astype(np.uint8), np.ones((3, 3), np.uint8))
    _, chain = cv2.connectedComponents(touching)  # an edge along the motion is but probable
    return np.asarray(np.isin(chain, np.unique(chain[seed])) & edges.probable)


def bounded_regions(
    edges: Bool, still: Bool, change: F32, options: RegionOptions
) -> Overlay:
    """What the edges [H, W] bound.

    Args:
        still: [H, W] still regions.
        change: [H, W] deviation of each pixel from its mean over time, in grey levels.
    """
    if not (edges | still).any():
        return Overlay(edges, edges)
    joined = _closed(edges, options) | still.astype(np.uint8)
    walls = cv2.dilate(joined, _disc(options.margin, edges))
    num, cell = cv2.connectedComponents((walls == 0).astype(np.uint8), connectivity=4)
    area = np.bincount(cell.ravel(), minlength=num)
    calm = np.bincount(cell[change <= options.max_still_change], minlength=num) / area.clip(1)
    changing = area * (1 - calm)
    changing[0] = 0
    scene = int(changing.argmax())
    large = area >= options.min_inset_area * edges.size
    is_inset = large & (calm < 0.5)
    is_inset[[0, scene]] = False
    is_fixed = ~is_inset
    is_fixed[scene] = False
    return Overlay(is_fixed[cell], is_inset[cell])


def still_regions(change: F32, way_px: F32, options: RegionOptions) -> Bool:
    """Regions [H, W] in which nothing changes, right beside which everything does.

    Hoods, black corners, plain boxes. The edge of a still sky goes with the scene, so that change
    grows slowly from where the sky always was.
    """
    still = cv2.morphologyEx(
        (change <= options.max_still_change).astype(np.uint8),
        cv2.MORPH_OPEN,
        _disc(options.jump_reach, change),
    )
    num, region, stats, _ = cv2.connectedComponentsWithStats(still)
    found = np.zeros(change.shape, bool)
    reach = _disc(options.jump_reach, change)
    for k in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= options.min_still_area * change.size):
        own = (region == k).astype(np.uint8)
        near = cv2.dilate(own, reach)
        beside = (cv2.dilate(near, np.ones((3, 3), np.uint8)) > 0) & (near == 0)
        if k == 0 or not beside.any():
            continue
        jumps = np.quantile(change[beside], 0.25) >= options.min_jump
        if jumps and np.median(way_px[beside]) >= options.min_way_px:
            found |= own > 0
    return found


def _closed(edges: Bool, options: RegionOptions) -> U8:
    """Gaps closed between letters, and along straight borders."""
    image = edges.astype(np.uint8)
    pad = round(3 * options.letter_gap * max(image.shape))
    image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(image, cv2.MORPH_CLOSE, _disc(options.letter_gap, edges))
    run = pad // 2
    for turn in (0, 1):
        straight, gap = (np.ones((1, n)[:: 1 - 2 * turn], np.uint8) for n in (run, 2 * pad))
        lines = cv2.morphologyEx(image, cv2.MORPH_OPEN, straight)
        closed |= cv2.morphologyEx(lines, cv2.MORPH_CLOSE, gap)
    return np.asarray(closed[pad:-pad, pad:-pad], np.uint8)


def _disc(share: float, image: Bool | F32) -> U8:
    size = 2 * max(1, round(share * max(image.shape))) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
