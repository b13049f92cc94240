"""Trajectory errors (ATE, RPE) after alignment by a similarity, which SfM cannot know."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F64, NAN, Bool
from camvid.geometry import (
    align_sim3,
    camera_centers,
    invert_rigid,
    nearest_rotation,
    rotation_angle_deg,
)

NO_TRAVEL = 1e-5  # path lengths below, in units of the truth, are rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryError:
    """Errors over the registered frames, in the units of the truth.

    Where the true camera stays in one place there is no scale to align by: errors of place are
    NaN, those of rotation are not.
    """

    ate_rmse: float = NAN
    rpe_translation: float = NAN  # RMSE over all pairs of neighbouring frames
    rpe_rotation_deg: float = NAN
    rotation_rmse_deg: float = NAN  # of the directions, after the best turn of the world
    path_length: float = NAN  # of the true path; NaN where no pose is known
    travels: bool = False  # whether the true camera leaves its place
    registered_fraction: float = NAN
    scale: float = NAN  # truth units per scene unit
    ate_percent: float = NAN  # of the true path's length

    @property
    def known(self) -> bool:
        """Whether there is a true path at all."""
        return self.path_length == self.path_length


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
    travels = length > NO_TRAVEL
    if registered.sum() < 3:
        return TrajectoryError(path_length=length, travels=travels, registered_fraction=fraction)
    scale = ate_rmse = NAN
    if travels:
        estimated, truth = camera_centers(cam_from_world[registered]), true_centers[registered]
        scale, rotation, translation = align_sim3(estimated, truth)
        errors = truth - (scale * estimated @ rotation.T + translation)
        ate_rmse = _rms(np.linalg.norm(errors, axis=1))
    rpe_translation, rpe_rotation_deg = _relative_errors(
        cam_from_world, true_cam_from_world, registered, scale
    )
    return TrajectoryError(
        ate_rmse=ate_rmse,
        rpe_translation=rpe_translation,
        rpe_rotation_deg=rpe_rotation_deg,
        rotation_rmse_deg=rotation_rmse_deg(
            cam_from_world[registered, :, :3], true_cam_from_world[registered, :, :3]
        ),
        path_length=length,
        travels=travels,
        registered_fraction=fraction,
        scale=scale,
        ate_percent=100 * ate_rmse / length if travels else NAN,
    )


def rotation_rmse_deg(rotation: F64, true_rotation: F64) -> float:
    """RMSE in degrees of cam_from_world rotations [T, 3, 3] after the best turn of the world."""
    # R_t = R*_t Q for one Q: the sum of R*_t^T R_t, brought back to the nearest rotation
    turn, _ = nearest_rotation((np.swapaxes(true_rotation, 1, 2) @ rotation).sum(axis=0))
    left = np.swapaxes(true_rotation @ turn, 1, 2) @ rotation
    return _rms(rotation_angle_deg(left))


def _relative_errors(
    cam_from_world: F64, true_cam_from_world: F64, registered: Bool, scale: float
) -> tuple[float, float]:
    """RMSE of the motion between neighbouring frames: translation, and rotation in degrees."""
    pairs = np.flatnonzero(registered[:-1] & registered[1:])
    if not len(pairs):
        return NAN, NAN
    found = _steps(cam_from_world, pairs)
    found[..., 3] *= scale
    true = _steps(true_cam_from_world, pairs)
    translation = np.linalg.norm(found[..., 3] - true[..., 3], axis=1)
    turned = np.swapaxes(true[..., :3], 1, 2) @ found[..., :3]
    return _rms(translation), _rms(rotation_angle_deg(turned))


def _steps(cam_from_world: F64, pairs: np.ndarray) -> F64:
    """Pose [n, 3, 4] of the next camera in the frame of the one before."""
    bottom = np.broadcast_to(np.array([[[0.0, 0.0, 0.0, 1.0]]]), (len(pairs), 1, 4))
    next_in_world = np.concatenate([invert_rigid(cam_from_world[pairs + 1]), bottom], axis=1)
    here = np.concatenate([cam_from_world[pairs], bottom], axis=1)
    return (here @ next_in_world)[:, :3].copy()


def _rms(values: F64) -> float:
    return float(np.sqrt((values**2).mean()))
