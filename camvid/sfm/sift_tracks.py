"""SIFT features matched over short and long gaps: tracks for clips on which Lucas-Kanade fails.

It finds again what jumps far between frames (low frame rates, shaken cameras), at several times
the cost of following corners.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from camvid.artifacts import F32, I32, U8, U16, PointTracks
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class SiftOptions:
    """How many features are matched, and between which frames."""

    max_features: int = 1500  # per frame
    match_gaps: tuple[int, ...] = (1, 2, 4)  # frames
    max_match_ratio: float = 0.8  # of the distances to the best and the second-best match
    max_epipolar_error_px: float = 2.0
    min_pair_matches: int = 20
    min_track_frames: int = 3


Index = NDArray[np.intp]


class _Features(NamedTuple):
    xy: F32  # [n, 2] first pixel centre at 0
    descriptors: F32  # [n, 128]


def sift_tracks(gray: U8, region: U16, options: SiftOptions) -> PointTracks:
    """Tracks of features of gray [T, H, W] on pixels where region [T, H, W] is 0."""
    num_frames = len(gray)
    features = map_threads(lambda t: _detect(gray[t], region[t], options), range(num_frames))
    pairs = [(t, t + gap) for gap in options.match_gaps for t in range(num_frames - gap)]
    matches = map_threads(lambda p: _match(features[p[0]], features[p[1]], options), pairs)
    counts = [len(f.xy) for f in features]
    start = np.concatenate([[0], np.cumsum(counts)])
    edges = [m + start[[i, j]] for (i, j), m in zip(pairs, matches, strict=True)]
    joined = np.concatenate([np.zeros((0, 2), np.intp), *edges])
    frame = np.repeat(np.arange(num_frames, dtype=np.int32), counts)
    return _chain(joined, frame, np.concatenate([f.xy for f in features]), num_frames, options)


def _detect(gray: U8, region: U16, options: SiftOptions) -> _Features:
    sift = cv2.SIFT.create(options.max_features)
    keypoints, descriptors = sift.detectAndCompute(gray, (region == 0).astype(np.uint8))
    if not keypoints:
        return _Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    xy = np.array([k.pt for k in keypoints], np.float32)
    column, row = np.rint(xy).astype(int).T
    static = region[row, column] == 0  # OpenCV rounds otherwise: no keypoint may lie on a mover
    return _Features(xy[static], np.asarray(descriptors, np.float32)[static])


def _match(first: _Features, second: _Features, options: SiftOptions) -> Index:
    """Rows [m, 2] of features that are each other's best match and obey one epipolar geometry."""
    nothing = np.zeros((0, 2), np.intp)
    if min(len(first.xy), len(second.xy)) < options.min_pair_matches:
        return nothing
    # SIFT descriptors are whole numbers, so these sums are exact however they are ordered.
    squared = [(f.descriptors**2).sum(axis=1) for f in (first, second)]
    distance = squared[0][:, None] + squared[1] - 2 * first.descriptors @ second.descriptors.T
    best, best_back = distance.argmin(axis=1), distance.argmin(axis=0)
    two = np.partition(distance, 1, axis=1)[:, :2]
    distinct = two[:, 0] < options.max_match_ratio**2 * two[:, 1]
    rows = np.flatnonzero(distinct & (best_back[best] == np.arange(len(best))))
    found = np.stack([rows, best[rows]], axis=1)
    if len(found) < options.min_pair_matches:
        return nothing
    _, inlier = cv2.findFundamentalMat(
        first.xy[found[:, 0]],
        second.xy[found[:, 1]],
        cv2.USAC_MAGSAC,
        options.max_epipolar_error_px,
        0.999,
        1000,
    )
    return found[np.asarray(inlier).ravel() > 0] if np.size(inlier) == len(found) else nothing


def _chain(
    joined: Index, frame: I32, xy: F32, num_frames: int, options: SiftOptions
) -> PointTracks:
    """Tracks made of features [F] joined by matches [m, 2], at most one feature per frame."""
    edges = (np.ones(len(joined), bool), (joined[:, 0], joined[:, 1]))
    _, track = connected_components(coo_array(edges, shape=(len(xy), len(xy))), directed=False)
    num_sightings = np.bincount(track, minlength=1)
    seen = np.zeros((num_frames, len(num_sightings)), bool)
    seen[frame, track] = True
    clean = seen.sum(axis=0) == num_sightings  # a track twice in one frame was matched wrongly
    keep = clean & (num_sightings >= options.min_track_frames)
    chosen = np.flatnonzero(keep[track])[::-1]  # backwards, so that earlier sightings win
    number = np.cumsum(keep) - 1
    num_tracks = int(keep.sum())
    query_frame = np.zeros(num_tracks, np.int32)
    query_frame[number[track[chosen]]] = frame[chosen]
    first_xy = np.zeros((num_tracks, 2), np.float32)
    first_xy[number[track[chosen]]] = xy[chosen]
    xy_px = np.broadcast_to(first_xy, (num_frames, num_tracks, 2)).copy()
    for row in chosen[::-1]:
        xy_px[frame[row] :, number[track[row]]] = xy[row]
    return PointTracks(
        xy_px=xy_px + np.float32(0.5),
        visible=seen[:, keep],
        object_id=np.zeros(num_tracks, np.uint16),
        query_frame=query_frame,
    )
