"""How surely a motion strength is known: the noise of tracks, of cameras, and of depth."""

from dataclasses import replace

import numpy as np

from camvid.artifacts import F64, ObjectMotion

TRIM_TRACKS = 0.1  # left out on either side, of the tracks of a pair
_SAMPLING_ERROR = 0.1  # relative, 90 %: corners lie unevenly over an object's surface
_Z90 = 1.645  # standard deviations on either side that hold 90 %
_MEAN_LENGTH = 1.25  # of noise in the plane, in standard deviations along one axis


def with_interval(
    motion: ObjectMotion,
    values: F64,
    *,
    background: float,
    depth_uncertainty: float,
    missing: float,
) -> ObjectMotion:
    """The motion with the 90 % interval of its strength; NaN where it has none.

    Args:
        values: what each track says in each pair, [Q, n]; NaN where it does not count.
        background: the same measure on the static background.
        depth_uncertainty: share of the way to `low` and `high` that depth may be wrong by, 0 to 1.
        missing: share of the object's observations in which it was not measured: there it may have
            stood still, or moved twice as fast.
    """
    strength, surely = motion.motion_strength, 0.0
    if np.isnan(strength):
        return motion
    # Cameras err for all tracks of a pair alike, so their noise does not shrink with the number.
    background = background if background > 0 else 0.0  # NaN included
    error = _Z90 * float(np.hypot(_standard_error(values), background / _MEAN_LENGTH))
    noise = float(np.hypot(error, _SAMPLING_ERROR * strength))
    depth_below, depth_above = (
        depth_uncertainty * max(way, 0.0) for way in (strength - motion.low, motion.high - strength)
    )
    below = float(np.linalg.norm([noise, missing * strength, depth_below]))
    above = float(np.linalg.norm([noise, missing * strength, depth_above]))
    # Noise has a length too: it adds to that of the motion, in squares.
    added = strength - float(np.sqrt(max(strength**2 - background**2, 0.0)))
    if motion.lower_bound > 0:  # which no depth explains
        surely = min(motion.lower_bound, strength) - noise - added
    low = max(strength - added - below, surely, 0.0)
    return replace(motion, interval_low=low, interval_high=strength + above)


def _standard_error(values: F64) -> float:
    """Of the trimmed mean over tracks (Tukey and McLaughlin); a track's pairs err together."""
    seen = np.isfinite(values)
    tracks = np.sort(np.nansum(values[:, seen.any(axis=0)], axis=0) / seen.sum(axis=0)[seen.any(0)])
    count = len(tracks)
    cut = int(TRIM_TRACKS * count)
    if count - 2 * cut < 2:
        return float(tracks.max(initial=0.0))  # as wrong as it is large
    winsorised = np.clip(tracks, tracks[cut], tracks[count - cut - 1])
    return float(winsorised.std(ddof=1) / ((1 - 2 * TRIM_TRACKS) * np.sqrt(count)))
