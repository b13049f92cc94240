"""The static scene of one frame: one least-squares problem over inverse depth.

    E(w) = sum_p rho((w_p - d_p) / s_p)                         what flow and sparse points measured
         + sum_p sum_k g_kp ((w_p - c_kp) / (t_k c_kp))^2       surfaces that may explain it: planes
         + sum_p e_p log(1 + (D2 w_p / b)^2) + e_p (D1 w_p / a)^2     smooth, but for image edges

over the inverse depths w of all pixels p, in units of their median: d and s are what was measured
and its error, g_kp the responsibility of candidate surface k (inverse depth c_k, relative error
t_k) for a pixel, D2 and D1 second and first differences, and e how alike the pixels under them
look. rho grows linearly where a measurement is off by more than sqrt(s^2 + (0.03 d)^2). It is
solved by iteratively reweighted least squares with conjugate gradients, from coarse to fine. The
confidence is the posterior's standard deviation. New evidence (a network's map, say) is a further
candidate surface or a further measurement.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.depth.fusion import Measured
from camvid.depth.thin_plate import FIRST, SECOND, adjoint, differences, solve, taps
from camvid.guided import guided_filter

# Measured on generated scenes (eight seeds, 205 to 258): of the fused inverse depths whose sigma is
# .0075, .04, .15 and .7, 68 % are wrong by less than .008, .029, .070 and .23. Bare spots do better
# than their texture says.
_ERROR_SCALE, _ERROR_POWER = 0.28, 0.7
_PATCH_PX = 9  # flow compares patches: so far a step in depth leaks into it
_OUTLIER = 0.03  # relative misfit from which a measurement pulls less than in proportion
_BEND = 0.0015  # b: second difference per squared pixel, in units of the median inverse depth
_SLOPE = 0.03  # a: first difference per pixel
_COLOUR_SIGMA = 6.0  # difference in CIE Lab at which two pixels are less alike by a factor of 0.6
_MASK_EDGE = 30.0  # how unlike the border of a masked object makes two pixels
_TINY = np.float32(1e-12)  # numerical guard: no division by a precision of 0
_FARTHEST = 0.01  # of the median inverse depth
_LEVELS = ((8, 60), (4, 40), (2, 25), (1, 10))  # cell px, iterations of conjugate gradients
_NUM_ROUNDS = 3  # of reweighting, on each level
_POSTERIOR_PX = 16  # cells of the posterior: about a patch of flow, whose errors go together

# Which pixels lie on a candidate surface, the pixels around them say that look alike:
_EVIDENCE_SIGMA = 0.03  # relative error of a measurement that counts fully
_RADIUS_PX, _SOFTNESS = 20, 4e-4  # squared difference of grey, 0 to 1, that still looks alike
_FREE = 0.05  # evidence, a priori, that a pixel is on no candidate
_SURE_COST, _COST_WIDTH = 0.35, 0.03  # mean cost, 0 to 1, at which a candidate has half a pixel
_OWN_SHARE = 0.3  # of a measurement's variance, by which it may be off a candidate


class _Problem(NamedTuple):
    """One frame's energy at full resolution; inverse depths in units of their median."""

    inv_depth: F32  # d [h, w]
    precision: F32  # 1 / s^2 [h, w], 0 where nothing was measured
    prior: F32  # sum_k g_k / (t_k c_k)^2 [h, w]
    target: F32  # sum_k g_k c_k / (t_k c_k)^2 [h, w]
    look: F32  # [h, w, 4] colour in CIE Lab, and whether it is an object

    def cells(self, cell_px: int) -> "_Problem":
        """The same on cells of `cell_px`, over whose pixels the terms are averaged."""
        height, width = self.inv_depth.shape
        size = max(3, width // cell_px), max(3, height // cell_px)
        precision = _shrunk(self.precision, size)
        d = _shrunk(self.precision * self.inv_depth, size) / np.maximum(precision, _TINY)
        prior, target = _shrunk(self.prior, size), _shrunk(self.target, size)
        return _Problem(
            np.asarray(d, np.float32), precision, prior, target, _shrunk(self.look, size)
        )


def static_surface(
    measured: Measured, candidates: Sequence[Measured], rgb: U8, objects: Bool
) -> Measured:
    """The posterior of a frame's static scene [h, w], dense, behind movers too.

    Args:
        measured: where movers hide the scene, nothing.
        candidates: surfaces that may explain parts of the frame, with their errors.
        rgb: [h, w, 3]; its edges are where depth may have edges.
        objects: [h, w] still ones, on which depth keeps to the flow, edges and all: so do the
            tracks whose motion it is to explain.
    """
    known = measured.inv_depth > 0
    if not known.any():
        return measured
    unit = np.median(measured.inv_depth[known])
    problem = _problem(measured, candidates, rgb, objects, unit)
    coarsest = problem.cells(_LEVELS[0][0])
    w = np.where(coarsest.precision > 0, coarsest.inv_depth, np.float32(1))
    for cell_px, num_iterations in _LEVELS:
        w = _solve_level(problem.cells(cell_px), w, cell_px, num_iterations)
    variance = _posterior_variance(problem, w)
    leaked = w - cv2.blur(w, (_PATCH_PX, _PATCH_PX))
    sigma = np.sqrt(variance + leaked**2) / w
    return Measured(w * unit, np.asarray(sigma, np.float32))


def _problem(
    measured: Measured, candidates: Sequence[Measured], rgb: U8, objects: Bool, unit: np.float32
) -> _Problem:
    known = measured.inv_depth > 0
    d = measured.inv_depth / unit
    s = _ERROR_SCALE * np.minimum(measured.sigma, np.float32(10)) ** _ERROR_POWER * d
    share = cv2.blur(known.astype(np.float32), (_PATCH_PX, _PATCH_PX))
    mean = cv2.blur(d, (_PATCH_PX, _PATCH_PX)) / np.maximum(share, np.float32(1e-6))
    s = np.where(objects, s, np.hypot(s, d - mean))
    precision = np.where(known, np.maximum(s, np.float32(1e-4)) ** -2, np.float32(0))
    lab = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), (0, 0), 0.7)
    look = np.dstack([lab.astype(np.float32), _MASK_EDGE * objects.astype(np.float32)])
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    surfaces = [Measured(c.inv_depth / unit, c.sigma) for c in candidates]
    shares = _responsibilities(d, np.asarray(precision, np.float32), surfaces, gray)
    prior, target = np.zeros_like(d), np.zeros_like(d)
    for share, (c, t) in zip(shares, surfaces, strict=True):
        own = share / (np.where(c > 0, t, 1) * np.where(c > 0, c, 1)) ** 2
        prior, target = prior + own, target + own * c
    return _Problem(d, np.asarray(precision, np.float32), prior, target, look)


