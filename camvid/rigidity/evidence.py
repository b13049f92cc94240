"""Likelihood of a track as one static point, against a point that moves smoothly by itself.

What is left of a track after its static point is white noise, plus slow noise (cameras err for
many frames alike, trackers drift), plus, if it moves, a smooth motion. The slow parts are cosines
over the track's own duration, with independent normal amplitudes: for noise, their variances are
fitted to the clip; for motion they fall as 1/k^4, those of a point at constant velocity. All else
is linear algebra: each track's point, drift and motion are integrated out in closed form. A track's
noise has a scale of its own, with a gamma prior on its precision (so the likelihoods are
multivariate t), since trackers hold to some corners better.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64
from camvid.rigidity.observations import TrackObservations
from camvid.rigidity.static_points import StaticPoints

NUM_COSINES = 8  # per axis: over 2 s, motion up to 2 Hz; faster is white noise
_FREEDOM = 4.0  # degrees of freedom of the noise scale's prior
_NEGLIGIBLE = 1e-3  # weight of a track
_LEAST_PX = 0.005  # noise: where an image stands still, tracks do not err at all
_LOOSE, _HELD = 1e-6, 1e6  # precision, 1/px^2, of a free and of a held parameter


class Spectrum(NamedTuple):
    """Noise of the tracks of one clip."""

    white_px: float  # standard deviation of an observation along one axis
    slow_px: F64  # [K] of the amplitudes of the cosines


class Compressed(NamedTuple):
    """All that the likelihoods need of N tracks: their cosines, static points integrated out."""

    gram: F64  # [N, 2K, 2K] of the cosines (x, y in turn), the static point projected out
    right: F64  # [N, 2K] of the residual
    square_px2: F64  # [N] what is left of the residual's square
    num: F64  # [N] numbers observed, less those that went into the static point
    duration: F64  # [N] frames from first to last observation


def compress(observations: TrackObservations, points: StaticPoints) -> Compressed:
    """Projects the observations on static points and cosines, track by track."""
    first, span = _track_span(observations)
    phase = (observations.frame - first[observations.track] + 0.5) / (span + 1)[observations.track]
    cosine = np.cos(np.pi * np.arange(1, NUM_COSINES + 1) * phase[:, None])  # [O, K]
    jacobian = points.jacobian_px
    normal = observations.sum(np.einsum("oki,okj->oij", jacobian, jacobian))
    scale = np.sqrt(np.einsum("nii->ni", normal)) + 1e-12  # in px: so that one precision suits all
    normal = normal / (scale[:, :, None] * scale[:, None, :])
    held = np.where(points.at_bound, _HELD, 0.0)
    normal += _LOOSE * np.eye(3) + held[:, None, None] * np.diag([0.0, 0.0, 1.0])
    scaled = jacobian / scale[observations.track][:, None]
    # Each cosine is there once along x and once along y, and the two never meet.
    num_amplitudes = 2 * NUM_COSINES
    cross = observations.sum(np.einsum("oji,ok->oikj", scaled, cosine)).reshape(
        -1, 3, num_amplitudes
    )
    of_axis = observations.sum(cosine[:, :, None] * cosine[:, None, :])  # [N, K, K]
    gram = np.einsum("nkl,ij->nkilj", of_axis, np.eye(2)).reshape(
        -1, num_amplitudes, num_amplitudes
    )
    residual = points.residual_px
    right_point = observations.sum(np.einsum("oki,ok->oi", scaled, residual))
    right = observations.sum(cosine[:, :, None] * residual[:, None]).reshape(-1, num_amplitudes)
    square = observations.sum((residual**2).sum(axis=1))
    solved = np.linalg.solve(normal, np.concatenate([cross, right_point[..., None]], axis=2))
    across = np.swapaxes(cross, 1, 2)
    free = np.where(points.at_bound, 2.0, 3.0)
    return Compressed(
        gram - across @ solved[..., :-1],
        right - (across @ solved[..., -1:])[..., 0],
        np.maximum(square - (right_point * solved[..., -1]).sum(axis=1), 0.0),
        np.maximum(2 * observations.per_track - free, 0.0),
        span,
    )


def _track_span(observations: TrackObservations) -> tuple[F64, F64]:
    """(first frame [N], frames [N] from there to the last) of each track."""
    first, last = np.zeros((2, observations.num_tracks))
    seen = observations.per_track > 0
    first[seen] = observations.frame[observations.start[:-1][seen]]
    last[seen] = observations.frame[observations.start[1:][seen] - 1]
    return first, np.maximum(last - first, 1)


def log_likelihood(tracks: Compressed, noise: Spectrum, motion_px2: F64 | None = None) -> F64:
    """[N] up to a constant that is the same for every hypothesis.

    `motion_px2` [N, K] are variances of the cosines that motion adds to those of the noise.
    """
    variance = np.broadcast_to(noise.slow_px**2, (len(tracks.num), NUM_COSINES))
    if motion_px2 is not None:
        variance = variance + motion_px2
    quadratic, log_det = _quadratic(tracks, noise.white_px, variance)
    dof = tracks.num + _FREEDOM
    return -0.5 * log_det - 0.5 * dof * np.log1p(np.maximum(quadratic, 0) / _FREEDOM)


def _quadratic(tracks: Compressed, white_px: float, variance: F64) -> tuple[F64, F64]:
    """(Mahalanobis square [N], log determinant [N]) of the residuals' covariance."""
    precision, right = _normal_equations(tracks, white_px, variance)
    mean = np.linalg.solve(precision, right[..., None])[..., 0]
    root = np.einsum("nii->ni", np.linalg.cholesky(precision))
    log_det = 2 * np.log(root).sum(axis=1) + np.log(np.repeat(variance, 2, axis=1)).sum(axis=1)
    quadratic = tracks.square_px2 / white_px**2 - (right * mean).sum(axis=1)
    return quadratic, log_det + tracks.num * 2 * np.log(white_px)


