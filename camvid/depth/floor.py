"""The floor of a scene, and the ground that things stand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from camvid.artifacts import F32
from camvid.depth.fusion import Measured
from camvid.depth.planes import Plane, PlaneOptions, find_planes
from camvid.depth.static_scene import Layer
from camvid.depth.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorOptions:
    """What a floor is, and what else the ground may be."""

    min_upright: float = 0.7  # cosine between the floor's normal and the pictures' upright axis
    lowest_rows: float = 0.2  # of the pictures, of which a floor
    min_share: float = 0.75  # explains so much (true ones on generated scenes: above 0.83)
    tolerance: float = 0.1  # of what it explains
    # Of planes, where those that the best spots lie on are no floor: all spots are asked then.
    bare_tolerance: float = 0.06
    bare_sigma: float = 0.15
    # What is measured off the floor, by more than the first factor, is a table, a wall or a pit if
    # its error is expected to be below the second; or else a shadow, or the colour of a thing that
    # has run out over its border, if it is nearer by less than the third:
    raised: float = 1.1
    max_raised_sigma: float = 0.03
    max_error: float = 2.5


def find_floor(
    views: Views, measured: Mapping[int, Measured], planes: PlaneOptions, options: FloorOptions
) -> Plane | None:
    """The floor of what was measured off all objects, by frame.

    Bare floors have few good spots, so where these show none, the others are asked too.
    """
    bare = replace(
        planes,
        min_believed=0.0,
        max_sigma=options.bare_sigma,
        tolerance=options.bare_tolerance,
    )
    for asked in (planes, bare):
        found = find_planes(views, measured, asked)
        supported = [
            p for p in found if low_share(p, views, measured, options) >= options.min_share
        ]
        floor = most_level(supported, views, options)
        if floor is not None:
            return floor
    return None


def most_level(planes: Sequence[Plane], views: Views, options: FloorOptions) -> Plane | None:
    """The one whose normal is nearest to the pictures' upright axis, if any is near enough."""
    posed = np.isfinite(views.cam_from_world).all(axis=(1, 2))
    if not posed.any():
        return None
    down = views.cam_from_world[posed, 1, :3].mean(axis=0)
    down = down / np.linalg.norm(down)

    def uprightness(plane: Plane) -> float:
        return abs(float(plane.normal @ down))

    level = [plane for plane in planes if uprightness(plane) >= options.min_upright]
    return max(level, key=uprightness, default=None)


def low_share(
    plane: Plane, views: Views, measured: Mapping[int, Measured], options: FloorOptions
) -> float:
    """Of all that was measured in the lowest rows of the pictures, the share on the plane."""
    num = on_plane = 0
    for t, (inv_depth, _) in measured.items():
        low = slice(round((1 - options.lowest_rows) * len(inv_depth)), None)
        level, there = seen_floor(plane, views, t)[low], inv_depth[low]
        known = there > 0
        num += np.count_nonzero(known)
        on_plane += np.count_nonzero(
            known & (level > 0) & (np.abs(there - level) <= options.tolerance * level)
        )
    return float(on_plane / max(num, 1))


def seen_floor(floor: Plane, views: Views, frame_index: int) -> F32:
    """The floor's inverse depth [h, w] in a frame; not above 0 above its horizon."""
    shape = views.gray[frame_index].shape
    return floor.inv_depth(views.K[frame_index], views.cam_from_world[frame_index], shape)


def ground(
    layer: Layer, floor: Plane | None, views: Views, frame_index: int, options: FloorOptions
) -> F32:
    """Inverse depth [h, w] of what things stand on: the floor, or what is raised over it."""
    if floor is None or not np.isfinite(views.cam_from_world[frame_index]).all():
        return layer.inv_depth
    level = seen_floor(floor, views, frame_index)
    nearer = layer.inv_depth / np.where(level > 0, level, np.float32(1))
    off = (nearer > options.raised) | (nearer < 1 / options.raised)
    measured = layer.sigma < options.max_raised_sigma
    believed = (off & measured) | (nearer > options.max_error)
    return np.where((level > 0) & ~believed, level, layer.inv_depth)
