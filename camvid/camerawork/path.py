"""A camera's path as what an operator does: seven numbers that add up along the way."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64, Reconstruction
from camvid.geometry import camera_centers
from camvid.point_depths import median_depth

RIGHT, DOWN, FORWARD, TILT, PAN, ROLL, ZOOM = range(7)
"""Columns: travel along the camera's axes, turns about them (x, y, z), and zoom.

All are in units of about the same effect on the image: travel over the scene's median depth, turns
in radians, the logarithm of the focal length.
"""
_SMOOTH_S = 0.15  # standard deviation
_MIN_WINDOW = 5  # frames: views further apart, and clips that are shorter, show no shake
_SHAKE_S = 1.0  # over which a way is a cubic, though it be slowed or sped up; a shake is none


class OperatorPath(NamedTuple):
    """Sums of the camera's own motions over n posed frames."""

    time_s: F64  # [n] from the clip's first frame
    smooth: F64  # [n, 7] without shake
    shake: float  # how far off its way it is in the median, in radians


def operator_path(reconstruction: Reconstruction, timestamps_s: F64) -> OperatorPath | None:
    """The path of known cameras; None where fewer than three frames have one, or no scale."""
    frames = np.flatnonzero(reconstruction.registered)
    depth = median_depth(reconstruction) if reconstruction.has_trajectory else 1.0
    if len(frames) < 3 or not depth > 0:
        return None
    time_s = timestamps_s[frames] - timestamps_s[0]
    path = _summed(reconstruction.cam_from_world[frames], reconstruction.zoom[frames], depth)
    return OperatorPath(time_s, _smoothed(path, time_s), _shake(path[:, :ZOOM], time_s))


def _summed(cam_from_world: F64, zoom: F64, depth: float) -> F64:
    """[n, 7] sums of the steps, each in the axes that the camera has on its way."""
    rotation = cam_from_world[:, :, :3]
    step_world = np.diff(camera_centers(cam_from_world), axis=0) / depth
    travel = np.einsum("tij,tj->ti", (rotation[:-1] + rotation[1:]) / 2, step_world)
    turn = Rotation.from_matrix(rotation[:-1] @ rotation[1:].transpose(0, 2, 1)).as_rotvec()
    steps = np.column_stack([travel, turn, np.diff(np.log(zoom))])
    return np.concatenate([np.zeros((1, 7)), np.cumsum(steps, axis=0)])


def _smoothed(path: F64, time_s: F64) -> F64:
    """The path without shake; its ends go on as they came, so that they are not drawn in."""
    sigma = _SMOOTH_S / float(np.median(np.diff(time_s)))
    reach = min(int(np.ceil(3 * sigma)), len(path) - 1)
    padded = np.pad(path, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = gaussian_filter1d(padded, sigma, axis=0, mode="nearest")
    return smooth[reach : len(smooth) - reach]


def _shake(path: F64, time_s: F64) -> float:
    """Median distance of travel and turns [n, 6] from a local cubic; corners are few frames."""
    window = int(_SHAKE_S / float(np.median(np.diff(time_s)))) | 1
    if not _MIN_WINDOW <= window <= len(path):
        return 0.0
    from scipy.signal import savgol_filter  # .4 s

    smooth = np.asarray(savgol_filter(path, window, 3, axis=0), np.float64)
    return float(np.median(np.linalg.norm(path - smooth, axis=1)))
