"""Which pixels move, as the tracks around them do.

Tracks say whether something moves, but they are sparse, and masks end at edges. A pixel goes with
the tracks that are near it and move as it does: the flow of one pair of frames, which is too noisy
to say by itself what moves, tells on which side of an outline a pixel lies.
"""

from typing import Any

import cv2
import numpy as np
from scipy.spatial import KDTree

from camvid.artifacts import F32, F64, U8, Bool, PointTracks
from camvid.parallel import map_threads
from camvid.segmentation.flow import ClipFlow, pixel_grid

# Lengths are in pixels of the working size.
_REACH_PX = 12.0  # of a moving track: nothing further moves because of it
_NEAR_PX = 9.0  # standard deviation of places
_ALIKE_PX = 0.3  # of motions from frame to frame: what flow errs by
_NUM_NEAREST = 6  # tracks that a pixel is held against, so that one in error is outvoted
_MIN_MOVES = 0.5  # of a track that is looked at
_STRANGER = 4.0  # standard deviations from all tracks, at which a pixel goes its own way


def track_evidence(
    tracks: PointTracks, moves: F64, flow: ClipFlow, width_px: int, suspected: list[Bool]
) -> list[U8]:
    """Per frame [h, w], 255 P(moves).

    Args:
        tracks: of a clip `width_px` wide.
        moves: P(moves) [N] of each; NaN where it is not known.
        suspected: where to look [h, w] besides near tracks that move.
    """
    xy = tracks.xy_px * np.float32(flow.width_px / width_px) - np.float32(0.5)  # OpenCV's pixels
    grid = pixel_grid(flow.width_px, flow.height_px)
    known = np.isfinite(moves)

    def look(t: int) -> U8:
        evidence = np.zeros((flow.height_px, flow.width_px), np.uint8)
        step, stays = _steps(tracks, xy, t)
        index = np.flatnonzero(stays & known)
        moving = index[moves[index] >= _MIN_MOVES]
        for x, y in np.rint(xy[t, moving]).astype(int):
            cv2.circle(evidence, (int(x), int(y)), round(_REACH_PX), 255, -1)
        where = (evidence > 0) | suspected[t]
        evidence[:] = 0
        if not len(index) or not where.any():
            return evidence
        units = [1 / _NEAR_PX, 1 / _ALIKE_PX]
        tree = KDTree(np.hstack([xy[t, index] * units[0], step[index] * units[1]]))
        query = np.hstack([grid[where] * units[0], _flow_at(flow, t)[where] * units[1]])
        num = min(_NUM_NEAREST, len(index))
        ranks: Any = np.arange(1, num + 1)  # a list of ranks gives [n, num] for one, too
        far, nearest = tree.query(query, k=ranks)
        # A thing that turns or bends loses its tracks: what moves unlike all of them moves, too.
        nearest = np.hstack([moves[index][nearest], np.ones((len(far), 1))])
        far = np.hstack([far, np.full((len(far), 1), _STRANGER)])
        weight = np.exp(-0.5 * (far**2 - far.min(axis=1, keepdims=True) ** 2))
        share = (weight * nearest).sum(axis=1) / weight.sum(axis=1)
        evidence[where] = np.rint(255 * share).astype(np.uint8)
        return evidence

    return map_threads(look, range(len(xy)))


def _steps(tracks: PointTracks, xy: F32, t: int) -> tuple[F32, np.ndarray]:
    """(motion [N, 2] from frame to frame about frame t, whether it is known [N])."""
    before, after = max(t - 1, 0), min(t + 1, len(xy) - 1)
    first = np.where(tracks.visible[before], before, t)
    last = np.where(tracks.visible[after], after, t)
    every = np.arange(xy.shape[1])
    span = last - first
    step = (xy[last, every] - xy[first, every]) / np.maximum(span, 1).astype(np.float32)[:, None]
    return step, tracks.visible[t] & (span > 0)


def _flow_at(flow: ClipFlow, t: int) -> F32:
    """Motion [h, w, 2] from frame to frame about frame t."""
    ways = [(flow.forward[t], 1), (flow.backward[t], -1)]
    fields = [np.asarray(field, np.float32) * sign for field, sign in ways if field is not None]
    return np.mean(fields, axis=0) if fields else np.zeros((*flow.gray[t].shape, 2), np.float32)
