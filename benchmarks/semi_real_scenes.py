"""Semi-real scenes by seed: which world, which movers, where they go.

Worlds and routes take turns over the seeds, so that any twelve in a row hold every one; the rest is
drawn. What is drawn is kept where it can be seen, stands on free ground and moves enough to tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from semi_real_cutouts import ACTORS, Actor, Cutout, frames_shown, read_cutout
from semi_real_kitchen import FLOOR_BELOW_TABLE_M, on_floor, read_kitchen
from semi_real_render import Board, compose
from semi_real_worlds import World, ground_places, read_drive

from camvid.artifacts import F64
from camvid.geometry import img_from_cam, invert_rigid, transform_points
from camvid.scenes.truth import SceneTruth

VERSION = 1  # of the scenes that the seeds stand for
Place = Literal["table", "floor", "street", "highway"]
Route = Literal["line", "arc", "approach", "along", "still"]

# In kitchen and street nothing else moves; on the highway other cars do: no scene there is still.
TURNS: tuple[tuple[Place, Route], ...] = (
    ("table", "line"), ("street", "line"), ("table", "still"), ("floor", "line"),
    ("highway", "along"), ("street", "still"), ("table", "arc"), ("street", "along"),
    ("floor", "still"), ("street", "arc"), ("floor", "along"), ("table", "approach"),
)  # fmt: skip
_KITCHEN_FRAMES, _DRIVE_FRAMES = 56, 21  # 2.3 s at 24 fps, 2.1 s at 10 fps and 43 km/h
_DRIVE_FIRST = {"street": (0, 30), "highway": (24, 30)}  # first frames to draw from
_FACING_DEG = 15.0  # a board may be turned so far from the camera
_ARC_DEG_PER_S = (15.0, 30.0)
_DRIVEN_AHEAD_M, _DRIVEN_SPEED = (9.0, 14.0), (0.75, 1.1)  # who drives along; over the camera's
_MIN_STRENGTH = 0.007  # over 1/12 s, in image sides: motion that nobody can call still
_PAIR_S = 1 / 12
_TRIES, _SPANS = 300, 20
_GAIN = (0.5, 1.3)  # of a cut-out, to look as light as its world


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How big things are at a place, how fast they move, and how far from the camera they are."""

    heights_m: tuple[float, float] | None  # None: their true ones
    speeds_m_per_s: tuple[float, float]
    ahead_m: tuple[float, float]  # over the ground, in the middle of the clip
    beside_m: float  # at most, from where the camera looks
    sequences: tuple[str, ...]


STAGES: dict[Place, Stage] = {
    "table": Stage(
        heights_m=(0.13, 0.26),
        speeds_m_per_s=(0.15, 0.4),
        ahead_m=(0.7, 1.5),
        beside_m=0.5,
        sequences=("camel", "car_roundabout", "dance_twirl", "dog", "goat", "blackswan"),
    ),
    "floor": Stage(
        heights_m=(1.0, 1.3),
        speeds_m_per_s=(0.5, 1.2),
        ahead_m=(1.75, 2.3),
        beside_m=0.8,
        sequences=("dance_twirl", "parkour"),
    ),
    "street": Stage(
        heights_m=None,
        speeds_m_per_s=(1.8, 3.2),
        ahead_m=(18.0, 22.0),
        beside_m=2.5,
        sequences=("camel", "car_roundabout", "dance_twirl", "parkour"),
    ),
}
STAGES["highway"] = STAGES["street"]


def semi_real_scene(seed: int, data: Path, cache: Path) -> SceneTruth:
    """The scene of a seed.

    Args:
        seed: any; the same gives the same scene from the same data.
        data: the folder that holds `clips/gt_7scenes_*` and `real/`.
        cache: folder for what takes long and is the same for all scenes.
    """
    rng = np.random.default_rng([VERSION, seed])
    place, route = TURNS[seed % len(TURNS)]
    world, boards = _draw(rng, place, route, data, cache)
    name = f"semi_{seed:03d}_{place}_{route}"
    controls = ("still_control",) if any("still" in b.name for b in boards) else ()
    return compose(world, boards, name, (place, route, *controls), seed)


def _draw(
    rng: np.random.Generator, place: Place, route: Route, data: Path, cache: Path
) -> tuple[World, list[Board]]:
    """A span of a world in which there is room, and what goes into it."""
    for _ in range(_SPANS):
        world = _draw_world(rng, place, data, cache)
        boards = _draw_boards(rng, place, route, world, data / "real")
        if boards:
            return world, boards
    raise ValueError(f"no free place on the {place} for a board ({route}) in {_SPANS} spans")


