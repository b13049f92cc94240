"""The static point that explains a track best: a direction and an inverse depth within bounds.

Inverse depth 0 is a point at infinity, so a camera that turns in place needs no code of its own.
A point behind the camera, or behind what it hides, is no explanation: the bounds forbid it.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, Bool
from camvid.rigidity.cameras import ClipCameras
from camvid.rigidity.observations import TrackObservations

# Of the Cauchy weights: wide first and halved step by step, so that a far start finds in.
_WIDE_PX, _SCALE_PX = 8.0, 1.0
_STEPS = 8  # of Gauss-Newton: three under wide weights, five at the scale of the noise
_NEAREST = 50.0  # inverse depth, in 1 / extent of the camera's path: nothing comes nearer
_AHEAD = 1e-2  # least ratio of the depth in another frame to that in the reference frame


class StaticPoints(NamedTuple):
    """One point per track, given in the camera of the track's middle observation."""

    inverse_depth: F64  # [N] 1 / world units
    at_bound: Bool  # [N] the inverse depth would go further, were it let
    residual_px: F64  # [O, 2] observed minus expected
    jacobian_px: F64  # [O, 2, 3] by (X/Z, Y/Z, inverse depth times the extent of the path)
    depth_ratio: F64  # [O] depth at each observation over that at the middle one


def fit_static_points(
    observations: TrackObservations, cameras: ClipCameras, bounds: tuple[F64, F64] | None = None
) -> StaticPoints:
    """Gauss-Newton with Cauchy weights, all tracks at once.

    `bounds` are the least and largest inverse depths [N] that a static point may have.
    """
    num_tracks = observations.num_tracks
    middle = _middle(observations)
    here, K = observations.frame[middle], cameras.K[observations.frame]
    rotation, translation = cameras.between(here[observations.track], observations.frame)
    unit = 1 / cameras.extent if cameras.extent > 0 else 1.0
    low, high = np.zeros(num_tracks), np.full(num_tracks, _NEAREST if cameras.extent > 0 else 0.0)
    if bounds is not None:
        low, high = np.minimum(bounds[0], bounds[1]) / unit, bounds[1] / unit
    point = np.column_stack([cameras.rays(here, observations.xy_px[middle])[:, :2], low])
    at_bound = np.zeros(num_tracks, bool)
    for step in range(_STEPS):
        scale_px = max(_SCALE_PX, _WIDE_PX / 2.0**step)
        expected, jacobian, depth_ratio = _project(
            point, rotation, translation, K, unit, observations
        )
        residual = observations.xy_px - expected
        weight = 1 / (1 + (residual**2).sum(axis=1) / scale_px**2)
        weighted = jacobian * weight[:, None, None]
        normal = observations.sum(np.einsum("oki,okj->oij", weighted, jacobian))
        normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        normal += 1e-9 * np.eye(3)
        right = observations.sum(np.einsum("oki,ok->oi", weighted, residual))
        change = np.linalg.solve(normal, right[..., None])[..., 0]
        wanted = point[:, 2] + change[:, 2]
        at_bound = (wanted <= low) | (wanted >= high)
        held = np.clip(wanted, low, high) - point[:, 2]
        rest = right[:, :2] - normal[:, :2, 2] * held[:, None]
        change = np.linalg.solve(normal[:, :2, :2], rest[..., None])[..., 0]
        point = point + np.column_stack([change, held])
    expected, jacobian, depth_ratio = _project(point, rotation, translation, K, unit, observations)
    return StaticPoints(
        inverse_depth=point[:, 2] * unit,
        at_bound=at_bound,
        residual_px=observations.xy_px - expected,
        jacobian_px=jacobian,
        depth_ratio=depth_ratio,
    )


def _middle(observations: TrackObservations) -> np.ndarray:
    """Index [N] in the list of each track's middle observation (0 for a track without any)."""
    middle = (observations.start[:-1] + observations.start[1:]) // 2
    return np.minimum(middle, max(len(observations.track) - 1, 0))


def _project(
    point: F64,
    rotation: F64,
    translation: F64,
    K: F64,
    unit: float,
    observations: TrackObservations,
) -> tuple[F64, F64, F64]:
    """Projection [O, 2] of each static point, its derivative [O, 2, 3], and its depth [O] there."""
    own = point[observations.track]
    ray = np.column_stack([own[:, :2], np.ones(len(own))])
    seen = np.einsum("oij,oj->oi", rotation, ray) + own[:, 2:] * unit * translation
    z = np.maximum(seen[:, 2], _AHEAD)  # behind the camera: far off what is observed
    focal = K[:, [0, 1], [0, 1]]
    plane = seen[:, :2] / z[:, None]
    columns = np.concatenate([rotation[..., :2], unit * translation[..., None]], axis=-1)
    jacobian = columns[:, :2] - plane[..., None] * columns[:, 2:]
    return plane * focal + K[:, :2, 2], jacobian * (focal / z[:, None])[..., None], z
