"""Turns fixed edges into the regions they bound: overlays, and insets of other videos."""

from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, Bool
from camvid.morphology import components, disc, grown
from camvid.overlay.passing import PassingScene, travel_across_px

_NORMAL_PX = 4.0  # deviation of the Gaussian whose slope is an edge's normal: smooths its stairs
_SEAM_PX = 8  # from a seam on, there is none beside it: what is fixed all over is no line


# How edges join; lengths are shares of the image's long side, areas of its pixels.
#
# Of 20 real and generated clips without an overlay none has a group of 0.0006 sure edge pixels;
# of 17 with one all have 0.004 or more. Of 30 generated scenes three have one of up to 0.005,
# where the camera keeps looking at an object or a mover fills the image.
_MIN_EDGE_AREA = 0.0012  # sure pixels of a group of edges
_MIN_SURE_SHARE = 0.4  # of a group's probable pixels
_MIN_DENSITY = 0.05  # sure pixels of the group's own area: no scattered specks
_GROUP_REACH = 0.008  # edges so near each other belong together
_LETTER_GAP = 0.019  # between strokes and letters: overlay too
_MARGIN = 0.005  # around it, for blur and coding noise
_MIN_SEAM = 0.5  # of the image's height or width: 0.19 without a seam, 0.75 with one
_MIN_INSET_AREA = 0.01  # smallest to be found: lesser holes, as in letters, are overlay too
_MIN_STILL_AREA = 0.004  # smallest hood, corner or box to be found: walls have small bare spots
_MIN_JUMP = 8.0  # grey levels: change right beside a still region; a sky's grows slowly
_JUMP_REACH = 0.006  # where that is read: nearer, blur and coding mix both sides, as for _MARGIN
_MIN_PRESENCE = 0.6  # of the time in which an edge must be seen where it ends
_MIN_TRAVEL_PX = 30.0  # of the background across the edge ...
_MIN_RING_SHARE = 0.15  # ... of this share of it


class Overlay(NamedTuple):
    """Pixels that are fixed to the image, and those that show another video."""

    fixed: Bool  # [H, W]
    inset: Bool  # [H, W]

    @property
    def mask(self) -> Bool:
        """[H, W] all that is not the scene."""
        return self.fixed | self.inset


def group_edges(sure: Bool, probable: Bool) -> Bool:
    """The probable edges [H, W] of groups that are large, dense and sure enough."""
    near = grown(sure, share_px(_GROUP_REACH, sure))
    group = components(near)
    area = np.bincount(group.ravel())
    num_sure = np.bincount(group[sure], minlength=len(area))
    keep = (
        (num_sure >= _MIN_EDGE_AREA * sure.size)
        & (num_sure >= _MIN_SURE_SHARE * np.bincount(group[probable], minlength=len(area)))
        & (num_sure >= _MIN_DENSITY * area)
    )
    keep[0] = False
    seed = np.isin(group, np.flatnonzero(keep)) & sure
    touching = cv2.dilate(probable.astype(np.uint8), np.ones((3, 3), np.uint8))
    chain = components(touching > 0)  # an edge along the motion is but probable
    return np.asarray(np.isin(chain, np.unique(chain[seed])) & probable)


def find_seams(sure: Bool) -> Bool:
    """Straight lines [H, W] right across the image, as between the halves of a split screen."""
    seams = np.zeros(sure.shape, bool)
    for across in (sure, sure.T):
        wide = cv2.dilate(across.astype(np.uint8), np.ones((1, 3), np.uint8))
        share = wide.mean(axis=0)
        beside = np.minimum(np.roll(share, _SEAM_PX), np.roll(share, -_SEAM_PX))
        found = (share >= _MIN_SEAM) & (beside < _MIN_SEAM / 2)
        view = seams if across is sure else seams.T
        view[:, found] = True
    return seams


def bounded_regions(edges: Bool, regions: Bool, still: Bool) -> Overlay:
    """What edges and still regions bound: fixed where most of it is still. All are [H, W]."""
    if not (edges | regions).any():
        return Overlay(edges, edges)
    walls = grown(_closed(edges) | regions, share_px(_MARGIN, edges))
    cell = components(~walls, connectivity=4)
    area = np.bincount(cell.ravel())
    num_still = np.bincount(cell[still], minlength=len(area))
    still_share = num_still / area.clip(1)
    changing = area * (1 - still_share)
    changing[0] = 0
    scene = int(changing.argmax())
    large = area >= _MIN_INSET_AREA * edges.size
    is_inset = large & (still_share < 0.5)
    is_inset[[0, scene]] = False
    is_fixed = ~is_inset
    is_fixed[scene] = False
    return Overlay(is_fixed[cell], is_inset[cell])


def still_regions(scene: PassingScene, presence: F32) -> Bool:
    """Regions [H, W] in which nothing changes, right beside which everything does.

    Hoods, black corners, plain boxes. The edge of a still sky goes with the scene: it is seldom
    where the sky ends that was always there, and change grows slowly from there. An edge along
    which the background goes, as a level horizon in a pan, is no evidence. `presence` [H, W] is the
    share of the time in which there is an edge.
    """
    change = scene.change
    reach = disc(share_px(_JUMP_REACH, change))
    near = np.asarray(cv2.dilate(presence, reach), np.float32)
    solid = cv2.morphologyEx(scene.still.astype(np.uint8), cv2.MORPH_OPEN, reach)
    region = components(solid > 0)
    found = np.zeros(change.shape, bool)
    for k in np.flatnonzero(np.bincount(region.ravel()) >= _MIN_STILL_AREA * change.size):
        own = region == k
        beside = grown(own, share_px(_JUMP_REACH, own))
        ring = (cv2.dilate(beside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~beside
        across = ring & (_travel_across_edge_px(own, scene.spread) >= _MIN_TRAVEL_PX)
        if k == 0 or across.sum() < max(_MIN_RING_SHARE * ring.sum(), 1):
            continue
        jump, edge = np.quantile(change[across], 0.25), np.quantile(near[across], 0.25)
        if jump >= _MIN_JUMP and edge >= _MIN_PRESENCE:
            found |= own
    return found


def _travel_across_edge_px(region: Bool, spread: F32) -> F32:
    """How far [H, W] the background went across the region's edge."""
    soft = cv2.GaussianBlur(region.astype(np.float32), (0, 0), _NORMAL_PX)
    x, y = (np.asarray(cv2.Sobel(soft, cv2.CV_32F, *d), np.float32) for d in ((1, 0), (0, 1)))
    return travel_across_px(spread, x, y)


def _closed(edges: Bool) -> Bool:
    """Gaps closed between letters, and along straight borders."""
    image = edges.astype(np.uint8)
    pad = round(3 * _LETTER_GAP * max(image.shape))
    image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(image, cv2.MORPH_CLOSE, disc(share_px(_LETTER_GAP, edges)))
    run = pad // 2
    for turn in (0, 1):
        straight, gap = (np.ones((1, n)[:: 1 - 2 * turn], np.uint8) for n in (run, 2 * pad))
        lines = cv2.morphologyEx(image, cv2.MORPH_OPEN, straight)
        closed = np.maximum(closed, cv2.morphologyEx(lines, cv2.MORPH_CLOSE, gap))
    return np.asarray(closed[pad:-pad, pad:-pad] > 0, np.bool_)


def share_px(share: float, image: Bool | F32) -> int:
    """A share of the image's long side in pixels, at least one."""
    return max(1, round(share * max(image.shape)))