def _draw_world(rng: np.random.Generator, place: Place, data: Path, cache: Path) -> World:
    if place in ("street", "highway"):
        first = int(rng.integers(*_DRIVE_FIRST[place]))
        return read_drive(data / "real" / f"gt_kitti_{place}", first, _DRIVE_FRAMES)
    folder = data / "clips" / "gt_7scenes_redkitchen_translate"
    kitchen = read_kitchen(folder, cache / "kitchen.npz")
    first = int(rng.integers(0, kitchen.num_frames - _KITCHEN_FRAMES + 1))
    span = kitchen.span(first, _KITCHEN_FRAMES)
    return on_floor(span) if place == "floor" else span


def _draw_boards(
    rng: np.random.Generator, place: Place, route: Route, world: World, real: Path
) -> list[Board]:
    """The mover, where there is one, then what stands still; none where the first has no room."""
    num_still = int(rng.integers(1, 3)) if route == "still" else int(rng.random() < 0.6)
    routes: list[Route] = [*([] if route == "still" else [route]), *["still"] * num_still]
    boards: list[Board] = []
    for each in routes:
        board = _draw_board(rng, place, each, world, real, boards)
        if board is None:  # the place is full
            break
        boards.append(board)
    return boards


def _draw_board(
    rng: np.random.Generator,
    place: Place,
    route: Route,
    world: World,
    real: Path,
    others: list[Board],
) -> Board | None:
    """A board that fits; none where none of many draws does."""
    stage = STAGES[place]
    fitting = fitting_actors(place, route, [b.cutout.name for b in others])
    rivals = [(b.world_from_board[:, :3, 3], b.cutout.size_m[0]) for b in others]
    for _ in range(_TRIES):
        actor = fitting[int(rng.integers(len(fitting)))]
        drawn_m = rng.uniform(*stage.heights_m) if stage.heights_m else actor.height_m
        height_m = float(drawn_m * rng.uniform(0.93, 1.07))
        motion = _draw_motion(rng, place, route, world)
        if not _fits(motion, (actor.aspect * height_m, height_m), place, route, world, rivals):
            continue
        shown = frames_shown(
            actor,
            world.num_frames,
            world.fps,
            start=int(rng.integers(actor.num_frames)),
            frozen=route == "still",
        )
        folder = real / f"davis_{actor.sequence}"
        mirror = _goes_left(motion, world) if route != "still" else bool(rng.random() < 0.5)
        cutout = read_cutout(folder, actor, shown, height_m, mirror=mirror)
        kind = "still" if route == "still" else "mover"
        name = f"{kind}_{actor.sequence}_{len(others)}"
        return Board(name=name, cutout=matched(cutout, world), world_from_board=motion)
    return None


def fitting_actors(place: Place, route: Route, used: list[str]) -> list[Actor]:
    """Who may go so: seen from the side, or from an end; a car where the way is driven."""
    actors = [a for a in ACTORS if a.sequence in STAGES[place].sequences]
    actors = [a for a in actors if a.sequence not in used]
    if route == "still":
        return actors
    if route == "along" and place in ("street", "highway"):
        return [a for a in actors if a.sequence == "car_roundabout" and a.view == "end"]
    view = "side" if route in ("line", "arc") else "end"
    return [a for a in actors if a.view == view] or actors


def _draw_motion(rng: np.random.Generator, place: Place, route: Route, world: World) -> F64:
    """world_from_board [T, 4, 4]: upright, its front to where the camera is in mid-clip."""
    stage, middle = STAGES[place], world.num_frames // 2
    cameras = ground_places(world)
    gaze = invert_rigid(world.world_from_ground[:3])[:, :3] @ world.cam_from_world[middle, 2, :3]
    gaze = gaze[:2] / np.linalg.norm(gaze[:2])
    right = np.array([gaze[1], -gaze[0]])
    on_road = place in ("street", "highway")
    drives = route == "along" and on_road
    ahead_m = rng.uniform(*(_DRIVEN_AHEAD_M if drives else stage.ahead_m))
    centre = cameras[middle, :2] + gaze * ahead_m
    if on_road:
        centre[0] = _path(cameras)(centre[1])
    centre = centre + right * rng.uniform(-stage.beside_m, stage.beside_m)
    speed = 0.0 if route == "still" else float(rng.uniform(*stage.speeds_m_per_s))
    to_camera = cameras[middle, :2] - centre
    turn = 0.0  # radians per second
    if drives:
        heading, bend = _path_at(cameras, centre)
        steps = np.linalg.norm(np.diff(cameras[:, :2], axis=0), axis=1)
        speed = float(steps.mean() * world.fps * rng.uniform(*_DRIVEN_SPEED))
        turn = bend * speed
    elif route == "approach":
        heading = to_camera
    elif route == "along":
        heading = (cameras[-1] - cameras[0])[:2] * rng.choice([-1, 1])
    else:
        heading = right * rng.choice([-1, 1]) + gaze * rng.uniform(-0.4, 0.4)
    if route == "arc":
        turn = float(np.radians(rng.uniform(*_ARC_DEG_PER_S)) * rng.choice([-1, 1]))
    front = np.arctan2(to_camera[1], to_camera[0])
    front += np.radians(rng.uniform(-_FACING_DEG, _FACING_DEG))
    velocity = speed * heading / np.linalg.norm(heading)
    times_s = (np.arange(world.num_frames) - middle) / world.fps
    return world.world_from_ground @ on_ground(centre, velocity, turn, times_s, front)


