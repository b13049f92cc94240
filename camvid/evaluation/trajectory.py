"""Camera paths against the truth, up to the similarity that SfM cannot know."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F64, Bool
from camvid.geometry import camera_centers


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryError:
    """Errors over the registered frames, in the units of the truth."""

    ate_rmse: float
    path_length: float
    registered_fraction: float
    scale: float  # truth units per scene unit


def align_sim3(source: F64, target: F64) -> tuple[float, F64, F64]:
    """Scale s, rotation R [3, 3], translation t [3] minimising |target - (s R source + t)|^2.

    Closed form of Umeyama (1991) over points [N, 3].
    """
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    centred_source, centred_target = source - mean_source, target - mean_target
    u, singular, vt = np.linalg.svd(centred_target.T @ centred_source)
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ mirror @ vt
    spread = float((centred_source**2).sum())
    scale = float((singular * np.diag(mirror)).sum()) / spread if spread > 0 else 1.0
    return scale, rotation, mean_target - scale * rotation @ mean_source


def trajectory_error(
    cam_from_world: F64, registered: Bool, true_cam_from_world: F64
) -> TrajectoryError:
    """Absolute trajectory error after Sim(3) alignment of the camera centres.

    Args:
        cam_from_world: estimated, [T, 3, 4].
        registered: which of them count, [T].
        true_cam_from_world: of the same frames, [T, 3, 4].
    """
    true_centers = camera_centers(true_cam_from_world)
    length = float(np.linalg.norm(np.diff(true_centers, axis=0), axis=1).sum())
    fraction = float(registered.mean()) if len(registered) else 0.0
    if registered.sum() < 3:
        return TrajectoryError(
            ate_rmse=float("nan"), path_length=length, registered_fraction=fraction, scale=1.0
        )
    estimated, truth = camera_centers(cam_from_world[registered]), true_centers[registered]
    scale, rotation, translation = align_sim3(estimated, truth)
    errors = truth - (scale * estimated @ rotation.T + translation)
    return TrajectoryError(
        ate_rmse=float(np.sqrt((errors**2).sum(axis=1).mean())),
        path_length=length,
        registered_fraction=fraction,
        scale=scale,
    )
