"""What one pinhole behind the middle of the image leaves unexplained: terms that it might lack.

Cameras of a wrong model fit well. A lens that distorts, taken for one that does not, costs a
quarter of a pixel and shifts the focal length by a sixth, since poses, points and focal length make
up for most of it. Digital stabilisation moves the image under its principal point, a crop has put
it beside the middle for good, and a rotation explains either but for what grows towards the
corners. So the accepted adjustment is linearised once more with these terms in it: radial
distortion, x_d = x (1 + k1 r^2) as in COLMAP's SIMPLE_RADIAL, and an offset of the principal point,
one for every frame or the same for all. Points are eliminated by their Schur
complement (Triggs et al., Bundle adjustment: a modern synthesis, 2000, section 6). One step of
Gauss and Newton tells what each term is worth, and how sure that is.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from camvid.artifacts import F64, I32, Bool
from camvid.geometry import cross_matrices
from camvid.sfm.adjustment import Structure
from camvid.sfm.bundle import LOSS_SCALE_PX, SHARED_ERROR
from camvid.sfm.cameras import Cameras
from camvid.sfm.center_wander import OffsetEquations, deviation_by_wander
from camvid.sfm.jacobians import projection_jacobian, sparse_rows
from camvid.sfm.lens import USUAL_LENS
from camvid.sfm.observations import Observations, cells_of, thinned

_DISTORTION_SPREAD = 0.3  # of k1 among the lenses of unmodified video
_WANDER_SPREAD = 0.05  # of the longer side: stabilisers crop about a tenth
_MAX_OBSERVATIONS = 12_000  # 40,000 tell the same within a deviation, at five times the cost
_DAMPING = 1e-9  # of the diagonal: holds the world's place, turn and scale
_CELLS = 4, 3  # tracks of one of these cells of the image err together, too
_SURE_DEVIATIONS = 2.0  # between what the lens is blamed for and what it seems to do


class Estimate(NamedTuple):
    """A number that may be off either way, and its standard deviation."""

    value: float
    deviation: float

    @property
    def least(self) -> float:
        """Its size if it is `_SURE_DEVIATIONS` standard deviations nearer to 0, or 0."""
        return max(abs(self.value) - _SURE_DEVIATIONS * self.deviation, 0.0)


class LensEvidence(NamedTuple):
    """What the terms would change; 0 where there is nothing to tell it from."""

    focal_deviation: float  # of the focal length, relative, of a pinhole that is centred
    focal_shift: Estimate  # of the focal length, relative, if the lens may distort
    corner_shift: Estimate  # by distortion, of the image's corner, over its radius
    wander_fraction: float  # of the squared error that offsets of the principal point explain
    wander_focal_deviation: float  # that they give the focal length, relative
    center_shift: tuple[Estimate, Estimate]  # x and y, of the longer side, if it never wanders


class _Linearised(NamedTuple):
    """O weighted observations, by C parameters of cameras and lens and three of each of N points.

    The parameters: six of each of T poses, the focal length's logarithm, k1, two of each offset.
    """

    frames: I32  # [T] their numbers
    residual_px: F64  # [2 O]
    by_camera: sparse.csr_array  # [2 O, C]
    by_point: sparse.csr_array  # [2 O, 3 N]
    cell: I32  # [O] of the image, that the observation's track lies in, in the mean
    focal_at: int  # the first parameter that is not of a pose
    num_points: int

    @property
    def variance_px2(self) -> float:
        """Of an observation along one axis, as if each told a fraction of what it does."""
        freedom = len(self.residual_px) - self.focal_at - 3 * self.num_points
        return SHARED_ERROR**2 * float(self.residual_px @ self.residual_px) / max(freedom, 1)


class _Reduced(NamedTuple):
    """The normal equations of the cameras when the points follow them."""

    normal: F64  # [C, C]
    priors: F64  # [C] to add to its diagonal
    gradient: F64  # [C]
    squares_px2: float  # left by points that suit the cameras as they are
    point_by_camera: F64  # [3 N, C]
    point_change: F64  # [3 N] to suit the cameras as they are


class _Step(NamedTuple):
    change: F64  # [C] of the parameters; 0 of those held
    of_lens: F64  # [C, 2] of the inverse normal matrix: the first two parameters of the lens
    explained: float  # of the squares that were left


def find_lens_evidence(
    cameras: Cameras, structure: Structure, size_px: tuple[int, int]
) -> LensEvidence:
    """Holds accepted cameras against the same with a lens that distorts, or is not centred."""
    if not len(structure.error_px):
        nothing = Estimate(0.0, np.inf)
        return LensEvidence(np.inf, nothing, nothing, 0.0, 0.0, (nothing, nothing))
    seen = thinned(structure.observations, size_px, _MAX_OBSERVATIONS)
    problem = _linearise(cameras, seen, structure.xyz_world, size_px)
    reduced = _without_points(problem, max(size_px))
    at = np.arange(len(reduced.gradient)) - problem.focal_at  # 0 focal length, 1 k1, then offsets
    before = _step(problem, reduced, at <= 0)
    distorted = _step(problem, reduced, at <= 1)
    wandered = _step(problem, reduced, at != 1)
    offsets = _offset_equations(problem, reduced, wandered)
    left = max(1.0 - before.explained, 1e-9)
    focal, k1 = distorted.change[problem.focal_at : problem.focal_at + 2]
    focal_deviation, k1_deviation = _deviations(problem, reduced, distorted)
    corner = float(np.hypot(*size_px) / (2 * np.median(cameras.focal_px))) ** 2
    return LensEvidence(
        _deviations(problem, reduced, before)[0],
        Estimate(float(np.expm1(focal - before.change[problem.focal_at])), focal_deviation),
        Estimate(float(corner * k1), corner * k1_deviation),
        wander_fraction=(wandered.explained - before.explained) / left,
        wander_focal_deviation=deviation_by_wander(offsets, problem.frames, max(size_px)),
        center_shift=_center_shift(problem, reduced, max(size_px)),
    )


def _linearise(
    cameras: Cameras, seen: Observations, xyz_world: F64, size_px: tuple[int, int]
) -> _Linearised:
    posed, frame = np.unique(seen.frame, return_inverse=True)
    tracks, point = np.unique(seen.track, return_inverse=True)
    pose, focal = cameras.cam_from_world[seen.frame], cameras.focal_px[seen.frame, None]
    turned = (pose[:, :, :3] @ xyz_world[seen.track][..., None])[..., 0]
    in_camera = turned + pose[:, :, 3]
    ray = in_camera[:, :2] / in_camera[:, 2:]
    residual = focal * ray + cameras.K[:2, 2] - seen.xy_px
    root = (1 + (residual**2).sum(axis=1) / LOSS_SCALE_PX**2) ** -0.25  # of the soft L1 weight
    by_place = projection_jacobian(focal, focal * ray, in_camera[:, 2:])
    by_focal = (focal * ray)[..., None]
    by_k1 = by_focal * (ray**2).sum(axis=1)[:, None, None]
    focal_at = 6 * len(posed)
    columns = [6 * frame[:, None] + np.arange(6), np.tile([focal_at, focal_at + 1], (len(ray), 1))]
    columns.append(focal_at + 2 + 2 * frame[:, None] + np.arange(2))
    offsets = np.broadcast_to(np.eye(2), (len(ray), 2, 2))
    values = [by_place @ -cross_matrices(turned), by_place, by_focal, by_k1, offsets]
    weighted = root[:, None, None] * np.concatenate(values, axis=2)
    by_point = root[:, None, None] * (by_place @ pose[:, :, :3])
    of_point = 3 * point[:, None] + np.arange(3)
    mean_px = np.stack([np.bincount(point, xy) for xy in seen.xy_px.T]) / np.bincount(point)
    return _Linearised(
        posed.astype(np.int32),
        (root[:, None] * residual).ravel(),
        sparse_rows(weighted, np.concatenate(columns, axis=1), focal_at + 2 + 2 * len(posed)),
        sparse_rows(by_point, of_point, 3 * len(tracks)),
        cells_of(mean_px.T, size_px, _CELLS)[point].astype(np.int32),
        focal_at,
        len(tracks),
    )


def _without_points(problem: _Linearised, long_side_px: int) -> _Reduced:
    """Eliminates the points, and adds what is known of lenses beforehand."""
    residual, by_camera, by_point = problem.residual_px, problem.by_camera, problem.by_point
    point_normal = by_point.T @ by_point
    held = sparse.diags_array(_DAMPING * point_normal.diagonal() + 1e-12)
    solver = splu((point_normal + held).tocsc())
    shared = (by_point.T @ by_camera).toarray()
    point_gradient = by_point.T @ residual
    point_by_camera, point_change = -solver.solve(shared), -solver.solve(point_gradient)
    normal = (by_camera.T @ by_camera).toarray() + shared.T @ point_by_camera
    gradient = by_camera.T @ residual + shared.T @ point_change
    spread = np.full(len(gradient), np.inf)
    spread[problem.focal_at :] = _WANDER_SPREAD * long_side_px
    spread[problem.focal_at : problem.focal_at + 2] = USUAL_LENS.spread, _DISTORTION_SPREAD
    priors = problem.variance_px2 / spread**2 + _DAMPING * np.diag(normal)
    squares = float(residual @ residual + point_gradient @ point_change)
    return _Reduced(normal, priors, gradient, squares, point_by_camera, point_change)


def _step(problem: _Linearised, reduced: _Reduced, free: Bool) -> _Step:
    """The least squares with some of the parameters [C] free and the rest held."""
    normal = (reduced.normal + np.diag(reduced.priors))[np.ix_(free, free)]
    gradient = reduced.gradient[free]
    lens = np.eye(len(free), 2, -problem.focal_at)[free]
    solved = np.zeros((len(free), 3))
    solved[free] = np.linalg.solve(normal, np.column_stack([-gradient, lens]))
    explained = -float(solved[free, 0] @ gradient) / max(reduced.squares_px2, 1e-12)
    return _Step(solved[:, 0], solved[:, 1:], explained)


def _offset_equations(problem: _Linearised, reduced: _Reduced, wandered: _Step) -> OffsetEquations:
    """Eliminates poses and focal length, too; without a prior on the offsets."""
    cameras, offsets = slice(problem.focal_at + 1), slice(problem.focal_at + 2, None)
    normal, gradient = reduced.normal, reduced.gradient
    of_cameras = normal[cameras, cameras] + np.diag(reduced.priors[cameras])
    follow = -np.linalg.solve(of_cameras, normal[cameras, offsets])
    return OffsetEquations(
        normal[offsets, offsets] + normal[offsets, cameras] @ follow,
        follow.T @ gradient[cameras] + gradient[offsets],
        focal_per_px=follow[-1],
        variance_px2=problem.variance_px2 * max(1 - wandered.explained, 1e-9),
    )


def _center_shift(
    problem: _Linearised, reduced: _Reduced, long_side_px: int
) -> tuple[Estimate, Estimate]:
    """The offset (x, y) of the principal point that suits all frames, over the longer side."""
    at = problem.focal_at + 1  # of the two new parameters; k1 is held
    same = np.zeros((len(reduced.gradient), at + 2))
    same[:at, :at] = np.eye(at)
    same[at + 1 :: 2, at] = same[at + 2 :: 2, at + 1] = 1
    prior = problem.variance_px2 / (_WANDER_SPREAD * long_side_px) ** 2
    shared = _Reduced(
        same.T @ reduced.normal @ same,
        np.append(reduced.priors[:at], [prior, prior]),
        same.T @ reduced.gradient,
        reduced.squares_px2,
        reduced.point_by_camera @ same,
        reduced.point_change,
    )
    by_camera = sparse.csr_array(problem.by_camera @ sparse.csr_array(same))
    problem = problem._replace(by_camera=by_camera, focal_at=at)
    step = _step(problem, shared, np.ones(at + 2, bool))
    x, y = (
        Estimate(float(shift_px) / long_side_px, deviation_px / long_side_px)
        for shift_px, deviation_px in zip(
            step.change[at:], _deviations(problem, shared, step), strict=True
        )
    )
    return x, y


def _deviations(problem: _Linearised, reduced: _Reduced, step: _Step) -> tuple[float, float]:
    """Of the first two parameters of the lens: by the covariance or, if more, as cells disagree.

    At the minimum the tracks of each cell pull at a parameter, and the pulls cancel. Where the
    errors of cells have nothing in common, their pulls are what its error is made of.
    """
    moved = reduced.point_change + reduced.point_by_camera @ step.change
    left = problem.residual_px + problem.by_camera @ step.change + problem.by_point @ moved
    pull = ((problem.by_camera @ step.of_lens) * left[:, None]).reshape(-1, 4)
    by_cell = np.stack([np.bincount(problem.cell, column) for column in pull.T])
    first, second = by_cell[:2] + by_cell[2:]  # along x and y
    formal = problem.variance_px2 * step.of_lens[problem.focal_at : problem.focal_at + 2]
    variance = max(float(formal[0, 0]), float(first @ first))
    return variance**0.5, max(float(formal[1, 1]), float(second @ second)) ** 0.5
