"""Where boards go: straight across, round an arc, to the camera, along its path, or nowhere."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from semi_real_worlds import World, ground_places

from camvid.artifacts import F64
from camvid.geometry import invert_rigid

Place = Literal["table", "floor", "street", "highway"]
Route = Literal["line", "arc", "approach", "along", "still"]
ROADS: tuple[Place, ...] = ("street", "highway")
_FACING_DEG = 15.0  # a board may be turned so far from the camera
_ARC_DEG_PER_S = (15.0, 30.0)
_DRIVEN_AHEAD_M, _DRIVEN_SPEED = (9.0, 14.0), (0.75, 1.1)  # who drives along; over the camera's


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How big objects are at a place, how fast they move, and how far from the camera they are."""

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


def draw_motion(rng: np.random.Generator, place: Place, route: Route, world: World) -> F64:
    """world_from_board [T, 4, 4]: upright, its front to where the camera is in mid-clip."""
    stage, middle = STAGES[place], world.num_frames // 2
    cameras = ground_places(world)
    gaze = invert_rigid(world.world_from_ground[:3])[:, :3] @ world.cam_from_world[middle, 2, :3]
    gaze = gaze[:2] / np.linalg.norm(gaze[:2])
    right = np.array([gaze[1], -gaze[0]])
    on_road = place in ROADS
    drives = route == "along" and on_road
    ahead_m = rng.uniform(*(_DRIVEN_AHEAD_M if drives else stage.ahead_m))
    centre = cameras[middle, :2] + gaze * ahead_m
    if on_road:
        centre[0] = drive_path(cameras)(centre[1])
    centre = centre + right * rng.uniform(-stage.beside_m, stage.beside_m)
    speed = 0.0 if route == "still" else float(rng.uniform(*stage.speeds_m_per_s))
    to_camera = cameras[middle, :2] - centre
    turn = 0.0  # radians per second
    if drives:
        heading, bend = _direction_at(cameras, centre)
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


def _direction_at(cameras: F64, place: F64) -> tuple[F64, float]:
    """Direction [2] and bend (radians per metre, to the left) of a drive beside a place [2]."""
    path = drive_path(cameras)
    slope, second = float(path.deriv()(place[1])), float(path.deriv(2)(place[1]))
    return np.array([slope, 1.0]), -second / (1 + slope**2) ** 1.5


def drive_path(cameras: F64) -> np.polynomial.Polynomial:
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
