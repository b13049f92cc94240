"""The keyframes' cameras by several ways and from several focal lengths; the best of them."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import I32
from camvid.evaluation.trajectory import align_sim3
from camvid.geometry import camera_centers
from camvid.sfm.acceptance import held_out_error_px
from camvid.sfm.adjustment import AdjustmentOptions, adjust_keyframes
from camvid.sfm.mapping import Cameras, MappingOptions, map_keyframes
from camvid.sfm.observations import Observations


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """When two solutions are the same, so that no other need be looked for."""

    same_path: float = 0.03  # largest distance over the path's extent
    same_error: float = 0.1  # of held-out tracks, relative
    same_focal: float = 0.05  # relative: on a short way many focal lengths give one path
    min_held_out_keyframes: int = 3  # a shorter track agrees with any camera


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
    search ends when the best solution was found twice.
    """
    test = held_out.where(np.isin(held_out.frame, keyframes))
    long = np.bincount(test.track, minlength=num_tracks) >= options.min_held_out_keyframes
    test = test.where(long[test.track])
    found: list[tuple[float, Cameras]] = []
    for mapped in map_keyframes(used, keyframes, num_frames, *size_px, mapping):
        cameras = adjust_keyframes(mapped, used, num_tracks, *size_px, adjustment)
        found.append((held_out_error_px(cameras, test, num_tracks), cameras))
        found.sort(key=lambda solution: solution[0])
        if len(found) > 1 and _same(found[0], found[1], options):
            break
    return found[0][1] if found else None


def _same(
    first: tuple[float, Cameras], second: tuple[float, Cameras], options: StartOptions
) -> bool:
    """Whether two solutions, the better one first, agree in error, lens and path."""
    (error_px, cameras), (other_px, other) = first, second
    both = cameras.registered & other.registered
    focals_apart = abs(float(np.log(other.K[0, 0] / cameras.K[0, 0])))
    if other_px > (1 + options.same_error) * error_px or focals_apart > options.same_focal:
        return False
    if 2 * both.sum() <= cameras.registered.sum():
        return False
    path, other_path = (camera_centers(c.cam_from_world[both]) for c in (cameras, other))
    scale, rotation, translation = align_sim3(other_path, path)
    apart = np.linalg.norm(scale * other_path @ rotation.T + translation - path, axis=1)
    return bool(apart.max() <= options.same_path * np.linalg.norm(np.ptp(path, axis=0)))
