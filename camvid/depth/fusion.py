"""Robust means of inverse depths: of one frame's pairs, and of several frames seen from one.

A border of the image, the ground behind a mover and the surroundings of the point that the camera
heads for are measured badly in one frame and well in another: noise averages out, and what only one
frame saw so is outvoted.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F32, Bool
from camvid.depth.views import PixelMap, Views

_BEST_SIGMA = 0.004  # relative: nothing is measured better
_SCALES = (0.3, 0.1, 0.04, 0.04)  # relative difference at which a value counts a quarter, by round
_DISSENT_SIGMA = 0.1  # what the disagreement of all adds to the expected error


class Measured(NamedTuple):
    """Inverse depth as one frame sees it, at the working size."""

    inv_depth: F32  # [h, w], 0 where not measured
    sigma: F32  # [h, w] expected relative error; infinite where not measured

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> "Measured":
        """Of an image [h, w] in which nothing was measured."""
        return cls(np.zeros(shape, np.float32), np.full(shape, np.inf, np.float32))

    def where(self, kept: Bool) -> "Measured":
        """The same where `kept` [h, w], and nothing elsewhere."""
        zero, unknown = np.float32(0), np.float32(np.inf)
        return Measured(np.where(kept, self.inv_depth, zero), np.where(kept, self.sigma, unknown))


def robust_mean(measured: Sequence[Measured]) -> Measured:
    """The mean [h, w] by precision, under a Geman-McClure kernel.

    Its scale shrinks from round to round (graduated non-convexity), so that the mean ends on what
    most of the precision agrees on.
    """
    inv_depth = np.stack([m.inv_depth for m in measured])
    sigma = np.maximum(np.stack([m.sigma for m in measured]), np.float32(_BEST_SIGMA))
    precision = np.where(inv_depth > 0, sigma**-2, np.float32(0))
    tiny = np.float32(1e-20)
    weight = np.sqrt(precision)
    everyone = np.maximum(weight.sum(axis=0), tiny)
    mean = (weight * inv_depth).sum(axis=0) / everyone
    for scale in _SCALES:
        off = (inv_depth - mean) / (np.float32(scale) * np.maximum(mean, tiny))
        weight = precision / (1 + off * off) ** 2
        mean = (weight * inv_depth).sum(axis=0) / np.maximum(weight.sum(axis=0), tiny)
    agreement = np.sqrt(weight).sum(axis=0) / everyone
    error = 1 / np.sqrt(np.maximum(weight.sum(axis=0), tiny)) + _DISSENT_SIGMA * (1 - agreement)
    return Measured(mean, np.asarray(error, np.float32)).where(everyone > tiny)


def fuse(
    views: Views, measured: Mapping[int, Measured], frame_index: int, num_frames: int
) -> Measured:
    """The robust mean of the `num_frames` nearest frames of `measured`, by their index."""
    if not measured or not np.isfinite(views.cam_from_world[frame_index]).all():
        return Measured.nothing(views.gray[frame_index].shape)
    nearest = sorted(measured, key=lambda t: abs(t - frame_index))[:num_frames]

    def seen(t: int) -> Measured:
        same = t == frame_index
        return measured[t] if same else seen_from(measured[t], views.between(t, frame_index))

    return robust_mean([seen(t) for t in nearest])


def seen_from(there: Measured, seen: PixelMap) -> Measured:
    """What another frame measured, as this one sees it; nothing where it sees nothing of it.

    Each pixel goes to the nearest one here; where several meet, the nearest to the camera is seen.
    """
    shape = there.inv_depth.shape
    far_x, far_y, far_z = seen.at_infinity(shape)
    z_ratio = far_z + there.inv_depth * seen.e[2]
    inside = (there.inv_depth > 0) & (z_ratio > 0)
    safe = np.where(inside, z_ratio, np.float32(1))
    x = np.floor((far_x + there.inv_depth * seen.e[0]) / safe)
    y = np.floor((far_y + there.inv_depth * seen.e[1]) / safe)
    inside &= (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
    place = y[inside].astype(np.intp) * shape[1] + x[inside].astype(np.intp)
    inv_depth = (there.inv_depth / safe)[inside]
    found, sigma = np.zeros(shape, np.float32), np.full(shape, np.inf, np.float32)
    hidden = np.arange(len(place))
    while len(hidden):  # the last written stays: whatever is nearer is written again
        found.ravel()[place[hidden]] = inv_depth[hidden]
        hidden = hidden[inv_depth[hidden] > found.ravel()[place[hidden]]]
    nearest = inv_depth == found.ravel()[place]
    sigma.ravel()[place[nearest]] = there.sigma[inside][nearest]
    return Measured(found, sigma)
