"""Stray tracks off all masks, clustered by distance in the image: things that no mask holds yet."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from camvid.artifacts import F64, U16, PointTracks

_REACH = 0.03  # of the image's longer side: no further apart are tracks of one thing
_MIN_TRACKS = 6  # of a group that move


def with_groups(
    tracks: PointTracks, owner: U16, ratio: F64, side_px: int, taken: int
) -> tuple[U16, tuple[int, ...]]:
    """Owners [N] with groups of what moves off all masks as further objects, and their ids.

    The still tracks amid a group belong to it: whether it moves is then asked as of any object.

    Args:
        owner: object [N] that each track lies on, 0 for none.
        ratio: log likelihood [N] of motion over that of a static point; NaN where not known.
        taken: the highest id that an object has.
    """
    free = (owner == 0) & np.isfinite(ratio)
    stray = np.flatnonzero(free & (ratio > 0))
    still = np.flatnonzero(free & (ratio <= 0))
    if len(stray) < _MIN_TRACKS:
        return owner, ()
    group = _connected(tracks, stray, _REACH * side_px)
    size = np.bincount(group, minlength=1)
    amid = _amid(tracks, stray, still, _REACH * side_px)
    grouped = owner.copy()
    labels: list[int] = []
    for number in np.flatnonzero(size >= _MIN_TRACKS):
        label = taken + 1 + len(labels)
        labels.append(label)
        grouped[stray[group == number]] = label
        around = still[(amid >= 0) & (group[amid] == number)]
        grouped[around] = label
    return grouped, tuple(labels)


def _connected(tracks: PointTracks, index: NDArray[np.intp], reach_px: float) -> NDArray[np.intp]:
    """Group [n] of each of the tracks `index`: those that are ever close, and so on."""
    edges = [np.zeros((0, 2), np.intp)]
    for t, seen in enumerate(tracks.visible[:, index]):
        here = np.flatnonzero(seen)
        if len(here):
            tree = KDTree(tracks.xy_px[t, index[here]])
            edges.append(here[tree.query_pairs(reach_px, output_type="ndarray")])
    start, end = np.concatenate(edges).T
    shape = (len(index), len(index))
    return connected_components(coo_array((np.ones(len(start)), (start, end)), shape=shape))[1]


def _amid(
    tracks: PointTracks, members: NDArray[np.intp], others: NDArray[np.intp], reach_px: float
) -> NDArray[np.intp]:
    """Index [m] into `members` of the track last seen nearest to each of the others.

    -1 for those that are close to none in at least half of their frames.
    """
    num_close = np.zeros(len(others), int)
    nearest = np.full(len(others), -1)
    for t, seen in enumerate(tracks.visible):
        here, there = np.flatnonzero(seen[members]), np.flatnonzero(seen[others])
        if len(here) and len(there):
            tree = KDTree(tracks.xy_px[t, members[here]])
            query = tracks.xy_px[t, others[there]]
            found: Any = tree.query(query, distance_upper_bound=reach_px)  # distance [n], index [n]
            close = np.isfinite(found[0])
            num_close[there[close]] += 1
            nearest[there[close]] = here[found[1][close]]
    return np.where(2 * num_close > tracks.visible[:, others].sum(axis=0), nearest, -1)
