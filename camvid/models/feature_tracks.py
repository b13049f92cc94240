"""Features matched over short and long gaps: tracks for clips in which corners cannot be followed.

It finds again what jumps far between frames (low frame rates, shaken cameras), at several times
the cost of following corners.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from camvid.artifacts import F32, I32, U8, U16, PointTracks
from camvid.models.protocols import FeatureMatcher, ImageFeatures
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTrackOptions:
    """Between which frames features are matched, and which matches count."""

    match_gaps: tuple[int, ...] = (1, 2, 4)  # frames
    max_epipolar_error_px: float = 2.0
    min_pair_matches: int = 20
    min_track_frames: int = 3


Index = NDArray[np.intp]


def feature_tracks(
    rgb: U8, region: U16, matcher: FeatureMatcher, options: FeatureTrackOptions
) -> PointTracks:
    """Tracks of features of rgb [T, H, W, 3] on pixels where region [T, H, W] is 0."""
    num_frames = len(rgb)
    features = map_threads(lambda t: matcher.detect(rgb[t], region[t] == 0), range(num_frames))
    pairs = [(t, t + gap) for gap in options.match_gaps for t in range(num_frames - gap)]

    def match(pair: tuple[int, int]) -> Index:
        return _match(features[pair[0]], features[pair[1]], matcher, options)

    matches = map_threads(match, pairs)
    counts = [len(f.xy_px) for f in features]
    start = np.concatenate([[0], np.cumsum(counts)])
    edges = [m + start[[i, j]] for (i, j), m in zip(pairs, matches, strict=True)]
    joined = np.concatenate([np.zeros((0, 2), np.intp), *edges])
    frame = np.repeat(np.arange(num_frames, dtype=np.int32), counts)
    return _chain(joined, frame, np.concatenate([f.xy_px for f in features]), num_frames, options)


def _match(
    first: ImageFeatures,
    second: ImageFeatures,
    matcher: FeatureMatcher,
    options: FeatureTrackOptions,
) -> Index:
    """Rows [m, 2] of features that are matched and obey one epipolar geometry."""
    nothing = np.zeros((0, 2), np.intp)
    found = matcher.match(first, second)
    if len(found) < options.min_pair_matches:
        return nothing
    ends = first.xy_px[found[:, 0]], second.xy_px[found[:, 1]]
    try:
        _, inlier = cv2.findFundamentalMat(
            *ends, cv2.USAC_MAGSAC, options.max_epipolar_error_px, 0.999, 1000
        )
    except cv2.error:  # how it says that every sample of these matches is degenerate
        return nothing
    return found[np.asarray(inlier).ravel() > 0] if np.size(inlier) == len(found) else nothing


def _chain(
    joined: Index, frame: I32, xy: F32, num_frames: int, options: FeatureTrackOptions
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
        xy_px=xy_px,
        visible=seen[:, keep],
        object_id=np.zeros(num_tracks, np.uint16),
        query_frame=query_frame,
    )
