"""Cameras that turn in place: rotations, focal length and zoom from tracks of the static scene.

Seen from one place, a static point is a direction. All directions, rotations and focal lengths are
adjusted together over the whole clip, so that errors do not add up from frame to frame. How well
the focal length is known comes out with it: small turns hardly show it, and then rotations, which
are flow over focal length, are known no better.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64, I32, Bool, PointTracks
from camvid.sfm.rotations import bearings, best_rotation

_GRID = (8, 5)  # cells of a frame from which tracks are taken evenly
_HELD = 1e9  # weight that holds a parameter where it is


@dataclass(frozen=True, slots=True, kw_only=True)
class PanningOptions:
    """How many tracks are adjusted, and how their errors count."""

    tracks_every_frames: int = 4  # from so many frames some tracks are taken ...
    tracks_per_frame: int = 40  # ... the longest of every cell, then the next, up to this number
    min_track_frames: int = 3
    min_frame_tracks: int = 12  # known to a frame, for it to get a rotation
    inlier_quantile: float = 0.5  # of a frame's tracks: the rest may be movers
    max_iterations: int = 15
    min_step: float = 1e-6  # radians, and shares of the focal length: smaller ends the adjustment
    # Tracks of a camera that travels may lead ever further off, to zooms beyond all numbers.
    max_step: float = 1.0  # of any number; a longer step is cut short as a whole
    min_loss_scale_px: float = 0.3
    loss_scale_over_median: float = 3.0  # of the errors: what is off by more are movers
    prior_focal: float = 0.9  # of the longer side: what a lens is before it is seen to be ...
    prior_focal_spread: float = 0.4  # ... within this factor; it decides only where tracks do not
    independent_errors: float = 1.0  # per track: its errors go together from frame to frame


class TurningCamera(NamedTuple):
    """A camera that does not travel; NaN for frames that could not be solved."""

    K: F64  # [3, 3] of the first solved frame
    rotation: F64  # [T, 3, 3] cam_from_world; the first solved frame is the world
    zoom: F64  # [T] focal length over that of K; 1 throughout where the lens does not zoom
    focal_uncertainty: float  # relative standard deviation
    error_px: float  # median over the sightings adjusted
    num_tracks: int

    @property
    def solved(self) -> Bool:
        """[T]"""
        return np.asarray(np.isfinite(self.rotation[:, 0, 0]))


class _Sightings(NamedTuple):
    frame: I32  # [O]
    point: I32  # [O]
    xy: F64  # [O, 2] px from the principal point


class _State(NamedTuple):
    """What is adjusted. NaN where a frame or a point is not known (yet)."""

    rotation: F64  # [T, 3, 3]
    direction: F64  # [N, 3] unit, in the world
    log_zoom: F64  # [T]
    log_focal: float


def solve_turning_camera(
    tracks: PointTracks,
    width_px: int,
    height_px: int,
    *,
    focal_px: float,
    zooms: bool,
    options: PanningOptions,
) -> TurningCamera | None:
    """Adjusts all frames from `focal_px`, a first guess; None where no frames hang together."""
    size_px = np.array([width_px, height_px], np.float64)
    chosen = _spread_tracks(tracks, size_px, options)
    xy = tracks.xy_px[:, chosen].astype(np.float64) - size_px / 2
    visible = tracks.visible[:, chosen]
    start = _chained(xy, visible, focal_px, zooms, options)
    solved = np.isfinite(start.rotation[:, 0, 0])
    used = visible & solved[:, None]
    used &= used.sum(axis=0) >= 2  # one sighting agrees with any camera
    if solved.sum() < 2 or not used.any():
        return None
    frame, point = np.nonzero(used)
    seen = _Sightings(frame.astype(np.int32), point.astype(np.int32), xy[frame, point])
    state, error_px, uncertainty = _adjusted(start, seen, max(width_px, height_px), zooms, options)
    first = int(np.flatnonzero(solved)[0])
    focal = float(np.exp(state.log_focal + state.log_zoom[first]))
    return TurningCamera(
        K=np.array([[focal, 0, width_px / 2], [0, focal, height_px / 2], [0, 0, 1]]),
        rotation=state.rotation @ state.rotation[first].T,
        zoom=np.where(solved, np.exp(state.log_zoom - state.log_zoom[first]), 1.0),
        focal_uncertainty=uncertainty,
        error_px=error_px,
        num_tracks=len(np.unique(point)),
    )


def _spread_tracks(tracks: PointTracks, size_px: F64, options: PanningOptions) -> I32:
    """The longest tracks of every few frames, as evenly over their cells as can be."""
    length = tracks.visible.sum(axis=0)
    lot = np.random.default_rng(0).permutation(len(length))  # among equals, not the first seeded
    chosen: list[np.ndarray] = []
    for t in range(0, len(tracks.visible), options.tracks_every_frames):
        there = np.flatnonzero(tracks.visible[t] & (length >= options.min_track_frames))
        there = there[np.lexsort((lot[there], -length[there]))]
        column, row = np.floor(tracks.xy_px[t, there] * _GRID / size_px).astype(int).T
        _, cell = np.unique(column * _GRID[1] + row, return_inverse=True)
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(len(there)))
        rank = np.empty(len(there), np.intp)  # of each track in its cell, the longest first
        rank[order] = np.arange(len(there)) - starts[cell[order]]
        chosen.append(there[np.argsort(rank, kind="stable")[: options.tracks_per_frame]])
    return np.unique(np.concatenate(chosen)).astype(np.int32)


def _chained(
    xy: F64, visible: Bool, focal_px: float, zooms: bool, options: PanningOptions
) -> _State:
    """Each frame against the directions found before it; the first guess of everything."""
    num_frames, num_points = visible.shape
    rotation = np.full((num_frames, 3, 3), np.nan)
    direction = np.full((num_points, 3), np.nan)
    log_zoom = np.zeros(num_frames)
    last: int | None = None
    for t in range(num_frames):
        known = visible[t] & np.isfinite(direction[:, 0])
        if (visible[t] if last is None else known).sum() < options.min_frame_tracks:
            continue
        if last is None:
            rotation[t] = np.eye(3)
        else:
            if zooms:
                log_zoom[t] = log_zoom[last] + _log_growth(
                    xy[[last, t]], visible[t] & visible[last]
                )
            unzoomed = xy[t, known] / np.exp(log_zoom[t])
            rotation[t] = best_rotation(
                direction[known], unzoomed, focal_px, quantile=options.inlier_quantile
            )
        last = t
        new = visible[t] & ~known
        direction[new] = bearings(xy[t, new] / np.exp(log_zoom[t]), focal_px) @ rotation[t]
    return _State(rotation, direction, log_zoom, float(np.log(focal_px)))


def _log_growth(xy: F64, both: Bool) -> float:
    """Of the distances between points in two frames [2, N, 2], in the median."""
    places = xy[:, both]
    order = np.random.default_rng(0).permutation(places.shape[1])
    half = len(order) // 2
    if not half:
        return 0.0
    apart = places[:, order[:half]] - places[:, order[half : 2 * half]]
    before, after = np.maximum(np.linalg.norm(apart, axis=2), 1e-6)
    return float(np.median(np.log(after / before)))


def _adjusted(
    state: _State, seen: _Sightings, long_side_px: int, zooms: bool, options: PanningOptions
) -> tuple[_State, float, float]:
    """Gauss-Newton: (state, median error in px, standard deviation of the log focal length)."""
    num_frames = len(state.rotation)
    focal_at = 4 * num_frames
    first = int(seen.frame.min())
    held = np.zeros(focal_at + 1 + 2 * len(state.direction))
    held[3 * first : 3 * first + 3] = held[3 * num_frames + first] = _HELD
    if not zooms:
        held[3 * num_frames : focal_at] = _HELD
    of_focal = np.zeros(len(held))
    of_focal[focal_at] = 1.0
    prior = np.log(options.prior_focal * long_side_px)
    error_px, variance = 0.0, np.inf
    for _ in range(options.max_iterations):
        residual, jacobian = _linearised(state, seen)
        weight, error_px, noise = _weights(residual, len(state.direction), options)
        precision = noise / options.prior_focal_spread**2
        weighted = sparse.diags(np.repeat(weight, 2)) @ jacobian
        diagonal = held + precision * of_focal + 1e-9
        solver = splu((jacobian.T @ weighted + sparse.diags(diagonal)).tocsc())
        gradient = weighted.T @ residual.ravel()
        gradient[focal_at] += precision * (state.log_focal - prior)
        step = np.where(held > 0, 0.0, -solver.solve(gradient))
        step *= options.max_step / max(float(np.abs(step).max()), options.max_step)
        variance = noise * float(solver.solve(of_focal)[focal_at])
        state = _stepped(state, step)
        if np.abs(step[: focal_at + 1]).max() < options.min_step:
            break
    return state, error_px, float(np.sqrt(variance))


def _weights(residual: F64, num_points: int, options: PanningOptions) -> tuple[F64, float, float]:
    """(weight [O], median error in px, variance of what one sighting tells)."""
    error = np.linalg.norm(residual, axis=1)
    median = float(np.median(error))
    scale = max(options.min_loss_scale_px, options.loss_scale_over_median * median)
    weight = 1 / (1 + (error / scale) ** 2) ** 2  # Geman and McClure
    variance = float((weight * error**2).sum() / weight.sum()) / 2
    together = len(error) / (options.independent_errors * num_points)
    return weight, median, variance * max(together, 1.0) + 1e-12


def _linearised(state: _State, seen: _Sightings) -> tuple[F64, sparse.csr_array]:
    """Residuals [O, 2] in px and their derivatives by rotations, zooms, focal length, points."""
    num_frames, count = len(state.rotation), len(seen.frame)
    rotation = state.rotation[seen.frame]
    turned = (rotation @ state.direction[seen.point][..., None])[..., 0]
    focal = np.exp(state.log_focal + state.log_zoom[seen.frame])[:, None]
    depth = np.maximum(turned[:, 2:], 1e-3)
    projected = focal * turned[:, :2] / depth
    by_turned = np.zeros((count, 2, 3))
    by_turned[:, 0, 0] = by_turned[:, 1, 1] = (focal / depth)[:, 0]
    by_turned[:, :, 2] = -projected / depth
    by_rotation = by_turned @ -_cross(turned)
    by_point = by_turned @ rotation @ _tangents(state.direction)[seen.point]
    values = np.concatenate(
        [by_rotation, projected[..., None], projected[..., None], by_point], axis=2
    )
    frame, point = seen.frame[:, None].astype(np.intp), seen.point[:, None].astype(np.intp)
    focal_at = 4 * num_frames
    columns = np.concatenate(
        [
            3 * frame + np.arange(3),
            3 * num_frames + frame,
            np.full_like(frame, focal_at),
            focal_at + 1 + 2 * point + np.arange(2),
        ],
        axis=1,
    )
    rows = np.arange(2 * count).reshape(count, 2, 1)
    at = (
        np.broadcast_to(rows, values.shape).ravel(),
        np.broadcast_to(columns[:, None], values.shape).ravel(),
    )
    shape = (2 * count, focal_at + 1 + 2 * len(state.direction))
    return projected - seen.xy, sparse.csr_array((values.ravel(), at), shape=shape)


def _stepped(state: _State, step: F64) -> _State:
    num_frames = len(state.rotation)
    turn = step[: 3 * num_frames].reshape(-1, 3)
    moved = step[4 * num_frames + 1 :].reshape(-1, 2, 1)
    direction = state.direction + (_tangents(state.direction) @ moved)[..., 0]
    return _State(
        Rotation.from_rotvec(turn).as_matrix() @ state.rotation,
        direction / np.linalg.norm(direction, axis=1, keepdims=True),
        state.log_zoom + step[3 * num_frames : 4 * num_frames],
        state.log_focal + float(step[4 * num_frames]),
    )


def _cross(vectors: F64) -> F64:
    """Matrices [n, 3, 3] that multiply as vectors x."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)


def _tangents(directions: F64) -> F64:
    """Two unit vectors across each unit direction, [n, 3, 2]."""
    side = np.where(np.abs(directions[:, :1]) < 0.7, [[1.0, 0, 0]], [[0, 1.0, 0]])
    turn = _cross(directions)  # as a matrix product: the stubs of np.cross allow complex numbers
    across = (turn @ side[..., None])[..., 0]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.stack([across, (turn @ across[..., None])[..., 0]], axis=2)
