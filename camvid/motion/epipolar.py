"""Does a thing move, or is it parallax? Where no camera is known, epipolar lines tell.

Between two images a static point stays on its epipolar line, whatever its depth, the lens, or how
the image was cropped. What leaves the lines of the background moves; what keeps to them may not.
"""

import numpy as np

from camvid.artifacts import F64, PointTracks
from camvid.motion.series import choose_pairs
from camvid.sfm.epipolar import fundamental_matrix, sampson_px

_GAP_S, _MAX_GAP_S = 0.25, 0.4  # longer tells more of each track, but leaves fewer of them
_MAX_PAIRS = 16  # of twice as many or more, some are left out: each takes two searches by RANSAC
_MIN_BACKGROUND, _MIN_OWN = 30, 5  # tracks
_MAX_ERROR_PX = 0.5  # of inliers from their lines: what a track may be off forward and back
_MIN_NOISE_PX = 0.05  # numerical guard: a ratio to less would be one of rounding
_AS_WELL = 2.0  # times the least noise


def off_epipolar_lines(tracks: PointTracks, object_id: int, timestamps_s: F64) -> float:
    """How far an object's tracks leave the epipolar lines, over what the background's do.

    0 where too few tracks of either are seen together to say.
    """
    pairs = choose_pairs(
        timestamps_s, np.ones(len(timestamps_s), bool), gap_s=_GAP_S, max_gap_s=_MAX_GAP_S
    )
    found: list[tuple[float, float]] = []
    for i, j in pairs[:: max(1, len(pairs) // _MAX_PAIRS)].tolist():
        seen = tracks.visible[i] & tracks.visible[j]
        sides = [seen & (tracks.object_id == label) for label in (0, object_id)]
        ends = [tracks.xy_px[[i, j]][:, side].astype(np.float64) for side in sides]
        off_px = _off_lines(*ends)
        found += [off_px] if off_px else []
    if not found:
        return 0.0
    noise_px, own_px = np.median(found, axis=0)
    return float(own_px / max(noise_px, _MIN_NOISE_PX))


def _off_lines(background: F64, own: F64) -> tuple[float, float] | None:
    """(Median of the background's tracks, mean of an object's) in px, of places [2, n, 2].

    A background that is flat leaves the lines open: those count that suit the object best and the
    background nearly as well as any.
    """
    if background.shape[1] < _MIN_BACKGROUND or own.shape[1] < _MIN_OWN:
        return None
    every = max(1, background.shape[1] // max(own.shape[1], _MIN_BACKGROUND))
    together = np.concatenate([background[:, ::every], own], axis=1)
    ways: list[tuple[float, float]] = []
    for start, end in (background, together):
        matrix = fundamental_matrix(start, end, _MAX_ERROR_PX)
        if matrix is not None:
            noise_px = float(np.median(sampson_px(matrix[0], *background)))
            ways.append((noise_px, float(sampson_px(matrix[0], *own).mean())))
    if not ways:
        return None
    limit_px = _AS_WELL * max(min(noise_px for noise_px, _ in ways), _MIN_NOISE_PX)
    return min((way for way in ways if way[0] <= limit_px), key=lambda way: way[1])
