"""How near a mover is, by the parallax of the camera's hand shake (trajectory-basis triangulation).

A camera in the hand shakes faster than bodies change their way. What a mover's place in the image
has in common with the shake is parallax and tells its depth, wherever it stands or flies: its own
way is slow, or has nothing to do with the camera's (triangulation of a trajectory in a basis of
slow ones, Park et al. 2010). Where the camera goes smoothly, nothing is measured.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, Bool
from camvid.geometry import camera_centers

_MIN_PERIOD_FRAMES = 18.0  # movers swing in longer periods than this, hands in shorter
_MIN_FRAMES = 16  # in a row, in which the mover is tracked
_MIN_SHAKE_PX = 0.4  # RMS, at the working size, of what the shake must do to the mover
_MODEL_ERROR = 0.15  # relative error to expect at best: movers do not go evenly
_MAX_SIGMA = 0.3  # standard error of the logarithm with which anything is measured


class Parallax(NamedTuple):
    """How much nearer than guessed a mover is."""

    factor: float  # of inverse depth
    sigma: float  # standard error of its logarithm


def parallax(path_px: F64, inv_depth: F64, K: F64, cam_from_world: F64) -> Parallax | None:
    """The factor by which inverse depths [T] of a mover on path_px [T, 2] must be multiplied.

    K [T, 3, 3] belongs to the pixels of the path. None where nothing can be measured.

    With the guessed depths z the mover is at C + z r / factor in the world, C being the camera
    and r the ray; the factor is the one that leaves the fast part of this least to do with C.
    """
    known = np.isfinite(path_px).all(axis=1) & np.isfinite(inv_depth) & (inv_depth > 0)
    known &= np.isfinite(cam_from_world).all(axis=(1, 2))
    frames = _longest_run(known)
    if len(frames) < _MIN_FRAMES:
        return None
    poses = cam_from_world[frames]
    homogeneous = np.column_stack([path_px[frames], np.ones(len(frames))])
    rays = np.einsum("tij,tik,tk->tj", poses[..., :3], np.linalg.inv(K[frames]), homogeneous)
    depth = _smooth(1 / inv_depth[frames])
    slow = _slow_motions(len(frames))
    if slow.shape[1] + 4 > len(frames):
        return None
    across = _across(rays)
    camera = _without(camera_centers(poses), slow) @ across
    mover = _without(depth[:, None] * rays, slow) @ across
    square = float((camera * camera).sum())
    focal_px, shake = float(np.median(K[:, 0, 0])), np.sqrt(square / len(frames))
    shake_px = focal_px * shake / float(np.median(depth))
    factor = -float((camera * mover).sum()) / max(square, 1e-30)
    if factor <= 0 or shake_px < _MIN_SHAKE_PX:
        return None
    left = mover + factor * camera
    freedom = 2 * (len(frames) - slow.shape[1]) - 1
    error = np.sqrt(float((left * left).sum()) / freedom / square)
    sigma = float(np.hypot(2 * error / factor, _MODEL_ERROR))
    return Parallax(factor, sigma) if sigma <= _MAX_SIGMA else None


def _longest_run(known: Bool) -> np.ndarray:
    index = np.flatnonzero(known)
    runs = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    return max(runs, key=len)


def _smooth(depth: F64) -> F64:
    """The cubic of time nearest to the logarithm of depth [n]: guesses jump, movers do not."""
    powers = np.vander(np.linspace(-1, 1, len(depth)), 4)
    return np.exp(powers @ np.linalg.lstsq(powers, np.log(depth), rcond=None)[0])


def _slow_motions(num_frames: int) -> F64:
    """Orthonormal basis [n, k] of motions with longer periods, and of even ones."""
    count = int(2 * num_frames / _MIN_PERIOD_FRAMES) + 1
    time = np.arange(num_frames)[:, None] + 0.5
    waves = np.cos(np.pi * time * np.arange(count) / num_frames)
    even = np.linspace(-1, 1, num_frames)[:, None]
    return np.linalg.qr(np.hstack([waves, even, even**3]))[0]


def _without(motion: F64, slow: F64) -> F64:
    return motion - slow @ (slow.T @ motion)


def _across(rays: F64) -> F64:
    """[3, 3] that takes away what goes along the mean ray, where depth itself is at stake."""
    mean = rays.mean(axis=0)
    mean = mean / np.linalg.norm(mean)
    return np.eye(3) - np.outer(mean, mean)
