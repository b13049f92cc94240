"""The keyframes' cameras by several ways and from several focal lengths; the best of them."""

import numpy as np

from camvid.artifacts import I32
from camvid.geometry import align_sim3, camera_centers
from camvid.sfm.acceptance import held_out_error_px
from camvid.sfm.adjustment import adjust_keyframes, focals_apart
from camvid.sfm.cameras import Cameras
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.mapping import map_keyframes
from camvid.sfm.observations import Observations
from camvid.tracking.tracks import MIN_OBSERVATIONS

# Two solutions are the same, so that no other need be looked for.
_SAME_PATH = 0.03  # largest distance over the path's extent
_SAME_FOCAL = 0.05  # relative: on a short way many focal lengths give one path
# Above it, two that agree end no search: in a dull shaken room three of eight ways met at .38
# where another reached .27, and a path 5 % off became .4 %. Held-out tracks usually err by .1.
_DOUBTFUL_ERROR_PX = 0.2


def best_start(
    used: Observations,
    held_out: Observations,
    keyframes: I32,
    num_frames: int,
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
) -> Cameras | None:
    """Cameras of the keyframes that tracks not seen by the solver agree with best; None: no way.

    From a wrong beginning mapping may settle in a valley that looks well from inside: all
    registered, a third of a pixel of error. Two ways seldom settle in the same wrong one, so the
    search ends as soon as another way comes to the best solution so far, unless that explains the
    tracks badly. One whose lens the last round still changed has not settled either: on a short way
    all of them slide along the same valley.
    """
    test = held_out.where(np.isin(held_out.frame, keyframes))
    test = test.lasting(MIN_OBSERVATIONS)
    best, least_px, settled = None, np.inf, False
    for mapped in map_keyframes(used, keyframes, num_frames, size_px, lens):
        before, cameras = mapped, mapped
        for adjusted in adjust_keyframes(mapped, used, size_px, lens):
            if best is not None and settled and _same(best, adjusted):
                return best
            before, cameras = cameras, adjusted
        error_px = held_out_error_px(cameras, test)
        if error_px < least_px:
            best, least_px = cameras, error_px
            settled = focals_apart(before, cameras) <= _SAME_FOCAL
            settled &= least_px <= _DOUBTFUL_ERROR_PX
    return best


def _same(cameras: Cameras, other: Cameras) -> bool:
    """Whether the other solution, which poses no more frames, agrees in lens and path."""
    both = cameras.registered & other.registered
    if focals_apart(cameras, other) > _SAME_FOCAL:
        return False
    if (other.registered & ~cameras.registered).any():
        return False
    if 2 * both.sum() <= cameras.registered.sum():
        return False
    path, other_path = (camera_centers(c.cam_from_world[both]) for c in (cameras, other))
    scale, rotation, translation = align_sim3(other_path, path)
    apart = np.linalg.norm(scale * other_path @ rotation.T + translation - path, axis=1)
    return bool(apart.max() <= _SAME_PATH * np.linalg.norm(np.ptp(path, axis=0)))
