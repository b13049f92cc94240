"""How far away an object may be, were it static: no further than what is seen all around it.

A static object hides what is behind it, and that shows beside it in the image, nearer and further.
So the furthest of what is seen around an object bounds its own depth. A car ahead that keeps its
distance, say, would have to stand still at infinity, behind the houses that it hides.
"""

import numpy as np
from scipy.spatial import KDTree

from camvid.artifacts import F64, U16, Bool
from camvid.rigidity.sightings import Sightings
from camvid.rigidity.static_points import StaticPoints

_RADIUS = 0.08  # of the image's longer side, around the tracks of the object
# Quantile of the inverse depths around. Of nine clips with a travelling camera, .1 finds 95.9 % of
# the movers' tracks, .3 99.2 % with the same 1.3 % of the static ones; at .5 (and 1.5 %) the first
# things that stand before a slanted scene are taken for movers.
_FURTHEST = 0.3
_MIN_AROUND = 8  # static tracks around an object in a frame, to say how deep the scene is there
_NEAR, _NEARER = 0.98, 4.0  # quantile of the scene's inverse depths, and times that: the largest
_SLACK = 0.8  # of that inverse depth: the background need not be cut off right behind the object


def allowed_depths(
    sightings: Sightings, points: StaticPoints, owner: U16, static: Bool, side_px: int
) -> tuple[F64, F64]:
    """Least and largest inverse depth [N] that a static point of each track may have.

    The least is 0 where nothing says how deep the scene is around a track.

    Args:
        points: the static points of all tracks.
        owner: object [N] that each track lies on, 0 for none.
        static: which tracks [N] surely lie on the static scene.
    """
    inverse_depth = points.inverse_depth[sightings.track] / points.depth_ratio
    bound = np.full(len(sightings.track), np.nan)
    on_object = owner[sightings.track] > 0
    around = ~on_object & static[sightings.track]
    for frame in np.unique(sightings.frame[on_object]):
        here = sightings.frame == frame
        scene = np.flatnonzero(here & around)
        if len(scene) < _MIN_AROUND:
            continue
        tree = KDTree(sightings.xy_px[scene])
        for label in np.unique(owner[sightings.track[here & on_object]]):
            own = np.flatnonzero(here & (owner[sightings.track] == label))
            near = tree.query_ball_point(sightings.xy_px[own], _RADIUS * side_px)
            beside = scene[np.unique(np.concatenate(near)).astype(np.intp)]
            if len(beside) >= _MIN_AROUND:
                bound[own] = np.quantile(inverse_depth[beside], _FURTHEST)
    scene = points.inverse_depth[static]
    nearest = _NEARER * float(np.quantile(scene, _NEAR)) if len(scene) else np.inf
    least = _SLACK * np.fmax(sightings.median(bound * points.depth_ratio), 0)
    return least, np.full(len(least), nearest)
