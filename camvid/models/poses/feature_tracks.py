"""Tracks of features, which are found again where corners cannot be followed.

Matched between keyframes they are joined to the corners: that costs little, closes loops and
carries through blur. Matched between all frames they take the corners' place where everything jumps
far (low frame rates, shaken cameras), at several times the cost.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from camvid.artifacts import F32, I32, U8, U16, PointTracks
from camvid.depth.alignment import sample
from camvid.models.protocols import FeatureMatcher, ImageFeatures
from camvid.parallel import map_threads
from camvid.sfm.epipolar import fundamental_matrix
from camvid.tracking.lucas_kanade import NEVER_SEED


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTrackOptions:
    """Between which frames features are matched, and which matches count."""

    match_gaps: tuple[int, ...] = (1, 2, 4)  # frames
    far_keyframes: int = 3  # one in so many is matched with those that are no nearer
    max_epipolar_error_px: float = 2.0
    min_pair_matches: int = 20
    min_track_frames: int = 3


Index = NDArray[np.intp]


def feature_tracks(
    rgb: U8, region: U16, matcher: FeatureMatcher, options: FeatureTrackOptions
) -> PointTracks:
    """Tracks of features of rgb [T, H, W, 3]; region [T, H, W] is that of `track_regions`."""
    pairs = [(t, t + gap) for gap in options.match_gaps for t in range(len(rgb) - gap)]
    return _tracks_over(pairs, rgb, region, matcher, options)


def view_tracks(
    rgb: U8, region: U16, matcher: FeatureMatcher, options: FeatureTrackOptions
) -> PointTracks:
    """Tracks of features of views without order: each is matched with each."""
    return _tracks_over(list(combinations(range(len(rgb)), 2)), rgb, region, matcher, options)


def keyframe_tracks(
    rgb: U8, region: U16, keyframes: I32, matcher: FeatureMatcher, options: FeatureTrackOptions
) -> PointTracks:
    """Tracks of features of some frames of rgb, matched with those near and with some far away.

    They reach over what ends a corner's track: a blurred or covered stretch, a camera that leaves
    a place and comes back to it.
    """
    far = options.far_keyframes
    pairs = [
        (first, second)
        for (i, first), (j, second) in combinations(enumerate(keyframes.tolist()), 2)
        if j - i < far or i % far == j % far == 0
    ]
    return _tracks_over(pairs, rgb, region, matcher, options)


def _tracks_over(
    pairs: list[tuple[int, int]],
    rgb: U8,
    region: U16,
    matcher: FeatureMatcher,
    options: FeatureTrackOptions,
) -> PointTracks:
    """Features of the frames that are in some pair, joined by the matches of the pairs."""
    frames = sorted({t for pair in pairs for t in pair})
    found = map_threads(lambda t: matcher.detect(rgb[t], region[t] != NEVER_SEED), frames)
    features = dict(zip(frames, found, strict=True))
    counts = [len(f.xy_px) for f in found]
    start = dict(zip(frames, np.cumsum([0, *counts[:-1]]), strict=True))

    def match(pair: tuple[int, int]) -> Index:
        i, j = pair
        return _match(features[i], features[j], matcher, options) + [start[i], start[j]]

    joined = np.concatenate([np.zeros((0, 2), np.intp), *map_threads(match, pairs)])
    labels = [sample(region[t], f.xy_px) for t, f in features.items()]
    label = np.concatenate([np.zeros(0, np.uint16), *labels]).astype(np.uint16)
    joined = joined[label[joined[:, 0]] == label[joined[:, 1]]]  # objects take nothing on or off
    frame = np.repeat(np.array(frames, np.int32), counts)
    xy = np.concatenate([np.zeros((0, 2), np.float32), *(f.xy_px for f in found)])
    return _chain(joined, frame, xy, label, len(rgb), options)


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
    model = fundamental_matrix(
        first.xy_px[found[:, 0]], second.xy_px[found[:, 1]], options.max_epipolar_error_px, 1000
    )
    return nothing if model is None else found[model[1]]


def _chain(
    joined: Index, frame: I32, xy: F32, label: U16, num_frames: int, options: FeatureTrackOptions
) -> PointTracks:
    """Tracks made of features [F] joined by matches [m, 2], at most one feature per frame."""
    edges = (np.ones(len(joined), bool), (joined[:, 0], joined[:, 1]))
    _, track = connected_components(coo_array(edges, shape=(len(xy), len(xy))), directed=False)
    num_observations = np.bincount(track, minlength=1)
    seen = np.zeros((num_frames, len(num_observations)), bool)
    seen[frame, track] = True
    clean = seen.sum(axis=0) == num_observations  # a track twice in one frame was matched wrongly
    keep = clean & (num_observations >= options.min_track_frames)
    chosen = np.flatnonzero(keep[track])[::-1]  # backwards, so that earlier observations win
    number = np.cumsum(keep) - 1
    num_tracks = int(keep.sum())
    query_frame = np.zeros(num_tracks, np.int32)
    query_frame[number[track[chosen]]] = frame[chosen]
    object_id = np.zeros(num_tracks, np.uint16)
    object_id[number[track[chosen]]] = label[chosen]
    first_xy = np.zeros((num_tracks, 2), np.float32)
    first_xy[number[track[chosen]]] = xy[chosen]
    xy_px = np.broadcast_to(first_xy, (num_frames, num_tracks, 2)).copy()
    for row in chosen[::-1]:
        xy_px[frame[row] :, number[track[row]]] = xy[row]
    return PointTracks(
        xy_px=xy_px,
        visible=seen[:, keep],
        object_id=object_id,
        query_frame=query_frame,
    )