def _path_at(cameras: F64, place: F64) -> tuple[F64, float]:
    """Direction [2] and bend (radians per metre, to the left) of a drive beside a place [2]."""
    path = _path(cameras)
    slope, second = float(path.deriv()(place[1])), float(path.deriv(2)(place[1]))
    return np.array([slope, 1.0]), -second / (1 + slope**2) ** 1.5


def _path(cameras: F64) -> np.polynomial.Polynomial:
    """A drive's x over its y, on the ground."""
    return np.polynomial.Polynomial.fit(cameras[:, 1], cameras[:, 0], 2)


def on_ground(centre: F64, velocity: F64, turn: float, times_s: F64, front: float) -> F64:
    """ground_from_board [T, 4, 4] of an upright board that goes straight on, or round an arc.

    Args:
        centre: where it is at time 0, [2].
        velocity: at time 0, [2] m/s.
        turn: radians per second, to the left.
        times_s: [T].
        front: direction of its front at time 0, radians from the ground's x axis.
    """
    angle = turn * times_s
    ahead = np.sinc(angle / np.pi) * times_s  # sin(angle) / turn, at any turn
    aside = np.sinc(angle / (2 * np.pi)) * np.sin(angle / 2) * times_s  # (1 - cos(angle)) / turn
    left = np.array([-velocity[1], velocity[0]])
    facing = front + angle
    matrix = np.tile(np.eye(4), (len(times_s), 1, 1))
    zero = np.zeros_like(facing)
    matrix[:, :3, 0] = np.stack([-np.sin(facing), np.cos(facing), zero], axis=1)
    matrix[:, :3, 1] = (0, 0, 1)
    matrix[:, :3, 2] = np.stack([np.cos(facing), np.sin(facing), zero], axis=1)
    matrix[:, :2, 3] = centre + ahead[:, None] * velocity + aside[:, None] * left
    return matrix


def _fits(
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


def _inside(xy_px: F64, world: World) -> np.ndarray:
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
    """From 5 m left to 2.4 m right of the path driven: trees stand there, and parked cars."""
    cameras = ground_places(world)
    ground = transform_points(invert_rigid(world.world_from_ground[:3]), feet)
    lateral = ground[:, 0] - _path(cameras)(ground[:, 1])
    return bool((lateral > -5.0).all() and (lateral < 2.4).all())


def _goes_left(motion: F64, world: World) -> bool:
    """In the image of a camera that stays where it is in mid-clip."""
    middle = np.full(2, world.num_frames // 2)
    (start, end), _ = project(world, middle, motion[[0, -1], :3, 3])
    return bool(end[0] < start[0])


def matched(cutout: Cutout, world: World) -> Cutout:
    """The cut-out in grey where the world is, as light as it: equal bright ends, roughly."""
    rgb = world.rgb[:: max(1, world.num_frames // 8)].astype(np.float32)
    opaque = cutout.opaque
    colours = cutout.rgba[opaque][:, :3]
    gain = np.percentile(rgb.mean(-1), 85) / max(np.percentile(colours.mean(-1), 85), 1.0)
    rgba = cutout.rgba.copy()
    rgba[..., :3] *= np.float32(np.clip(gain, *_GAIN))
    if np.abs(rgb[..., 0] - rgb[..., 2]).mean() < 1:
        rgba[..., :3] = rgba[..., :3].mean(axis=-1, keepdims=True)
    alpha = rgba[..., 3:]
    rgba[..., :3] = np.minimum(rgba[..., :3], 255 * alpha)
    return replace(cutout, rgba=rgba)
