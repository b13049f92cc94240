"""How much of its object each track speaks for: corners crowd on a body, and a limb has few."""

import numpy as np

from camvid.artifacts import F32, F64, I32, U16, Bool, ObjectMasks, PointTracks
from camvid.parallel import map_threads

_NUM_PIXELS = 400  # of an object, evenly over it, each told by the track nearest to it


def area_shares(masks: ObjectMasks, tracks: PointTracks, pairs: I32, tells: Bool) -> F64:
    """Share [Q, N] of its object that each track speaks for in the first frame of each pair.

    A track stands for all that is nearer to it than to any other of its object; `tells` [N] says
    which are asked at all. Zero where a track is not seen at both ends.
    """
    owner = np.where(tells, tracks.object_id, np.uint16(0))

    def one(pair: np.ndarray) -> F64:
        i, j = int(pair[0]), int(pair[1])
        seen = tracks.visible[i] & tracks.visible[j]
        share = np.zeros(len(owner))
        for label in np.unique(owner[seen & (owner > 0)]):
            index = np.flatnonzero(seen & (owner == label))
            share[index] = _nearest_shares(masks.object_id[i], label, tracks.xy_px[i, index])
        return share

    return np.array(map_threads(one, pairs)).reshape(len(pairs), len(owner))


def _nearest_shares(object_id: U16, label: np.uint16, xy_px: F32) -> F64:
    """Share of the pixels of `label` that are nearest to each place [n, 2]."""
    row, column = np.nonzero(object_id == label)
    if not len(row):
        return np.full(len(xy_px), 1 / len(xy_px))
    thin = np.linspace(0, len(row) - 1, min(len(row), _NUM_PIXELS)).astype(np.intp)
    dx = column[thin, None] + np.float32(0.5) - xy_px[:, 0]
    dy = row[thin, None] + np.float32(0.5) - xy_px[:, 1]
    nearest = np.argmin(dx * dx + dy * dy, axis=1)
    return np.bincount(nearest, minlength=len(xy_px)) / len(thin)
