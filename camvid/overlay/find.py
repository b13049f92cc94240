"""Finds what is fixed to the image, from the images alone, before any camera is known.

Only what the background is seen to pass behind can be told: while the camera stands still, all of
the world is fixed to the image, and no overlay is found.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from camvid.artifacts import F32, U8
from camvid.overlay.background import background_passages
from camvid.overlay.fixed_edges import (
    FixedEdgeOptions,
    Look,
    find_fixed_edges,
    find_text,
    look_at,
    way_of,
)
from camvid.overlay.regions import Overlay, RegionOptions, bounded_regions, group_edges, still_regions
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayOptions:
    """When images are compared, and what counts."""

    step_s: float = 0.12  # over which the background must pass
    max_looks: int = 96  # frames that are looked at
    window_s: float = 1.5  # subtitles come and go: looked for in windows that overlap by half
    edges: FixedEdgeOptions = field(default_factory=FixedEdgeOptions)
    regions: RegionOptions = field(default_factory=RegionOptions)


def find_overlay(rgb: U8, fps: float, options: OverlayOptions) -> Overlay:
    """The overlay of images rgb [T, H, W, 3], as one mask for the whole clip."""
    gray = np.stack(map_threads(_gray, rgb))
    step = max(1, round(options.step_s * fps))
    passages = background_passages(gray, step, options.max_looks)
    nothing = np.zeros(gray.shape[1:], bool)
    if not passages:
        return Overlay(nothing, nothing)
    looks = look_at(gray, passages, step, options.edges)
    edges = group_edges(find_fixed_edges(gray, looks, options.edges), options.regions)
    for window in _windows(looks, fps, options):
        edges |= group_edges(find_text(gray, window, options.edges), options.regions)
    change, way_px = _change(gray, looks), way_of(looks, *nothing.shape[::-1])
    still = still_regions(change, way_px, options.regions)
    return bounded_regions(edges, still, change, options.regions)


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
