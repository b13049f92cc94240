"""How near a mover is, told by how the camera's sway shows in it.

A camera in the hand sways faster than things change their way. What a mover's place in the picture
has in common with the sway is parallax and tells its depth, wherever it stands or flies: its own
way is slow, or has nothing to do with the camera's (triangulation of a trajectory in a basis of
slow ones, Park et al. 2010). Where the camera goes smoothly, nothing is told.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, NAN, Bool
from camvid.geometry import camera_centers


@dataclass(frozen=True, slots=True, kw_only=True)
class SwayOptions:
    """What sway must show before it is believed; pixels are those of the working size."""

    min_period_frames: float = 18.0  # movers swing in longer periods than this, hands in shorter
    min_frames: int = 16  # in a row, in which the mover is followed
    min_sway_px: float = 0.4  # RMS of what the sway must do to the mover
    model_error: float = 0.15  # relative error to expect at best: movers do not go evenly
    max_sigma: float = 0.3  # standard error of the logarithm with which anything is told


class Nearness(NamedTuple):
    """How much nearer than guessed a mover is, as the sway has it."""

    factor: float  # of inverse depth; NaN where nothing is told
    sigma: float  # standard error of its logarithm


UNTOLD = Nearness(NAN, np.inf)


def combined(told: Nearness, sigma: float) -> Nearness:
    """`told`, and a guess known to `sigma` by which nothing need be changed: the weighted mean."""
    if not np.isfinite(told.sigma):
        return Nearness(1.0, sigma)
    weight = sigma**2 / (sigma**2 + told.sigma**2)
    return Nearness(told.factor**weight, sigma * told.sigma / float(np.hypot(sigma, told.sigma)))


def nearness(
    path_px: F64, inv_depth: F64, K: F64, cam_from_world: F64, options: SwayOptions
) -> Nearness:
    """The factor by which inverse depths [T] of a mover on path_px [T, 2] must be multiplied.

    K [T, 3, 3] belongs to the pixels of the path.

    With the guessed depths z the mover is at C + z r / factor in the world, C being the camera
    and r the ray; the factor is the one that leaves the fast part of this least to do with C.
    """
    known = np.isfinite(path_px).all(axis=1) & np.isfinite(inv_depth) & (inv_depth > 0)
    known &= np.isfinite(cam_from_world).all(axis=(1, 2))
    frames = _longest_run(known)
    if len(frames) < options.min_frames:
        return UNTOLD
    poses = cam_from_world[frames]
    homogeneous = np.column_stack([path_px[frames], np.ones(len(frames))])
    rays = np.einsum("tij,tik,tk->tj", poses[..., :3], np.linalg.inv(K[frames]), homogeneous)
    depth = _smooth(1 / inv_depth[frames])
    slow = _slow_motions(len(frames), options.min_period_frames)
    if slow.shape[1] + 4 > len(frames):
        return UNTOLD
    across = _across(rays)
    camera = _without(camera_centers(poses), slow) @ across
    mover = _without(depth[:, None] * rays, slow) @ across
    square = float((camera * camera).sum())
    sway_px = float(np.median(K[:, 0, 0])) * np.sqrt(square / len(frames)) / float(np.median(depth))
    factor = -float((camera * mover).sum()) / max(square, 1e-30)
    if factor <= 0 or sway_px < options.min_sway_px:
        return UNTOLD
    left = mover + factor * camera
    freedom = 2 * (len(frames) - slow.shape[1]) - 1
    error = np.sqrt(float((left * left).sum()) / freedom / square)
    sigma = float(np.hypot(2 * error / factor, options.model_error))
    return Nearness(factor, sigma) if sigma <= options.max_sigma else UNTOLD


def _longest_run(known: Bool) -> np.ndarray:
    index = np.flatnonzero(known)
    runs = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    return max(runs, key=len)


def _smooth(depth: F64) -> F64:
    """The cubic of time nearest to the logarithm of depth [n]: guesses jump, movers do not."""
    powers = np.vander(np.linspace(-1, 1, len(depth)), 4)
    return np.exp(powers @ np.linalg.lstsq(powers, np.log(depth), rcond=None)[0])


def _slow_motions(num_frames: int, min_period_frames: float) -> F64:
    """Orthonormal basis [n, k] of motions with longer periods, and of even ones."""
    count = int(2 * num_frames / min_period_frames) + 1
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
