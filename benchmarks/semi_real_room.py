"""Checks that a board is in the image, moves enough and stands on free ground."""

from collections.abc import Sequence

import numpy as np
from semi_real_kitchen import FLOOR_BELOW_TABLE_M
from semi_real_routes import Place, Route, drive_path
from semi_real_worlds import World, ground_places

from camvid.artifacts import F64, Bool
from camvid.geometry import img_from_cam, invert_rigid, transform_points

_MIN_STRENGTH = 0.007  # over 1/12 s, in image sides: motion below 0.006 could be called still
_PAIR_S = 1 / 12


def fits(
    motion: F64,
    size_m: tuple[float, float],
    place: Place,
    route: Route,
    world: World,
    rivals: Sequence[tuple[F64, float]],
) -> bool:
    """Whether a board that moves so is in the image, moves enough, and stands on free ground.

    `rivals` are the feet [T, 3] and widths of the boards that stand already.
    """
    feet = motion[:, :3, 3]
    bodies = feet + 0.5 * size_m[1] * motion[:, :3, 1]
    frames = np.arange(world.num_frames)
    xy_px, depth_m = project(world, frames, bodies)
    nearest_m = 0.55 if world.hides else 6.0
    if depth_m.min() < nearest_m or _inside(xy_px, world).mean() < 0.85:
        return False
    for place_m, width_m in rivals:
        if np.linalg.norm(feet - place_m, axis=1).min() < 0.5 * (size_m[0] + width_m):
            return False
    if route != "still" and _strength(world, bodies) < _MIN_STRENGTH:
        return False
    if place == "table":
        return _on_table(world, feet)
    if place == "floor":
        return _beside_table(world, feet, bodies)
    half = 0.5 * size_m[0] * motion[:, :3, 0]
    return _on_road(world, feet - half) and _on_road(world, feet + half)


def project(world: World, frames: np.ndarray, points: F64) -> tuple[F64, F64]:
    """Image points [T, 2] and depths [T] of one world point per frame."""
    cam = transform_points(world.cam_from_world[frames], points[:, None])[:, 0]
    return img_from_cam(world.K, cam)


def _strength(world: World, points: F64) -> float:
    """Motion strength of one point [T, 3] that moves in the world."""
    gap = max(1, round(_PAIR_S * world.fps))
    later = np.arange(gap, world.num_frames)
    moved = project(world, later, points[gap:])[0] - project(world, later, points[:-gap])[0]
    return float(np.linalg.norm(moved / world.size[::-1], axis=1).mean())


def _inside(xy_px: F64, world: World) -> Bool:
    height, width = world.size
    return (xy_px >= 0).all(axis=1) & (xy_px < (width, height)).all(axis=1)


def _depth_behind(world: World, points: F64) -> tuple[F64, F64]:
    """The world's depth where points [T, 3] are seen, and their own; both [N], known ones alone."""
    xy_px, own = project(world, np.arange(world.num_frames), points)
    frames = np.flatnonzero(_inside(xy_px, world) & (own > 0))
    column, row = xy_px[frames].astype(int).T
    found = world.depth[frames, row, column]
    return found[found > 0].astype(np.float64), own[frames][found > 0]


def _on_table(world: World, feet: F64) -> bool:
    found, own = _depth_behind(world, feet)
    enough = len(found) > 0.6 * world.num_frames
    return enough and bool((np.abs(found - own) < 0.03).mean() > 0.95)


def _beside_table(world: World, feet: F64, bodies: F64) -> bool:
    """Not in the table or a chair, as seen at a table's height, and mostly not hidden by them."""
    up = world.world_from_ground[:3, 2]
    found, own = _depth_behind(world, feet + FLOOR_BELOW_TABLE_M * up)
    if len(found) < 0.5 * world.num_frames or (np.abs(found - own) < 0.12).mean() > 0.05:
        return False
    found, own = _depth_behind(world, bodies)
    return len(found) > 0 and bool((found > own).mean() > 0.5)


def _on_road(world: World, feet: F64) -> bool:
    """From 5 m left to 2.4 m right of the path driven: beyond stand trees, and parked cars.

    What stands beside such a corridor cannot hide what is in it from a camera in it.
    """
    cameras = ground_places(world)
    ground = transform_points(invert_rigid(world.world_from_ground[:3]), feet)
    lateral = ground[:, 0] - drive_path(cameras)(ground[:, 1])
    return bool((lateral > -5.0).all() and (lateral < 2.4).all())


def goes_left(motion: F64, world: World) -> bool:
    """In the image of a camera that stays where it is in mid-clip."""
    middle = np.full(2, world.num_frames // 2)
    (start, end), _ = project(world, middle, motion[[0, -1], :3, 3])
    return bool(end[0] < start[0])
