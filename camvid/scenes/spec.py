"""What a generated scene consists of. Plain data: the renderer turns it into images and truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from camvid.artifacts import F64
from camvid.scenes.motion import CameraPath, Motion, Vector
from camvid.scenes.sensor import Sensor
from camvid.scenes.textures import Texture

Shape = Literal["box", "ellipsoid"]
NUM_SURFACE_POINTS = 128
_ELLIPSOID_POWER = 1.6075  # Knud Thomsen's: its area within 1.1 %
_CANDIDATES = 32  # places drawn for each point on an ellipsoid that is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A rigid object, centred on its own origin: a box or an ellipsoid with a textured surface.

    Bodies named "walker/head", "walker/torso" are parts of one object, "walker".
    """

    name: str
    half_size_m: Vector  # along the object's own axes
    texture: Texture
    motion: Motion
    shape: Shape = "box"

    @property
    def object_name(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Four walls, a floor at z = 0 and a ceiling, seen from inside."""

    half_size_m: tuple[float, float]
    height_m: float
    wall: Texture
    floor: Texture
    ceiling: Texture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """The camera at one moment of the clip."""

    K: F64  # [3, 3] in pixels
    cam_from_world: F64  # [3, 4]
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSpec:
    """A clip to be rendered. `objects` get ids 1, 2, ... in order, whether they move or not;
    `furniture` stands still and belongs to the background (id 0).
    """

    name: str
    seed: int
    path: CameraPath
    room: Room
    objects: tuple[Body, ...] = ()
    furniture: tuple[Body, ...] = ()
    fps: float = 24.0
    num_frames: int = 48
    width_px: int = 640
    height_px: int = 360
    focal_widths: float = 5 / 6  # focal length over the width: 62 degrees across
    zoom: float = 1.0  # focal length at the clip's end over that at its start
    sensor: Sensor = Sensor()
    lamp: Vector | None = None  # towards the lamp that casts shadows on the floor
    ingredients: tuple[str, ...] = ()  # what makes the scene hard, for tables

    def __post_init__(self) -> None:
        moving = [b.name for b in self.furniture if b.motion.moves]
        if moving:
            raise ValueError(f"SceneSpec.furniture must stand still, got motion in {moving}")
        names = [b.name for b in self.objects]
        if len(set(names)) != len(names):
            raise ValueError(f"SceneSpec.objects must have distinct names, got {names}")

    def moment(self, frame: float) -> Moment:
        """The camera at a frame, or between two."""
        progress = frame / max(1, self.num_frames - 1)
        return Moment(
            K=self._K_at(progress),
            cam_from_world=self.path(np.array([progress]))[0],
            time_s=frame / self.fps,
        )

    def _K_at(self, progress: float) -> F64:
        focal_px = self.focal_widths * self.width_px * (1 + (self.zoom - 1) * progress)
        return np.array(
            [[focal_px, 0, self.width_px / 2], [0, focal_px, self.height_px / 2], [0, 0, 1]]
        )

    @property
    def K_per_frame(self) -> F64:
        """[T, 3, 3] in pixels; the principal point is the centre of the image."""
        return np.stack([self._K_at(p) for p in np.linspace(0.0, 1.0, self.num_frames)])

    @property
    def times_s(self) -> F64:
        return np.arange(self.num_frames) / self.fps

    @property
    def cam_from_world(self) -> F64:
        """[T, 3, 4]."""
        return self.path(np.linspace(0.0, 1.0, self.num_frames))

    @property
    def world_from_part(self) -> F64:
        """[T, P, 4, 4] of every body of `objects`."""
        if not self.objects:
            return np.zeros((self.num_frames, 0, 4, 4))
        return np.stack([body.motion(self.times_s) for body in self.objects], axis=1)

    @property
    def surface_points(self) -> tuple[F64, ...]:
        """Points [S, 3] spread evenly over each object's surface, in its parts' coordinates."""
        areas = {name: 0.0 for name in (b.object_name for b in self.objects)}
        for body in self.objects:
            areas[body.object_name] += _area(body)
        counts = [
            int(np.ceil(NUM_SURFACE_POINTS * _area(b) / areas[b.object_name])) for b in self.objects
        ]
        return tuple(
            _surface_points(body, count, [self.seed, i])
            for i, (body, count) in enumerate(zip(self.objects, counts, strict=True))
        )


def object_ids(part_names: Sequence[str]) -> tuple[int, ...]:
    """The object id of each part: objects count from 1 as they are first named."""
    objects = [name.partition("/")[0] for name in part_names]
    order = list(dict.fromkeys(objects))
    return tuple(order.index(name) + 1 for name in objects)


def _area(body: Body) -> float:
    """Of the surface, in square metres."""
    x, y, z = np.array(body.half_size_m) ** (1.0 if body.shape == "box" else _ELLIPSOID_POWER)
    mixed = x * y + y * z + z * x
    if body.shape == "box":
        return float(8 * mixed)
    return float(4 * np.pi * (mixed / 3) ** (1 / _ELLIPSOID_POWER))


def _surface_points(body: Body, count: int, seed: list[int]) -> F64:
    rng = np.random.default_rng(seed)
    half = np.array(body.half_size_m)
    if body.shape == "ellipsoid":
        directions = rng.normal(size=(_CANDIDATES * count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        stretch = np.linalg.norm(directions / half, axis=1)  # of area, from the sphere's
        chosen = rng.choice(len(directions), count, replace=False, p=stretch / stretch.sum())
        return half * directions[chosen]
    areas = np.prod(half) / half  # of the faces across each axis
    axis = rng.choice(3, count, p=areas / areas.sum())
    points = rng.uniform(-1, 1, (count, 3))
    points[np.arange(count), axis] = rng.choice([-1.0, 1.0], count)
    return half * points
