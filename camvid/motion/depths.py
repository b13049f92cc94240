"""How deep tracked points are, and the range that the truth must lie in.

Where depth was measured, the range is a tolerance about it. Where it was guessed, as it is on
movers, the point may be as near as the nearest static thing in the image or half the guess,
and as far as the static scene seen beside its object: a mover stands in front of that.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, U8, U16, Bool, DepthMaps, ObjectMasks, PointTracks
from camvid.depth.alignment import sample
from camvid.parallel import map_threads

TOLERANCE = 0.25  # relative, where depth was measured
_STRIDE = 4  # quantiles over a frame need no more than every fourth pixel
_BESIDE_PX = 16  # how far around an object its background is looked at
_TOO_DEEP = 2.0  # what flies is guessed to stand on the ground seen below it: too deep by so much
_NEAREST, _FARTHEST = 0.02, 0.95  # quantiles: single wrong pixels must not widen the range


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackDepths:
    """Depth of every track in every frame where it is seen; NaN elsewhere and where unknown."""

    depth: F32  # [T, N]
    low: F32  # [T, N]
    high: F32  # [T, N]
    confidence: U8  # [T, N]

    @classmethod
    def at_infinity(cls, shape: tuple[int, ...]) -> "TrackDepths":
        """Where the camera does not travel, and depth plays no part: T frames, N tracks."""
        depth = np.broadcast_to(np.float32(np.inf), shape)
        sure = np.broadcast_to(np.uint8(255), shape)
        return cls(depth=depth, low=depth, high=depth, confidence=sure)


def track_depths(
    depth: DepthMaps, masks: ObjectMasks, tracks: PointTracks, *, min_confidence: int
) -> TrackDepths:
    """Reads depth off at the tracks; below `min_confidence` an object's depth counts as a guess."""
    shape = tracks.visible.shape
    found = np.full(shape, np.nan, np.float32)
    low, high = found.copy(), found.copy()
    confidence = np.zeros(shape, np.uint8)

    def read(t: int) -> None:
        at = np.flatnonzero(tracks.visible[t])
        xy_px = tracks.xy_px[t, at]
        there = sample(depth.valid[t], xy_px)
        value = np.where(there, sample(depth.depth[t], xy_px), np.float32(np.nan))
        confidence[t, at] = sample(depth.confidence[t], xy_px)
        found[t, at] = value
        low[t, at], high[t, at] = value / (1 + TOLERANCE), value * (1 + TOLERANCE)
        guessed = at[(confidence[t, at] < min_confidence) & (tracks.object_id[at] > 0)]
        if len(guessed):
            near, far = _bounds(depth, masks.object_id[t], t, tracks.object_id[guessed])
            low[t, guessed] = np.fmin(found[t, guessed] / _TOO_DEEP, near)
            high[t, guessed] = np.fmax(found[t, guessed], far)

    map_threads(read, range(shape[0]))
    return TrackDepths(depth=found, low=low, high=high, confidence=confidence)


def _bounds(depth: DepthMaps, object_id: U16, t: int, labels: U16) -> tuple[float, F32]:
    """(nearest static depth in frame t, farthest static depth beside each label's object)."""
    thin = np.s_[::_STRIDE, ::_STRIDE]
    ids, z = object_id[thin], depth.depth[t][thin]
    static: Bool = (ids == 0) & depth.valid[t][thin]
    if not static.any():
        return np.nan, np.full(len(labels), np.nan, np.float32)
    near, far_anywhere = np.quantile(z[static], [_NEAREST, _FARTHEST])
    size = 2 * (_BESIDE_PX // _STRIDE) + 1
    far = np.full(len(labels), far_anywhere, np.float32)
    for label in np.unique(labels):
        own = (ids == label).astype(np.uint8)
        beside = (cv2.dilate(own, np.ones((size, size), np.uint8)) > 0) & static
        if beside.any():
            far[labels == label] = np.quantile(z[beside], _FARTHEST)
    return float(near), far