def _responsibilities(
    d: F32, precision: F32, candidates: Sequence[Measured], gray: F32
) -> list[F32]:
    """g [h, w] of every candidate: near 1 where a pixel and those around it that look alike fit."""
    known = precision > 0
    evidence = np.minimum(precision * np.float32(_EVIDENCE_SIGMA**2), 1)

    def spread(values: F32) -> F32:
        found = guided_filter(gray, values, radius_px=_RADIUS_PX, softness=_SOFTNESS)
        return np.maximum(found, np.float32(0)) + np.float32(_FREE)

    total = spread(evidence)
    own_variance = _OWN_SHARE * np.minimum(1 / np.maximum(precision, _TINY), 1)
    costs = [np.ones_like(d)]  # of none
    for c, _ in candidates:
        square = (d - c) ** 2 / ((_EVIDENCE_SIGMA * c) ** 2 + own_variance)
        cost = np.where(known & (c > 0), square / (1 + square), np.float32(1))
        own = np.where(known, evidence * cost, np.float32(0))
        mean = spread(np.asarray(evidence * cost, np.float32)) / total
        costs.append(np.where(c > 0, np.maximum(mean, own), np.float32(1)))
    least = np.min(costs, axis=0)
    share = 1 / (1 + np.exp(np.minimum((least - _SURE_COST) / _COST_WIDTH, 50)))
    return [np.where(cost == least, share, 0).astype(np.float32) for cost in costs[1:]]


def _solve_level(problem: _Problem, start: F32, cell_px: int, num_iterations: int) -> F32:
    """w on the cells of `problem`, from the level above."""
    d, measured, prior, target, look = problem
    w = np.asarray(cv2.resize(start, d.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    alike = _likeness(look)
    for _ in range(_NUM_ROUNDS):
        tolerance = 1 / np.maximum(measured, _TINY) + (_OUTLIER * d) ** 2
        data_weight = np.asarray(measured / np.sqrt(1 + (w - d) ** 2 / tolerance), np.float32)
        stiffness = [e * s for e, s in zip(alike, _stiffness(w, cell_px), strict=True)]
        w = solve(data_weight + prior, data_weight * d + target, stiffness, w, num_iterations)
        w = np.maximum(w, np.float32(_FARTHEST))
    return w


def _shrunk(image: F32, size: tuple[int, int]) -> F32:
    if size == image.shape[1::-1]:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _likeness(look: F32) -> list[F32]:
    """e, 0 to 1, of the pixels under every difference."""
    found: list[F32] = []
    for stencil in (*SECOND, *FIRST):
        first, *others = taps(look, stencil)
        unlike = np.max([((other - first) ** 2).sum(axis=-1) for other in others], axis=0)
        found.append(np.exp(unlike * np.float32(-0.5 / _COLOUR_SIGMA**2)))
    return found


def _stiffness(w: F32, cell_px: int) -> list[F32]:
    """Weights of squared differences between cells: the same energy on grids of every size."""
    bend, slope = np.float32(_BEND * cell_px**2), np.float32(_SLOPE * cell_px)
    *second, dx, dy = differences(w)
    return [
        *(1 / (bend**2 + d**2) for d in second),
        *(np.full(d.shape, slope**-2, np.float32) for d in (dx, dy)),
    ]


def _posterior_variance(problem: _Problem, w: F32) -> F32:
    """Variance [h, w], by the energy's second derivative on a coarse grid.

    A quadratic approximation: smoothness as it is weighted at the solution, but without the image's
    edges and without weights against outliers, and with a prior of 1 on w, in units of its median.
    """
    coarse = problem.cells(_POSTERIOR_PX)
    precision = coarse.precision + coarse.prior + 1
    unit = np.eye(precision.size).reshape(*precision.shape, precision.size)
    stiffness = _stiffness(_shrunk(w, precision.shape[::-1]), _POSTERIOR_PX)
    bent = [s[..., None] * d for s, d in zip(stiffness, differences(unit), strict=True)]
    hessian = precision[..., None] * unit + adjoint(bent, unit.shape)
    inverse = np.linalg.inv(hessian.reshape(precision.size, precision.size))
    variance = np.diag(inverse).reshape(precision.shape).astype(np.float32)
    variance = cv2.resize(variance, w.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(variance, np.float32)
