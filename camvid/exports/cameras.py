"""Cameras between known ones: rotations along great arcs, centres on lines, focal length in log."""

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from camvid.artifacts import F64, Bool
from camvid.geometry import camera_centers


def filled_cameras(
    times_s: F64,  # [T], increasing
    cam_from_world: F64,  # [T, 3, 4]
    K: F64,  # [T, 3, 3]
    known: Bool,  # [T], the first and last must be
) -> tuple[F64, F64]:
    """`cam_from_world` and `K` of all T frames; those that are known stay as they are."""
    if known.all():
        return cam_from_world, K
    at, missing = times_s[known], times_s[~known]
    rotation = Slerp(at, Rotation.from_matrix(cam_from_world[known, :, :3]))(missing).as_matrix()
    center = _linear(at, camera_centers(cam_from_world[known]), missing)
    cameras, matrices = cam_from_world.copy(), K.copy()
    cameras[~known, :, :3] = rotation
    cameras[~known, :, 3] = -(rotation @ center[..., None])[..., 0]
    focal = np.diagonal(K, axis1=1, axis2=2)[known, :2]
    fx_fy = np.exp(_linear(at, np.log(focal), missing))
    matrices[~known, 0, 0], matrices[~known, 1, 1] = fx_fy.T
    return cameras, matrices


def _linear(at: F64, values: F64, times_s: F64) -> F64:
    """Values [N, D] at `at` [N], between them at other times [M]."""
    columns = [np.interp(times_s, at, column) for column in values.T]
    return np.stack(columns, axis=1)
