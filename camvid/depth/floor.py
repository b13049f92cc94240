"""The floor among the planes of a scene, and the ground that things stand on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F32
from camvid.depth.planes import Plane
from camvid.depth.static_scene import Layer
from camvid.depth.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorOptions:
    """What a floor is, and what else the ground may be."""

    min_upright: float = 0.7  # cosine between the floor's normal and the pictures' upright axis
    # What is measured nearer than the floor, by more than the first factor, is a table or a wall
    # if its error is expected to be below the second; or else a shadow, or the colour of a thing
    # that has run out over its border, if it is nearer by less than the third:
    raised: float = 1.1
    max_raised_sigma: float = 0.03
    max_error: float = 2.5


def find_floor(planes: Sequence[Plane], views: Views, options: FloorOptions) -> Plane | None:
    """The most level of the planes that lie below the cameras."""
    posed = np.flatnonzero(np.isfinite(views.cam_from_world).all(axis=(1, 2)))
    if not len(posed):
        return None
    down = views.cam_from_world[posed, 1, :3].mean(axis=0)
    down = down / np.linalg.norm(down)
    middle = int(posed[len(posed) // 2])

    def is_below(plane: Plane) -> bool:
        shape = views.gray[middle].shape
        inv_depth = plane.inv_depth(views.K[middle], views.cam_from_world[middle], shape)
        lowest = float(inv_depth[-1].mean())
        return lowest > max(0.0, float(inv_depth[0].mean()))

    level = [abs(float(plane.normal @ down)) for plane in planes]
    below = [
        (upright, plane)
        for upright, plane in zip(level, planes, strict=True)
        if upright >= options.min_upright and is_below(plane)
    ]
    return max(below, key=lambda each: each[0])[1] if below else None


def ground(
    layer: Layer, floor: Plane | None, views: Views, frame_index: int, options: FloorOptions
) -> F32:
    """Inverse depth [h, w] of what things stand on: the floor, or what is raised over it."""
    if floor is None or not np.isfinite(views.cam_from_world[frame_index]).all():
        return layer.inv_depth
    shape = layer.inv_depth.shape
    level = floor.inv_depth(views.K[frame_index], views.cam_from_world[frame_index], shape)
    raised = layer.inv_depth > options.raised * level
    measured = layer.sigma < options.max_raised_sigma
    far_off = layer.inv_depth > options.max_error * level
    return np.where((level > 0) & ~(raised & (measured | far_off)), level, layer.inv_depth)
