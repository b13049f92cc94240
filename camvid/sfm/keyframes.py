"""The frames that are mapped first: few enough to be quick, close enough to share tracks."""

import numpy as np

from camvid.artifacts import I32, PointTracks

_FLOW_PER_KEYFRAME = 0.04  # of the longer image side
_MIN_KEYFRAMES = 16  # however little moves: errors of tracks average out over the views
_MAX_KEYFRAMES = 36  # bounds the work of mapping: the frames between are registered later


def choose_keyframes(tracks: PointTracks, long_side_px: int) -> I32:
    """Frame indices [K], spaced by equal flow; of neighbours, the frame that shows most tracks."""
    num_frames = len(tracks.visible)
    step_px = np.array([_flow(tracks, t) for t in range(num_frames - 1)])
    path_px = np.concatenate([[0.0], np.cumsum(step_px + 1e-3)])
    count = np.ceil(path_px[-1] / (_FLOW_PER_KEYFRAME * long_side_px)).astype(int) + 1
    count = min(max(count, _MIN_KEYFRAMES), _MAX_KEYFRAMES, num_frames)
    chosen = np.searchsorted(path_px, np.linspace(0, path_px[-1], count) - 1e-9)
    num_seen = tracks.visible.sum(axis=1)
    for k in range(1, count - 1):  # a blurred frame loses tracks, its neighbour may not
        near = np.arange(max(chosen[k] - 1, 0), min(chosen[k] + 2, num_frames))
        chosen[k] = near[np.argmax(num_seen[near] + (near == chosen[k]))]
    return np.unique(chosen).astype(np.int32)


def mean_overlap(tracks: PointTracks, keyframes: I32) -> float:
    """Mean share of the tracks of two keyframes, of the one with fewer, that both see."""
    seen = tracks.visible[keyframes].astype(np.float32)
    num_seen = seen.sum(axis=1)
    fewer = np.minimum(num_seen[:, None], num_seen)
    pairs = np.triu_indices(len(keyframes), 1)
    share = (seen @ seen.T)[pairs] / np.maximum(fewer[pairs], 1)
    return float(share.mean()) if len(share) else 1.0


def _flow(tracks: PointTracks, frame_index: int) -> float:
    """Median flow in px to the next frame; 0 where no track reaches it."""
    both = tracks.visible[frame_index] & tracks.visible[frame_index + 1]
    if not both.any():
        return 0.0
    step = tracks.xy_px[frame_index + 1, both] - tracks.xy_px[frame_index, both]
    return float(np.median(np.linalg.norm(step, axis=1)))
