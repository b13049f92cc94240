"""How near a mover is, told by how the camera's sway shows in it.

A camera in the hand sways faster than things change their way. What a mover's place in the picture
has in common with the sway is parallax and tells its depth, wherever it stands or flies: its own
way is slow, or has nothing to do with the camera's (triangulation of a trajectory in a basis of
slow ones, Park et al. 2010). Where the camera goes smoothly, nothing is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, NAN, U8, U16, Bool
from camvid.geometry import camera_centers


@dataclass(frozen=True, slots=True, kw_only=True)
class SwayOptions:
    """What sway must show before it is believed; pixels are those of the working size."""

    min_period_frames: float = 18.0  # movers swing in longer periods than this, hands in shorter
    min_frames: int = 16  # in a row, in which the mover is followed
    min_sway_px: float = 0.4  # RMS of what the sway must do to the mover
    model_error: float = 0.15  # relative error to expect at best: movers do not go evenly
    max_corners: int = 80
    min_corners: int = 6
    max_round_trip_px: float = 0.3


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


def follow(gray: Sequence[U8], object_ids: Sequence[U16], label: int, options: SwayOptions) -> F64:
    """Path [T, 2] in pixels of the middle of the object `label`; NaN where it is not followed.

    Added up from the median motion of its corners, frame by frame: right from one frame to the
    next, and free to drift slowly.
    """
    num_frames = len(gray)
    path = np.full((num_frames, 2), np.nan)
    seen = [np.argwhere(ids == label) for ids in object_ids]
    for t in range(num_frames):
        if len(seen[t]) and not np.isfinite(path[t]).all():
            path[t] = seen[t].mean(axis=0)[::-1] + 0.5
        if t + 1 < num_frames and np.isfinite(path[t]).all():
            mask = object_ids[t] == label
            path[t + 1] = path[t] + _median_step(gray[t], gray[t + 1], mask, options)
    return path


def _median_step(here: U8, there: U8, mask: Bool, options: SwayOptions) -> F64:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    corners: Any = cv2.goodFeaturesToTrack(here, options.max_corners, 0.01, 3, mask=inner)
    if corners is None or len(corners) < options.min_corners:
        return np.full(2, np.nan)
    there_xy, back_xy = (np.asarray(xy, np.float32) for xy in _there_and_back(here, there, corners))
    held = np.linalg.norm(back_xy - corners, axis=2)[:, 0] < options.max_round_trip_px
    if held.sum() < options.min_corners:
        return np.full(2, np.nan)
    return np.median((there_xy - corners)[held, 0], axis=0).astype(np.float64)


def _there_and_back(here: U8, there: U8, corners: F32) -> tuple[F32, F32]:
    nowhere: Any = None  # no first guess: the stubs do not know that it may be missing
    there_xy, _, _ = cv2.calcOpticalFlowPyrLK(here, there, corners, nowhere, winSize=(13, 13))
    back_xy, _, _ = cv2.calcOpticalFlowPyrLK(there, here, there_xy, nowhere, winSize=(13, 13))
    return np.asarray(there_xy, np.float32), np.asarray(back_xy, np.float32)


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
    return Nearness(factor, float(np.hypot(2 * error / factor, options.model_error)))


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
