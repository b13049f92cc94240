"""What a generated scene consists of. Plain data: the renderer turns it into pictures and truth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from camvid.artifacts import F64
from camvid.scenes.motion import CameraPath, RigidMotion, Vector
from camvid.scenes.textures import Texture

Shape = Literal["box", "ellipsoid"]
NUM_SURFACE_POINTS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A rigid thing, centred on its own origin: a box or an ellipsoid with a textured surface."""

    name: str
    half_size_m: Vector  # along the object's own axes
    texture: Texture
    motion: RigidMotion
    shape: Shape = "box"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Four walls, a floor at z = 0 and a ceiling, seen from inside."""

    half_size_m: tuple[float, float]
    height_m: float
    wall: Texture
    floor: Texture
    ceiling: Texture


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
    noise: float = 1.0  # standard deviation of the sensor noise, in grey levels
    brightness: tuple[float, float] = (1.0, 1.0)  # gain at the clip's start and end

    def __post_init__(self) -> None:
        swaying = [b.name for b in self.furniture if b.motion.moves]
        if swaying:
            raise ValueError(f"SceneSpec.furniture must stand still, got motion in {swaying}")
        names = [b.name for b in self.objects]
        if len(set(names)) != len(names):
            raise ValueError(f"SceneSpec.objects must have distinct names, got {names}")

    @property
    def K(self) -> F64:
        """[3, 3] in pixels; the principal point is the centre of the picture."""
        focal_px = self.focal_widths * self.width_px
        return np.array(
            [[focal_px, 0, self.width_px / 2], [0, focal_px, self.height_px / 2], [0, 0, 1]]
        )

    @property
    def times_s(self) -> F64:
        return np.arange(self.num_frames) / self.fps

    @property
    def cam_from_world(self) -> F64:
        """[T, 3, 4]."""
        return self.path(np.linspace(0.0, 1.0, self.num_frames))

    @property
    def world_from_object(self) -> F64:
        """[T, M, 4, 4]."""
        if not self.objects:
            return np.zeros((self.num_frames, 0, 4, 4))
        return np.stack([body.motion(self.times_s) for body in self.objects], axis=1)

    @property
    def surface_points(self) -> F64:
        """[M, 128, 3] points spread evenly over each object's surface, in object coordinates."""
        points = [_surface_points(b, [self.seed, i]) for i, b in enumerate(self.objects)]
        return np.stack(points) if points else np.zeros((0, NUM_SURFACE_POINTS, 3))


def _surface_points(body: Body, seed: list[int]) -> F64:
    rng = np.random.default_rng(seed)
    half = np.array(body.half_size_m)
    if body.shape == "ellipsoid":
        directions = rng.normal(size=(NUM_SURFACE_POINTS, 3))
        return half * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    areas = np.prod(half) / half  # of the faces across each axis
    axis = rng.choice(3, NUM_SURFACE_POINTS, p=areas / areas.sum())
    points = rng.uniform(-1, 1, (NUM_SURFACE_POINTS, 3))
    points[np.arange(NUM_SURFACE_POINTS), axis] = rng.choice([-1.0, 1.0], NUM_SURFACE_POINTS)
    return half * points
