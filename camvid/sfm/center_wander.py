"""How far an image wanders over its principal point, and what that does to the focal length.

Cameras that know nothing of offsets of the principal point take part of them for a focal length.
The offsets are a Gaussian process in time of unknown spread. Its evidence, which counts how many
offsets would do as well, gives the spread (MacKay, Bayesian interpolation, 1992), and the spread
gives the error that it may have made of the focal length: no offset itself needs to be known.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, I32

# The offsets of frames so far apart have little to do with each other. Half of that (a hand's
# jitter) leaves the focal length of stabilised clips three times as sure, for an error of 10 to
# 20 %; twice that refuses hand-held clips of a right focal length.
_FRAMES = 2.0
_UNRELATED = 1e-3  # of an offset's variance: has nothing to do with the next frames
_SPREADS = np.geomspace(1e-5, 0.05, 40)  # of the longer side: stabilisers crop about a tenth
_LEAST_PRECISION = 1e-7  # of the best known combination: less is rounding


class OffsetEquations(NamedTuple):
    """Normal equations of the offsets in T frames where points, poses and focal length follow."""

    normal: F64  # [2 T, 2 T]
    gradient: F64  # [2 T]
    focal_per_px: F64  # [2 T] change of the focal length's logarithm that follows an offset
    variance_px2: float  # of an observation along one axis


def deviation_by_wander(equations: OffsetEquations, frames: I32, long_side_px: int) -> float:
    """Relative standard deviation of a focal length that was found as if nothing wandered.

    `frames` [T] are the numbers of the frames.
    """
    related = np.exp(-0.5 * ((frames[:, None] - frames) / _FRAMES) ** 2)
    root = np.linalg.cholesky(related + _UNRELATED * np.eye(len(frames)))
    root = np.kron(root, np.eye(2))  # of the covariance of offsets whose spread is 1 px
    precision, axes = np.linalg.eigh(root.T @ equations.normal @ root)
    sure = precision > _LEAST_PRECISION * precision[-1]
    precision = precision[sure] / equations.variance_px2
    pull = (axes.T @ (root.T @ equations.gradient))[sure] / equations.variance_px2
    spread_px = long_side_px * _SPREADS
    gain = np.outer(spread_px**2, precision)  # variance of a combination, over its noise's
    evidence = 0.5 * (gain / (1 + gain) * pull**2 / precision - np.log1p(gain)).sum(axis=1)
    weight = np.exp(evidence - evidence.max())
    spread_px2 = float(weight @ spread_px**2 / weight.sum())
    return float(np.sqrt(spread_px2) * np.linalg.norm(equations.focal_per_px @ root))
