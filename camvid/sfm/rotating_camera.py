"""Cameras that rotate in place: rotations, focal length and zoom from tracks of the static scene.

Seen from one place, a static point is a direction. All directions, rotations and focal lengths are
adjusted together over the whole clip, so that errors do not add up from frame to frame. How well
the focal length is known comes out with it: small turns hardly show it, and then rotations, which
are flow over focal length, are known no better.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64, I32, Bool, PointTracks
from camvid.geometry import centred_K, cross_matrices
from camvid.sfm.jacobians import projection_jacobian, sparse_rows
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.observations import cells_of
from camvid.sfm.rotations import bearings, best_rotation
from camvid.tracking.tracks import MIN_OBSERVATIONS

_GRID = (8, 5)  # cells of a frame from which tracks are taken evenly
_HELD = 1e9  # weight that holds a parameter where it is

_TRACKS_EVERY_FRAMES = 4  # from so many frames some tracks are taken ...
_TRACKS_PER_FRAME = 40  # ... the longest of every cell, then the next, up to this number
_MIN_FRAME_TRACKS = 12  # known to a frame, for it to get a rotation
_INLIER_QUANTILE = 0.5  # of a frame's tracks: the rest may be movers
_MAX_ITERATIONS = 15  # of Gauss-Newton: bounds the work where steps do not shrink
_MIN_STEP = 1e-6  # radians, and shares of the focal length: smaller ends the adjustment
# Tracks of a camera that travels may lead ever further off, to zooms beyond all numbers.
_MAX_STEP = 1.0  # of any number; a longer step is cut short as a whole
_MIN_LOSS_SCALE_PX = 0.3  # about a track's noise: where half are exact, the rest are no movers yet
_LOSS_SCALE_OVER_MEDIAN = 3.0  # of the errors: what is off by more are movers


class RotatingCamera(NamedTuple):
    """A camera that does not travel; NaN for frames that could not be solved."""

    K: F64  # [3, 3] of the first solved frame
    rotation: F64  # [T, 3, 3] cam_from_world; the first solved frame is the world
    zoom: F64  # [T] focal length over that of K; 1 throughout where the lens does not zoom
    focal_uncertainty: float  # relative standard deviation
    error_px: float  # median over the observations adjusted

    @property
    def solved(self) -> Bool:
        """[T]"""
        return np.asarray(np.isfinite(self.rotation[:, 0, 0]))


class _Observations(NamedTuple):
    frame: I32  # [O]
    point: I32  # [O]
    xy: F64  # [O, 2] px from the principal point


class _State(NamedTuple):
    """What is adjusted. NaN where a frame or a point is not known (yet)."""

    rotation: F64  # [T, 3, 3]
    direction: F64  # [N, 3] unit, in the world
    log_zoom: F64  # [T]
    log_focal: float


def solve_rotating_camera(
    tracks: PointTracks,
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
    *,
    focal_px: float,
    zooms: bool,
) -> RotatingCamera | None:
    """Adjusts all frames from `focal_px`, a first guess; None where no frames hang together."""
    chosen = _spread_tracks(tracks, size_px)
    xy = tracks.xy_px[:, chosen].astype(np.float64) - np.array(size_px) / 2
    visible = tracks.visible[:, chosen]
    start = _chained(xy, visible, focal_px, zooms)
    solved = np.isfinite(start.rotation[:, 0, 0])
    used = visible & solved[:, None]
    used &= used.sum(axis=0) >= 2  # one observation agrees with any camera
    if solved.sum() < 2 or not used.any():
        return None
    frame, point = np.nonzero(used)
    seen = _Observations(frame.astype(np.int32), point.astype(np.int32), xy[frame, point])
    state, error_px, uncertainty = _adjusted(start, seen, max(size_px), zooms, lens)
    first = int(np.flatnonzero(solved)[0])
    focal = float(np.exp(state.log_focal + state.log_zoom[first]))
    return RotatingCamera(
        K=centred_K(focal, size_px),
        rotation=state.rotation @ state.rotation[first].T,
        zoom=np.where(solved, np.exp(state.log_zoom - state.log_zoom[first]), 1.0),
        focal_uncertainty=uncertainty,
        error_px=error_px,
    )


def _spread_tracks(tracks: PointTracks, size_px: tuple[int, int]) -> I32:
    """The longest tracks of every few frames, as evenly over their cells as can be."""
    length = tracks.visible.sum(axis=0)
    lot = np.random.default_rng(0).permutation(len(length))  # among equals, not the first seeded
    chosen: list[np.ndarray] = []
    for t in range(0, len(tracks.visible), _TRACKS_EVERY_FRAMES):
        there = np.flatnonzero(tracks.visible[t] & (length >= MIN_OBSERVATIONS))
        there = there[np.lexsort((lot[there], -length[there]))]
        _, cell = np.unique(cells_of(tracks.xy_px[t, there], size_px, _GRID), return_inverse=True)
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(len(there)))
        rank = np.empty(len(there), np.intp)  # of each track in its cell, the longest first
        rank[order] = np.arange(len(there)) - starts[cell[order]]
        chosen.append(there[np.argsort(rank, kind="stable")[:_TRACKS_PER_FRAME]])
    return np.unique(np.concatenate(chosen)).astype(np.int32)


def _chained(xy: F64, visible: Bool, focal_px: float, zooms: bool) -> _State:
    """Each frame against the directions found before it; the first guess of everything."""
    num_frames, num_points = visible.shape
    rotation = np.full((num_frames, 3, 3), np.nan)
    direction = np.full((num_points, 3), np.nan)
    log_zoom = np.zeros(num_frames)
    last: int | None = None
    for t in range(num_frames):
        known = visible[t] & np.isfinite(direction[:, 0])
        if (visible[t] if last is None else known).sum() < _MIN_FRAME_TRACKS:
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
                direction[known], unzoomed, focal_px, quantile=_INLIER_QUANTILE
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
    state: _State, seen: _Observations, long_side_px: int, zooms: bool, lens: LensPrior
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
    prior = np.log(lens.focal * long_side_px)
    error_px, variance = 0.0, np.inf
    for _ in range(_MAX_ITERATIONS):
        residual, jacobian = _linearised(state, seen)
        weight, error_px, noise = _weights(residual, len(state.direction))
        precision = noise / lens.spread**2
        weighted = sparse.diags(np.repeat(weight, 2)) @ jacobian
        diagonal = held + precision * of_focal + 1e-9
        solver = splu((jacobian.T @ weighted + sparse.diags(diagonal)).tocsc())
        gradient = weighted.T @ residual.ravel()
        gradient[focal_at] += precision * (state.log_focal - prior)
        step = np.where(held > 0, 0.0, -solver.solve(gradient))
        step *= _MAX_STEP / max(float(np.abs(step).max()), _MAX_STEP)
        variance = noise * float(solver.solve(of_focal)[focal_at])
        state = _stepped(state, step)
        if np.abs(step[: focal_at + 1]).max() < _MIN_STEP:
            break
    return state, error_px, float(np.sqrt(variance))


def _weights(residual: F64, num_points: int) -> tuple[F64, float, float]:
    """(weight [O], median error in px, variance of what one observation tells)."""
    error = np.linalg.norm(residual, axis=1)
    median = float(np.median(error))
    scale = max(_MIN_LOSS_SCALE_PX, _LOSS_SCALE_OVER_MEDIAN * median)
    weight = 1 / (1 + (error / scale) ** 2) ** 2  # Geman and McClure
    variance = float((weight * error**2).sum() / weight.sum()) / 2
    together = len(error) / num_points  # a track's errors go together from frame to frame
    return weight, median, variance * max(together, 1.0) + 1e-12


def _linearised(state: _State, seen: _Observations) -> tuple[F64, sparse.csr_array]:
    """Residuals [O, 2] in px and their derivatives by rotations, zooms, focal length, points."""
    num_frames = len(state.rotation)
    rotation = state.rotation[seen.frame]
    turned = (rotation @ state.direction[seen.point][..., None])[..., 0]
    focal = np.exp(state.log_focal + state.log_zoom[seen.frame])[:, None]
    depth = np.maximum(turned[:, 2:], 1e-3)
    projected = focal * turned[:, :2] / depth
    by_turned = projection_jacobian(focal, projected, depth)
    by_rotation = by_turned @ -cross_matrices(turned)
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
    num_columns = focal_at + 1 + 2 * len(state.direction)
    return projected - seen.xy, sparse_rows(values, columns, num_columns)


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


def _tangents(directions: F64) -> F64:
    """Two unit vectors across each unit direction, [n, 3, 2]."""
    side = np.where(np.abs(directions[:, :1]) < 0.7, [[1.0, 0, 0]], [[0, 1.0, 0]])
    turn = cross_matrices(directions)  # np.cross allows complex numbers
    across = (turn @ side[..., None])[..., 0]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.stack([across, (turn @ across[..., None])[..., 0]], axis=2)
