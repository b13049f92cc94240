"""Finds what is fixed to the image, from the images alone, before any camera is known.

Only what the background is seen to pass behind can be found: while the camera stands still, all of
the world is fixed to the image, and no overlay is found but for insets, which change.
"""

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.morphology import components, grown
from camvid.overlay.background import BackgroundMotion, background_motions, unlike_static
from camvid.overlay.boxes import CUTS, EDGES, add_boxes, find_sides
from camvid.overlay.change import changing_boxes
from camvid.overlay.cuts import Cuts, find_cuts
from camvid.overlay.fixed_edges import (
    FixedEdges,
    Look,
    find_fixed_edges,
    find_text,
    look_at,
    spread_of,
)
from camvid.overlay.outlines import add_outlined
from camvid.overlay.own_motion import unexplained_change
from camvid.overlay.passing import PassingScene, travel_px
from camvid.overlay.regions import Overlay, bounded_regions, find_seams, group_edges, still_regions
from camvid.overlay.windows import without_windows
from camvid.parallel import map_threads

_STEP_S = 0.12  # over which the background must pass
_MAX_LOOKS = 96  # frames that are looked at
_WINDOW_S = 1.0  # subtitles come and go: looked for in windows that overlap by half
_STILL_CHANGE = 4.0  # grey levels from the mean image: what stands still changes less
# Distance of fixed edges from what any static point of the scene does, over the noise: 2.8 to 20 on
# overlays of 17 clips.
_MIN_UNLIKE_STATIC = 2.0
# Share of its change that no motion may explain. Groups of edges of 17 movers that the camera
# follows and lines along which it pans have .10 to .77; 74 of logos, marks, clocks and insets in
# real and generated videos .79 to 1, but for a part of an inset and a logo of .3 opacity before
# glittering cars (.73). Sides are thin: the larger share of the longer times counts, .62 to .69 of
# movers (one .89); 113 true ones have .78 and more, but for two of a logo that its own edges find.
# Without this 13 of 270 generated scenes had an overlay.
_MIN_UNEXPLAINED = 0.78
_MIN_UNEXPLAINED_SIDE = 0.74  # half way from .69 of movers to .78 of true sides
_BESIDE_PX = 3  # on either side of a side
# Of the background: less may show too little of what is fixed before it. The least of nine moving
# cameras is 36.
_LEAST_TRAVEL_PX = 10.0
_JOIN_PX = 11  # side of a square: edges up to 10 px apart are judged as one, as letters of a word
_MAX_SAMPLES = 200  # pixels of a group of edges


def find_overlay(rgb: U8, fps: float) -> Overlay:
    """The overlay of images rgb [T, H, W, 3], as one mask for the whole clip."""
    gray = np.stack(map_threads(_gray, rgb))
    step = max(1, round(_STEP_S * fps))
    motions = background_motions(gray, step, _MAX_LOOKS)
    if not motions:
        return Overlay(np.zeros(gray.shape[1:], bool), changing_boxes(gray))
    looks = look_at(gray, motions, step)
    fixed = find_fixed_edges(gray, looks)
    scene = _passing_scene(gray, looks, motions, step)
    hardly_moves = np.median(travel_px(scene.spread)) < _LEAST_TRAVEL_PX
    changing = changing_boxes(gray) if hardly_moves else np.zeros(gray.shape[1:], bool)
    cuts = find_cuts(scene)
    edges = _standing_edges(fixed, looks, scene, motions, fps) | cuts.spans
    bounded = bounded_regions(edges, still_regions(scene, fixed.presence), scene.still)
    overlay = add_outlined(_with_boxes(bounded, fixed, cuts, scene, motions), scene)
    added = overlay.fixed & ~bounded.fixed
    moving = added & ~_standing(added, scene, motions)
    overlay = Overlay(overlay.fixed & ~moving & ~changing, overlay.inset | changing)
    return without_windows(overlay, scene, motions)


def _passing_scene(
    gray: U8, looks: list[Look], motions: list[BackgroundMotion], step: int
) -> PassingScene:
    change = _change(gray, looks)
    starts = [motion.frame_index for motion in motions]
    still = change <= _STILL_CHANGE
    return PassingScene(gray, starts, step, spread_of(looks), change, still)


