"""Inpaints overlays, and removes tracks and depth that were measured on them.

A logo drags flow, saliency and features along with it. Painted over with what lies around it, it
is a smooth spot that moves with the scene, in which nothing is found.
"""

from dataclasses import replace

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool, DepthMaps, Frames, ObjectMasks, PointTracks
from camvid.overlay.masks import overlay_of
from camvid.parallel import map_threads
from camvid.tracking.tracks import label_at, tracks_of

_BORDER_PX = 32  # around the overlay, from which the paint is mixed


def painted_over(frames: Frames, overlay: Bool) -> Frames:
    """The frames with a smooth continuation of the scene in place of the overlay.

    Args:
        overlay: [H, W], or [T, H, W] where it changes.
    """
    hidden = np.broadcast_to(overlay, frames.rgb.shape[:3])
    if not hidden.any():
        return frames

    def paint(t: int) -> U8:
        return _painted(frames.rgb[t], hidden[t])

    return Frames(rgb=np.stack(map_threads(paint, range(len(frames.rgb)))))


def without_overlay_tracks(tracks: PointTracks, masks: ObjectMasks) -> PointTracks:
    """The tracks where they are off the overlay; those that never are, are gone."""
    overlay = overlay_of(masks)
    if not overlay.any():
        return tracks
    visible = tracks.visible & ~label_at(tracks, overlay)
    return tracks_of(replace(tracks, visible=visible), np.asarray(visible.any(axis=0)))


def without_overlay_depth(depth: DepthMaps, masks: ObjectMasks) -> DepthMaps:
    """The depth with no value on the overlay, which is not in the scene."""
    overlay = overlay_of(masks)
    if not overlay.any() or depth.source == "none":
        return depth
    return replace(
        depth,
        depth=np.where(overlay, np.float32(0), depth.depth),
        valid=depth.valid & ~overlay,
        confidence=np.where(overlay, np.uint8(0), depth.confidence),
    )


def _painted(rgb: U8, hidden: Bool) -> U8:
    x, y, width, height = cv2.boundingRect(hidden.astype(np.uint8))
    window = np.s_[
        max(y - _BORDER_PX, 0) : y + height + _BORDER_PX,
        max(x - _BORDER_PX, 0) : x + width + _BORDER_PX,
    ]
    known = (~hidden[window]).astype(np.float32)
    painted = rgb.copy()
    colour = _filled(rgb[window].astype(np.float32) * known[..., None], known)
    painted[window][hidden[window]] = np.clip(colour, 0, 255).astype(np.uint8)[hidden[window]]
    return painted


def _filled(weighted: F32, weight: F32) -> F32:
    """Colours [h, w, 3], where there is no weight those of the next coarser level."""
    colour = np.asarray(weighted / np.maximum(weight, 1e-6)[..., None], np.float32)
    if min(weight.shape) < 4 or (weight > 0.5).all():
        return colour
    coarser = _filled(
        np.asarray(cv2.pyrDown(weighted), np.float32), np.asarray(cv2.pyrDown(weight), np.float32)
    )
    size = weight.shape[::-1]
    above = cv2.resize(coarser, size, interpolation=cv2.INTER_LINEAR)
    sure = np.minimum(weight, 1)[..., None]
    return np.asarray(sure * colour + (1 - sure) * above, np.float32)
