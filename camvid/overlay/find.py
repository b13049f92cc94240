"""Finds what is fixed to the image, from the images alone, before any camera is known.

Only what the background is seen to pass behind can be found: while the camera stands still, all of
the world is fixed to the image, and no overlay is found.
"""

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.morphology import components
from camvid.overlay.background import BackgroundMotion, background_motions, unlike_static
from camvid.overlay.boxes import CUTS, EDGES, add_boxes, find_sides
from camvid.overlay.cuts import find_cuts
from camvid.overlay.fixed_edges import Look, find_fixed_edges, find_text, look_at, spread_of
from camvid.overlay.outlines import add_outlined
from camvid.overlay.passing import PassingScene
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
_JOIN_PX = 11
_MAX_SAMPLES = 200  # pixels of a group of edges


def find_overlay(rgb: U8, fps: float) -> Overlay:
    """The overlay of images rgb [T, H, W, 3], as one mask for the whole clip."""
    gray = np.stack(map_threads(_gray, rgb))
    step = max(1, round(_STEP_S * fps))
    motions = background_motions(gray, step, _MAX_LOOKS)
    nothing = np.zeros(gray.shape[1:], bool)
    if not motions:
        return Overlay(nothing, nothing)
    looks = look_at(gray, motions, step)
    fixed = find_fixed_edges(gray, looks)
    edges = group_edges(fixed.sure, fixed.probable) | find_seams(fixed.sure)
    for window in _windows(looks, fps):
        text = find_text(gray, window)
        edges |= group_edges(text, text)
    edges &= ~_like_static(edges, motions)
    change, spread = _change(gray, looks), spread_of(looks)
    still = change <= _STILL_CHANGE
    starts = [motion.frame_index for motion in motions]
    scene = PassingScene(gray, starts, step, spread, change, still)
    cuts = find_cuts(scene)
    edges |= cuts.spans
    overlay = bounded_regions(edges, still_regions(scene, fixed.presence), still)
    sides = find_sides(overlay, fixed.straight, spread, EDGES)
    overlay = add_boxes(overlay, sides, nothing, still, EDGES)
    sides = find_sides(Overlay(nothing, nothing), cuts.lines, spread, CUTS)
    overlay = add_boxes(overlay, sides, cuts.lines, still, CUTS)
    return without_windows(add_outlined(overlay, scene), scene, motions)


def _like_static(edges: Bool, motions: list[BackgroundMotion]) -> Bool:
    """Edges [H, W] that may be of the scene: the camera looks at them all the time."""
    joined = cv2.dilate(edges.astype(np.uint8), np.ones((_JOIN_PX, _JOIN_PX), np.uint8))
    group = components(joined > 0)
    scene = np.zeros(edges.shape, bool)
    for k in range(1, int(group.max()) + 1):
        row, column = np.nonzero((group == k) & edges)
        thin = slice(None, None, max(1, len(row) // _MAX_SAMPLES))
        xy_px = np.stack([column[thin], row[thin]], axis=1).astype(np.float32)
        if unlike_static(motions, xy_px) < _MIN_UNLIKE_STATIC:
            scene |= group == k
    return scene


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