def _standing_edges(
    fixed: FixedEdges,
    looks: list[Look],
    scene: PassingScene,
    motions: list[BackgroundMotion],
    fps: float,
) -> Bool:
    """Edges [H, W] that stand still: for the whole time, right across the image, or as text."""
    edges = _standing(group_edges(fixed.sure, fixed.probable), scene, motions)
    edges |= find_seams(fixed.sure)
    for window in _windows(looks, fps):
        text = find_text(scene.gray, window)
        first, last = window[0].frame_index, window[-1].frame_index
        seen = [motion for motion in motions if first <= motion.frame_index <= last]
        edges |= _standing(group_edges(text, text), scene, seen)
    return edges & ~_like_static(edges, motions)


def _with_boxes(
    bounded: Overlay,
    fixed: FixedEdges,
    cuts: Cuts,
    scene: PassingScene,
    motions: list[BackgroundMotion],
) -> Overlay:
    """The overlay with the boxes that straight edges bound, and lines that nothing crosses."""
    nothing = np.zeros(scene.still.shape, bool)
    sides = find_sides(bounded, fixed.straight, scene.spread, EDGES)
    sides = _standing_sides(sides, scene, motions)
    overlay = add_boxes(bounded, sides, nothing, scene.still, EDGES)
    sides = find_sides(Overlay(nothing, nothing), cuts.lines, scene.spread, CUTS)
    return add_boxes(overlay, sides, cuts.lines, scene.still, CUTS)


def _standing(edges: Bool, scene: PassingScene, motions: list[BackgroundMotion]) -> Bool:
    """Those of the edges [H, W] that stand still while the background moves."""
    found = np.zeros(edges.shape, bool)
    for group in _groups(edges):
        shares = unexplained_change(group, scene.gray, motions, scene.step)
        if min(shares, default=1.0) >= _MIN_UNEXPLAINED:
            found |= group
    return found


def _standing_sides(sides: Bool, scene: PassingScene, motions: list[BackgroundMotion]) -> Bool:
    """Those of the sides [H, W] that stand still with what lies right beside them."""
    found = np.zeros(sides.shape, bool)
    number = components(sides)
    for k in range(1, int(number.max()) + 1):
        beside = grown(number == k, _BESIDE_PX)
        shares = unexplained_change(beside, scene.gray, motions, scene.step)
        if max(shares[1:], default=1.0) >= _MIN_UNEXPLAINED_SIDE:
            found |= number == k
    return found


def _like_static(edges: Bool, motions: list[BackgroundMotion]) -> Bool:
    """Edges [H, W] that may be of the scene: the camera looks at them all the time."""
    scene = np.zeros(edges.shape, bool)
    for group in _groups(edges):
        row, column = np.nonzero(group)
        thin = slice(None, None, max(1, len(row) // _MAX_SAMPLES))
        xy_px = np.stack([column[thin], row[thin]], axis=1).astype(np.float32)
        if unlike_static(motions, xy_px) < _MIN_UNLIKE_STATIC:
            scene |= group
    return scene


def _groups(edges: Bool) -> list[Bool]:
    """The edges [H, W], those that lie near each other together."""
    joined = cv2.dilate(edges.astype(np.uint8), np.ones((_JOIN_PX, _JOIN_PX), np.uint8))
    group = components(joined > 0)
    return [(group == k) & edges for k in range(1, int(group.max()) + 1)]


def _gray(rgb: U8) -> U8:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _windows(looks: list[Look], fps: float) -> list[list[Look]]:
    """The looks of windows that overlap by half."""
    at_s = np.array([look.frame_index for look in looks]) / fps
    last = max(at_s[-1] - _WINDOW_S, at_s[0])
    starts = np.arange(at_s[0], last + _WINDOW_S / 4, _WINDOW_S / 2)
    inside = [(at_s >= start) & (at_s <= start + _WINDOW_S) for start in starts]
    return [[looks[k] for k in np.flatnonzero(window)] for window in inside if window.any()]


def _change(gray: U8, looks: list[Look]) -> F32:
    """Mean deviation [H, W] of each pixel from its mean, in grey levels."""
    images = gray[[look.frame_index for look in looks]]
    mean = images.mean(axis=0, dtype=np.float32)
    apart = np.zeros_like(mean)
    for image in images:
        apart += np.abs(image - mean)
    return apart / len(images)
