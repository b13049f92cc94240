"""The keyframes' cameras by several ways and from several focal lengths; the best of them."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import I32
from camvid.evaluation.trajectory import align_sim3
from camvid.geometry import camera_centers
from camvid.sfm.acceptance import held_out_error_px
from camvid.sfm.adjustment import AdjustmentOptions, adjust_keyframes, focals_apart
from camvid.sfm.mapping import Cameras, MappingOptions, map_keyframes
from camvid.sfm.observations import Observations


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """When two solutions are the same, so that no other need be looked for."""

    same_path: float = 0.03  # largest distance over the path's extent
    same_focal: float = 0.05  # relative: on a short way many focal lengths give one path
    # Above it, two that agree end no search: in a dull shaken room three of eight ways met at .38
    # where another reached .27, and a path 5 % off became .4 %. Held-out tracks usually err by .1.
    doubtful_error_px: float = 0.2
    min_held_out_keyframes: int = 3  # of a track that may judge


def best_start(
    used: Observations,
    held_out: Observations,
    keyframes: I32,
    num_tracks: int,
    num_frames: int,
    size_px: tuple[int, int],
    mapping: MappingOptions,
    adjustment: AdjustmentOptions,
    options: StartOptions,
) -> Cameras | None:
    """Cameras of the keyframes that tracks not seen by the solver agree with best; None: no way.

    From a wrong beginning mapping may settle in a valley that looks well from inside: all
    registered, a third of a pixel of error. Two ways seldom settle in the same wrong one, so the
    search ends as soon as another way comes to the best solution so far, unless that explains the
    tracks badly. One whose lens the last round still changed has not settled either: on a short way
    all of them slide along the same valley.
    """
    test = held_out.where(np.isin(held_out.frame, keyframes))
    test = test.lasting(options.min_held_out_keyframes)
    best, least_px, settled = None, np.inf, False
    for mapped in map_keyframes(used, keyframes, num_frames, *size_px, mapping):
        before, cameras = mapped, mapped
        for adjusted in adjust_keyframes(mapped, used, num_tracks, *size_px, adjustment):
            if best is not None and settled and _same(best, adjusted, options):
                return best
            before, cameras = cameras, adjusted
        error_px = held_out_error_px(cameras, test, num_tracks)
        if error_px < least_px:
            best, least_px = cameras, error_px
            settled = focals_apart(before, cameras) <= options.same_focal
            settled &= least_px <= options.doubtful_error_px
    return best


def _same(cameras: Cameras, other: Cameras, options: StartOptions) -> bool:
    """Whether the other solution, which poses no more frames, agrees in lens and path."""
    both = cameras.registered & other.registered
    if focals_apart(cameras, other) > options.same_focal:
        return False
    if (other.registered & ~cameras.registered).any():
        return False
    if 2 * both.sum() <= cameras.registered.sum():
        return False
    path, other_path = (camera_centers(c.cam_from_world[both]) for c in (cameras, other))
    scale, rotation, translation = align_sim3(other_path, path)
    apart = np.linalg.norm(scale * other_path @ rotation.T + translation - path, axis=1)
    return bool(apart.max() <= options.same_path * np.linalg.norm(np.ptp(path, axis=0)))
