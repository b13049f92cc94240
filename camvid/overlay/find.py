"""Finds what is fixed to the image, from the images alone, before any camera is known.

Only what the background is seen to pass behind can be found: while the camera stands still, all of
the world is fixed to the image, and no overlay is found.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.overlay.background import BackgroundMotion, background_motions, unlike_static
from camvid.overlay.boxes import BoxOptions, add_boxes, find_sides
from camvid.overlay.cuts import CutOptions, find_cuts
from camvid.overlay.fixed_edges import (
    FixedEdgeOptions,
    Look,
    find_fixed_edges,
    find_text,
    look_at,
    spread_of,
    travel_px,
)
from camvid.overlay.outlines import OutlineOptions, add_outlined
from camvid.overlay.regions import (
    Overlay,
    RegionOptions,
    bounded_regions,
    find_seams,
    group_edges,
    still_regions,
)
from camvid.overlay.windows import WindowOptions, without_windows
from camvid.parallel import map_threads

_JOIN_PX = 11
_MAX_SAMPLES = 200  # pixels of a group of edges


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayOptions:
    """When images are compared, and what counts."""

    step_s: float = 0.12  # over which the background must pass
    max_looks: int = 96  # frames that are looked at
    window_s: float = 1.0  # subtitles come and go: looked for in windows that overlap by half
    # Distance of fixed edges from what any static point of the scene does, over the noise: 2.8 to
    # 20 on overlays of 17 clips.
    min_unlike_static: float = 2.0
    edges: FixedEdgeOptions = field(default_factory=FixedEdgeOptions)
    regions: RegionOptions = field(default_factory=RegionOptions)
    cuts: CutOptions = field(default_factory=CutOptions)
    boxes: BoxOptions = field(default_factory=BoxOptions)
    outlines: OutlineOptions = field(default_factory=OutlineOptions)
    windows: WindowOptions = field(default_factory=WindowOptions)


def find_overlay(rgb: U8, fps: float, options: OverlayOptions) -> Overlay:
    """The overlay of images rgb [T, H, W, 3], as one mask for the whole clip."""
    gray = np.stack(map_threads(_gray, rgb))
    step = max(1, round(options.step_s * fps))
    motions = background_motions(gray, step, options.max_looks)
    nothing = np.zeros(gray.shape[1:], bool)
    if not motions:
        return Overlay(nothing, nothing)
    looks = look_at(gray, motions, step, options.edges)
    fixed = find_fixed_edges(gray, looks, options.edges)
    edges = group_edges(fixed.sure, fixed.probable, options.regions) | find_seams(
        fixed.sure, options.regions
    )
    for window in _windows(looks, fps, options):
        text = find_text(gray, window, options.edges)
        edges |= group_edges(text, text, options.regions)
    edges &= ~_like_static(edges, motions, options)
    change, spread = _change(gray, looks), spread_of(looks)
    starts = [motion.frame_index for motion in motions]
    cuts = find_cuts(gray, starts, step, travel_px(spread), options.cuts)
    edges |= cuts.spans
    still = still_regions(change, fixed.presence, spread, options.regions)
    overlay = bounded_regions(edges, still, change, options.regions)
    sides = find_sides(overlay, fixed.straight, spread, options.boxes)
    overlay = add_boxes(overlay, sides, nothing, change, options.boxes)
    cut = options.cuts
    short = replace(options.boxes, min_line=cut.min_line, min_travel_px=cut.min_travel_px)
    sides = find_sides(Overlay(nothing, nothing), cuts.lines, spread, short)
    overlay = add_boxes(overlay, sides, cuts.lines, change, short)
    overlay = add_outlined(overlay, gray, starts, spread, change, options.outlines)
    return without_windows(overlay, gray, motions, step, change, options.windows)


def _like_static(edges: Bool, motions: list[BackgroundMotion], options: OverlayOptions) -> Bool:
    """Edges [H, W] that may be of the scene: the camera looks at them all the time."""
    joined = cv2.dilate(edges.astype(np.uint8), np.ones((_JOIN_PX, _JOIN_PX), np.uint8))
    _, found = cv2.connectedComponents(joined)
    group = np.asarray(found)
    scene = np.zeros(edges.shape, bool)
    for k in range(1, int(group.max()) + 1):
        row, column = np.nonzero((group == k) & edges)
        thin = slice(None, None, max(1, len(row) // _MAX_SAMPLES))
        xy_px = np.stack([column[thin], row[thin]], axis=1).astype(np.float32)
        if unlike_static(motions, xy_px) < options.min_unlike_static:
            scene |= group == k
    return scene


def _gray(rgb: U8) -> U8:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _windows(looks: list[Look], fps: float, options: OverlayOptions) -> list[list[Look]]:
    """The looks of windows that overlap by half."""
    at_s = np.array([look.frame_index for look in looks]) / fps
    last = max(at_s[-1] - options.window_s, at_s[0])
    starts = np.arange(at_s[0], last + options.window_s / 4, options.window_s / 2)
    inside = [(at_s >= start) & (at_s <= start + options.window_s) for start in starts]
    return [[looks[k] for k in np.flatnonzero(window)] for window in inside if window.any()]


def _change(gray: U8, looks: list[Look]) -> F32:
    """Mean deviation [H, W] of each pixel from its mean, in grey levels."""
    images = gray[[look.frame_index for look in looks]]
    mean = images.mean(axis=0, dtype=np.float32)
    apart = np.zeros_like(mean)
    for image in images:
        apart += np.abs(image - mean)
    return apart / len(images)
