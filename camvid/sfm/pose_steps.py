"""How far single cameras are off, by what one step of resection would change of each.

Static points are triangulated from all cameras, so their errors average out there; what a camera's
own sightings then pull it by is its own error. Errors that many frames share in a row, a drift or a
bent path, move the points along and are seen in part alone: the step is a lower estimate.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64
from camvid.geometry import cross_matrices, transform_points
from camvid.sfm.jacobians import projection_jacobian
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import Observations

_HUBER_PX = 1.0
_MIN_SIGHTINGS = 12


class PoseSteps(NamedTuple):
    """What one Gauss-Newton step changes of each posed frame [T]; NaN where too little is seen."""

    rotation_deg: F64
    position: F64  # over the median depth of the frame's points


def pose_steps(cameras: Cameras, seen: Observations, xyz_world: F64) -> PoseSteps:
    """The steps, from sightings of points [N, 3] that agree with the cameras."""
    num_frames = len(cameras.cam_from_world)
    rotation_deg, position = np.full(num_frames, np.nan), np.full(num_frames, np.nan)
    starts = np.searchsorted(seen.frame, np.arange(num_frames + 1))
    for t in np.flatnonzero(cameras.registered):
        mine = slice(starts[t], starts[t + 1])
        xyz = xyz_world[seen.track[mine]]
        if len(xyz) < _MIN_SIGHTINGS:
            continue
        in_cam = transform_points(cameras.cam_from_world[t], xyz)
        step = _step(in_cam, seen.xy_px[mine] - cameras.K[:2, 2], float(cameras.focal_px[t]))
        rotation_deg[t] = np.degrees(np.linalg.norm(step[:3]))
        position[t] = np.linalg.norm(step[3:]) / np.median(in_cam[:, 2])
    return PoseSteps(rotation_deg, position)


def _step(in_cam: F64, xy_px: F64, focal_px: float) -> F64:
    """[6] turn (rad) and shift of a camera that sees points [n, 3] at xy_px [n, 2]."""
    depth = in_cam[:, 2:]
    seen = focal_px * in_cam[:, :2] / depth
    residual = xy_px - seen
    by_point = projection_jacobian(focal_px, seen, depth)
    by_turn = by_point @ -cross_matrices(in_cam)
    jacobian = np.concatenate([by_turn, by_point], axis=2)  # of a left perturbation
    off = np.linalg.norm(residual, axis=1)
    weight = np.minimum(1.0, _HUBER_PX / np.maximum(off, 1e-9))[:, None, None]
    normal = np.einsum("nki,nkj->ij", jacobian * weight, jacobian)
    right = np.einsum("nki,nk->i", jacobian * weight, residual)
    return np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(6), right)
