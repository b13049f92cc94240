"""How surely a motion strength is known: the noise of tracks, of cameras, and of depth."""

import numpy as np

from camvid.artifacts import F64, NAN

_Z90 = 1.645  # standard deviations on either side that hold 90 %
_MEAN_LENGTH = 1.25  # of noise in the plane, in standard deviations along one axis


def strength_interval(
    strength: float,
    values: F64,
    *,
    background: float,
    low: float,
    high: float,
    lower_bound: float,
    depth_doubt: float,
    sampling_doubt: float,
    missing_doubt: float,
    trim: float,
) -> tuple[float, float]:
    """90 % interval of an object's strength; NaN where it has none.

    Args:
        strength: the object's, over its tracks and pairs.
        values: what each track says in each pair, [Q, n]; NaN where it does not count.
        background: the same measure on the static background.
        low, high: the strength over all depths that the object may have.
        lower_bound: what no static point explains, whatever the depth.
        depth_doubt: share of the way to `low` and `high` that depth may be wrong by, 0 to 1.
        sampling_doubt: relative error of what tracks, wherever they hold, say of the whole object.
        missing_doubt: share of the object's sightings in which it was not measured: there it may
            have stood still, or moved twice as fast.
        trim: share of the tracks left out at either end.
    """
    if np.isnan(strength):
        return NAN, NAN
    # Cameras err for all tracks of a pair alike, so their noise does not shrink with the number.
    background = background if background > 0 else 0.0  # NaN included
    common = background / _MEAN_LENGTH
    error = _Z90 * float(np.hypot(_standard_error(values, trim), common))
    noise = float(np.hypot(error, sampling_doubt * strength))
    missing = missing_doubt * strength
    below = float(np.linalg.norm([noise, missing, depth_doubt * max(strength - low, 0.0)]))
    above = float(np.linalg.norm([noise, missing, depth_doubt * max(high - strength, 0.0)]))
    # Noise has a length too: it adds to that of the motion, in squares.
    added = strength - float(np.sqrt(max(strength**2 - background**2, 0.0)))
    surely = min(lower_bound, strength) - noise - added if lower_bound > 0 else 0.0
    return max(strength - added - below, surely, 0.0), strength + above


def _standard_error(values: F64, trim: float) -> float:
    """Of the trimmed mean over tracks (Tukey and McLaughlin); a track's pairs err together."""
    seen = np.isfinite(values)
    tracks = np.sort(np.nansum(values[:, seen.any(axis=0)], axis=0) / seen.sum(axis=0)[seen.any(0)])
    count = len(tracks)
    cut = int(trim * count)
    if count - 2 * cut < 2:
        return float(tracks.max(initial=0.0))  # as wrong as it is large
    winsorised = np.clip(tracks, tracks[cut], tracks[count - cut - 1])
    return float(winsorised.std(ddof=1) / ((1 - 2 * trim) * np.sqrt(count)))
