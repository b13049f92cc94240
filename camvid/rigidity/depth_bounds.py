"""How far away an object may be, were it static: no further than what is seen all around it.

A static object hides what is behind it, and that shows beside it in the image, nearer and further.
So the far part of what is seen around an object bounds its own depth. A car ahead that keeps its
distance, say, would have to stand still at infinity, behind the houses that it hides. And nothing
is much nearer than the nearest of the static scene.
"""

import numpy as np
from scipy.spatial import KDTree

from camvid.artifacts import F64, U16, Bool
from camvid.rigidity.observations import TrackObservations
from camvid.rigidity.static_points import StaticPoints

_RADIUS = 0.08  # of the image's longer side, around the tracks of the object
# Quantile of the inverse depths around. Of nine clips with a travelling camera, .1 finds 95.9 % of
# the movers' tracks, .3 99.2 % with the same 1.3 % of the static ones; at .5 (and 1.5 %) the first
# things that stand before a slanted scene are taken for movers.
_FAR_QUANTILE = 0.3
_MIN_AROUND = 8  # static tracks around an object in a frame, to say how deep the scene is there
_NEAR, _NEARER = 0.98, 4.0  # quantile of the scene's inverse depths, and times that: the largest
_SLACK = 0.8  # of that inverse depth: the background need not be cut off right behind the object


def inverse_depth_bounds(
    observations: TrackObservations, points: StaticPoints, owner: U16, static: Bool, side_px: int
) -> tuple[F64, F64]:
    """Least and largest inverse depth [N] of a static point, in its track's middle camera.

    The least is 0 where nothing says how deep the scene is around a track.

    Args:
        points: the static points of all tracks.
        owner: object [N] that each track lies on, 0 for none.
        static: which tracks [N] surely lie on the static scene.
    """
    inverse_depth = points.inverse_depth[observations.track] / points.depth_ratio
    bound = np.full(len(observations.track), np.nan)
    on_object = owner[observations.track] > 0
    around = ~on_object & static[observations.track]
    for frame in np.unique(observations.frame[on_object]):
        here = observations.frame == frame
        scene = np.flatnonzero(here & around)
        if len(scene) < _MIN_AROUND:
            continue
        tree = KDTree(observations.xy_px[scene])
        for label in np.unique(owner[observations.track[here & on_object]]):
            own = np.flatnonzero(here & (owner[observations.track] == label))
            near = tree.query_ball_point(observations.xy_px[own], _RADIUS * side_px)
            beside = scene[np.unique(np.concatenate(near)).astype(np.intp)]
            if len(beside) >= _MIN_AROUND:
                bound[own] = np.quantile(inverse_depth[beside], _FAR_QUANTILE)
    scene = points.inverse_depth[static]
    nearest = _NEARER * float(np.quantile(scene, _NEAR)) if len(scene) else np.inf
    least = _SLACK * np.fmax(observations.median(bound * points.depth_ratio), 0)
    return least, np.full(len(least), nearest)
