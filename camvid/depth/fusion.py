"""One frame's depth from what all frames around it measured: they see each other's blind spots.

A border of the picture, the ground behind a mover and the surroundings of the point that the camera
heads for are measured badly in one frame and well in another. The frames' depths are brought into
one and put to a vote there: noise averages out, and what only one frame saw so is outvoted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F32, Bool
from camvid.depth.views import PixelMap, Views


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionOptions:
    """Whose measurements are fused, and how they are weighed."""

    gaps: tuple[int, ...] = (3, 6, 10, 16, 24)  # frames before and after that have a say
    best_sigma: float = 0.004  # relative error that no measurement is believed to be better than
    tolerance: float = 0.05  # of inverse depth: what differs less from the median is averaged
    own_sigma: float = 3.0  # expected relative error of one whose support is 1
    dissent_sigma: float = 0.1  # and what all dissent adds to it


class Measured(NamedTuple):
    """What one frame measured by itself, at the working size."""

    inv_depth: F32  # [h, w], 0 where not measured
    sigma: F32  # [h, w] expected relative error; infinite where not measured

    def where(self, kept: Bool) -> "Measured":
        """The same where `kept` [h, w], and nothing elsewhere."""
        zero, unknown = np.float32(0), np.float32(np.inf)
        return Measured(np.where(kept, self.inv_depth, zero), np.where(kept, self.sigma, unknown))


class Fused(NamedTuple):
    """One frame's inverse depth by the vote of all."""

    inv_depth: F32  # [h, w], 0 where nobody knows
    support: F32  # [h, w] sum of 1 / sigma over those that agree
    agreement: F32  # [h, w] 0 to 1: their share of all that have a say
    sigma: F32  # [h, w] expected relative error; infinite where nobody knows


def fuse(
    views: Views, measured: Mapping[int, Measured], frame_index: int, options: FusionOptions
) -> Fused:
    """The weighted median of what frames near `frame_index` measured, by their index.

    It is sharpened to the mean of those near it.
    """
    seen = [
        _seen_from(measured[other], views.between(other, frame_index), options)
        for other in _nearest(frame_index, sorted(measured), options)
    ]
    if not seen or not np.isfinite(views.cam_from_world[frame_index]).all():
        nothing = np.zeros(views.gray[frame_index].shape, np.float32)
        return Fused(nothing, nothing, nothing, nothing + np.float32(np.inf))
    inv_depth, weight = np.stack([s[0] for s in seen]), np.stack([s[1] for s in seen])
    middle = weighted_median(inv_depth, weight)
    near = np.abs(inv_depth - middle) < options.tolerance * middle
    near_weight = np.where(near, weight, np.float32(0))
    square = near_weight * near_weight
    total = np.maximum(square.sum(axis=0), np.float32(1e-20))
    support, everyone = near_weight.sum(axis=0), weight.sum(axis=0)
    agreement = support / np.maximum(everyone, np.float32(1e-20))
    known = everyone > 0
    sigma = options.own_sigma / np.maximum(support, np.float32(1e-20))
    sigma += options.dissent_sigma * (1 - agreement)
    return Fused(
        np.where(known, (square * inv_depth).sum(axis=0) / total, np.float32(0)),
        support,
        agreement,
        np.where(known, sigma, np.float32(np.inf)),
    )


def _nearest(frame_index: int, measured: list[int], options: FusionOptions) -> list[int]:
    """Of the measured frames, those nearest to the wanted gaps."""
    if not measured:
        return []
    reach = max(options.gaps)
    gaps = [0, *options.gaps, *(-gap for gap in options.gaps)]
    near = {min(measured, key=lambda t: abs(t - frame_index - gap)) for gap in gaps}
    return sorted(t for t in near if abs(t - frame_index) <= reach)


def _seen_from(there: Measured, seen: PixelMap, options: FusionOptions) -> tuple[F32, F32]:
    """(inverse depth, weight) [h, w] in this frame of what another measured; 0 where nothing is.

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
    weight = 1 / np.maximum(there.sigma[inside], np.float32(options.best_sigma))
    order = np.argsort(inv_depth, kind="stable")
    found, found_weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    found.ravel()[place[order]] = inv_depth[order]
    found_weight.ravel()[place[order]] = weight[order]
    return found, found_weight


def weighted_median(values: F32, weights: F32) -> F32:
    """Over the first axis of [k, ...]; 0 where all weights are 0."""
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    place = (reached < reached[-1] / 2).sum(axis=0)
    middle = np.take_along_axis(ranked, place[None], axis=0)[0]
    return np.where(reached[-1] > 0, middle, np.float32(0))
