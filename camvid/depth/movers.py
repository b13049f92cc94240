"""Where each mover is in each frame: a guess, from all that tells."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, U16, Bool
from camvid.depth.filling import FillOptions, foot_inv_depth, is_footed, is_whole, mover_inv_depths
from camvid.depth.static_scene import Layer
from camvid.depth.sway import SwayOptions, combined, follow, nearness
from camvid.depth.views import Views


class Mover(NamedTuple):
    """One mover's place over the clip."""

    inv_depth: F64  # [T], NaN where not known
    sigma: float  # expected relative error of all of it together


def place_mover(
    label: int,
    object_ids: Sequence[U16],
    hidden: Sequence[Bool],
    layers: Sequence[Layer],
    views: Views,
    fill: FillOptions,
    sway: SwayOptions,
) -> Mover:
    """`label` of the objects [h, w] of each frame, before `layers`; `hidden` are all movers."""
    masks = [ids == label for ids in object_ids]
    feet = np.array(
        [
            foot_inv_depth(layer.inv_depth, ~covered & (layer.inv_depth > 0), mask, fill)
            for layer, covered, mask in zip(layers, hidden, masks, strict=True)
        ]
    )
    num_pixels = np.array([np.count_nonzero(mask) for mask in masks], np.float64)
    whole = np.array([is_whole(ids, label, fill) for ids in object_ids])
    footed = np.array([is_footed(ids, label, fill) for ids in object_ids])
    stands = mover_inv_depths(feet, num_pixels, whole, footed, fill)
    path_px = follow(views.gray, object_ids, label, sway)
    told = nearness(path_px, stands.inv_depth, views.K, views.cam_from_world, sway)
    factor, sigma = combined(told, stands.sigma)
    return Mover(factor * stands.inv_depth, sigma)
