"""What tracks of static things say of cameras that someone else gave."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from camvid.artifacts import F64
from camvid.geometry import cross_matrices, transform_points, zoomed_K
from camvid.sfm.acceptance import held_out_error_px
from camvid.sfm.adjustment import Structure
from camvid.sfm.cameras import Cameras
from camvid.sfm.epipolar import sampson_px
from camvid.sfm.jacobians import projection_jacobian
from camvid.sfm.observations import Observations
from camvid.sfm.triangulation import HUBER_PX

_SPACINGS = (1, 4, 16)  # in posed frames, over which epipolar geometries are tested
_MIN_PAIR_TRACKS = 8  # that two frames share: nothing is fitted to them, fewer just add little
_FOCAL_RANGE = 0.5  # of the logarithm, on either side
_MAX_FOCAL_TRACKS = 300  # bounds the work: about so many, triangulated for each focal length tried
_MIN_OBSERVATIONS = 12  # of a frame, to say how far its camera is off


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Measures of given cameras; lengths are at the working size, NaN: could not be measured."""

    num_frames: int
    num_tracks: int  # static ones, none of which the cameras were made from
    epipolar_median_px: float  # distance of their observations from the cameras' epipolar lines
    epipolar_p90_px: float
    predicted_rotation_error_deg: float  # of a camera, in the median: what one step of resection
    predicted_position_error: float  # would change; of the position, over the scene's depth
    predicted_focal_error: float  # relative: how far from the one that suits the poses best


def focal_offset(cameras: Cameras, seen: Observations) -> float:
    """Logarithm of the focal length that suits the given poses best, over the one given.

    Poses that were solved with a wrong focal length make up for some of it: a lower estimate.
    """
    every = max(seen.num_tracks // _MAX_FOCAL_TRACKS, 1)
    some = seen.where((seen.track % every == 0) & cameras.registered[seen.frame])

    def cost(log_factor: float) -> float:
        K = cameras.K.copy()
        K[[0, 1], [0, 1]] *= np.exp(log_factor)
        return held_out_error_px(cameras._replace(K=K), some)

    if not len(some.track):
        return np.nan
    coarse = np.linspace(-_FOCAL_RANGE, _FOCAL_RANGE, 11)
    step = coarse[1] - coarse[0]
    near = coarse[int(np.argmin([cost(at) for at in coarse]))]
    found: Any = minimize_scalar(
        cost, bounds=(near - step, near + step), method="bounded", options={"xatol": 1e-3}
    )
    return float(found.x)


def epipolar_errors_px(cameras: Cameras, seen: Observations) -> F64:
    """Distances of observations from the epipolar lines of the same tracks some frames before."""
    row = np.full((len(cameras.cam_from_world), seen.num_tracks), -1)
    row[seen.frame, seen.track] = np.arange(len(seen.track))
    posed = np.flatnonzero(cameras.registered)
    found: list[F64] = [np.zeros(0)]
    for spacing in _SPACINGS:
        for i, j in zip(posed, posed[spacing:], strict=False):
            both = np.flatnonzero((row[i] >= 0) & (row[j] >= 0))
            fundamental = _fundamental(cameras, int(i), int(j))
            if len(both) >= _MIN_PAIR_TRACKS and fundamental is not None:
                first, second = seen.xy_px[row[i, both]], seen.xy_px[row[j, both]]
                found.append(sampson_px(fundamental, first, second))
    return np.concatenate(found)


def _fundamental(cameras: Cameras, i: int, j: int) -> F64 | None:
    """F [3, 3] of two frames; None where the camera stands still between them."""
    first, second = cameras.cam_from_world[i], cameras.cam_from_world[j]
    turn = second[:, :3] @ first[:, :3].T
    shift = second[:, 3] - turn @ first[:, 3]
    if not np.linalg.norm(shift) > 0:
        return None
    cross = cross_matrices(shift[None])[0] / np.linalg.norm(shift)
    to_ray = np.linalg.inv(zoomed_K(cameras.K, cameras.zoom[[i, j]]))
    return np.asarray(to_ray[1].T @ cross @ turn @ to_ray[0])


class PoseSteps(NamedTuple):
    """What one step of resection changes of each posed frame [T]; NaN where too little is seen.

    Static points are triangulated from all cameras, so their errors average out there; what a
    camera's own observations then pull it by is its own error. Errors that many frames share in a
    row, a drift or a bent path, move the points along and are seen in part alone: a lower estimate.
    """

    rotation_deg: F64
    position: F64  # over the median depth of the frame's points


def _pose_steps(cameras: Cameras, seen: Observations, xyz_world: F64) -> PoseSteps:
    """The steps, from observations of points [N, 3] that agree with the cameras."""
    num_frames = len(cameras.cam_from_world)
    rotation_deg, position = np.full(num_frames, np.nan), np.full(num_frames, np.nan)
    starts = np.searchsorted(seen.frame, np.arange(num_frames + 1))
    for t in np.flatnonzero(cameras.registered):
        mine = slice(starts[t], starts[t + 1])
        xyz = xyz_world[seen.track[mine]]
        if len(xyz) < _MIN_OBSERVATIONS:
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
    weight = np.minimum(1.0, HUBER_PX / np.maximum(off, 1e-9))[:, None, None]
    normal = np.einsum("nki,nkj->ij", jacobian * weight, jacobian)
    right = np.einsum("nki,nk->i", jacobian * weight, residual)
    return np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(6), right)


def certify(
    cameras: Cameras, seen: Observations, structure: Structure, focal_error: float
) -> Certificate:
    """Measures cameras by observations of static tracks that they were not made from."""
    in_view = seen.where(cameras.registered[seen.frame])
    errors = epipolar_errors_px(cameras, in_view)
    steps = _pose_steps(cameras, structure.observations, structure.xyz_world)
    return Certificate(
        num_frames=len(cameras.cam_from_world),
        num_tracks=seen.num_tracks,
        epipolar_median_px=float(np.median(errors)) if len(errors) else np.nan,
        epipolar_p90_px=float(np.quantile(errors, 0.9)) if len(errors) else np.nan,
        predicted_rotation_error_deg=_median(steps.rotation_deg),
        predicted_position_error=_median(steps.position),
        predicted_focal_error=focal_error,
    )


def _median(values: F64) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