def _normal_equations(tracks: Compressed, white_px: float, variance: F64) -> tuple[F64, F64]:
    """(Matrix [N, 2K, 2K], right side [N, 2K]) for the cosines' amplitudes of a given variance."""
    precision = tracks.gram / white_px**2
    np.einsum("nii->ni", precision)[...] += 1 / np.repeat(variance, 2, axis=1)
    return precision, tracks.right / white_px**2


def refit_noise(tracks: Compressed, noise: Spectrum, static: F64) -> Spectrum:
    """One step of expectation and maximisation, over tracks weighed by P(static) [N]."""
    use = static * (tracks.num >= 2 * NUM_COSINES)
    tracks, use = Compressed(*(part[use > _NEGLIGIBLE] for part in tracks)), use[use > _NEGLIGIBLE]
    variance = np.broadcast_to(noise.slow_px**2, (len(use), NUM_COSINES))
    precision, right = _normal_equations(tracks, noise.white_px, variance)
    inverse = np.linalg.inv(precision)
    mean, spread = (inverse @ right[..., None])[..., 0], np.einsum("nii->ni", inverse)
    quadratic = tracks.square_px2 / noise.white_px**2 - (right * mean).sum(axis=1)
    scale = (_FREEDOM + tracks.num) / (_FREEDOM + quadratic)  # of each track's precision
    slow = (scale[:, None] * mean**2 + spread).reshape(-1, NUM_COSINES, 2).mean(axis=2)
    slow_px = np.sqrt((use[:, None] * slow).sum(axis=0) / max(float(use.sum()), 1e-9))
    fitted = np.einsum("ni,ni->n", (tracks.gram @ mean[..., None])[..., 0], mean)
    left = tracks.square_px2 - 2 * (tracks.right * mean).sum(axis=1) + fitted
    left = scale * np.maximum(left, 0) + (tracks.gram * inverse).sum(axis=(1, 2))
    white = float((use * left).sum() / max(float((use * tracks.num).sum()), 1e-9))
    if not white > 0:
        return noise
    # Scales of tracks and of the clip are told apart only by the prior: this brings their mean back
    # to 1 (parameter-expanded EM, Liu, Rubin and Wu 1998), where plain EM takes a hundred steps.
    common = float(np.sqrt(use.sum() / (use * scale).sum()))
    white_px = max(float(np.sqrt(white)) * common, _LEAST_PX)
    return Spectrum(white_px, np.maximum(slow_px * common, _LEAST_PX))
