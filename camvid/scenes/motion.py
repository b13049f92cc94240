"""Motion in generated scenes: rigid motions of objects, and camera paths.

World axes: x and y along the floor, z up, metres. Motions and paths are plain data that are called
with time, so a renderer may ask for any moment (between frames too).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64

Vector = tuple[float, float, float]
STILL: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RigidMotion:
    """Where an object is: it starts at `position_m`, drifts, swings to and fro, and turns."""

    position_m: Vector
    yaw_deg: float = 0.0
    velocity_m_per_s: Vector = STILL
    swing_m: Vector = STILL  # amplitude of a sine about the drifting place
    swing_hz: float = 0.0
    spin_deg_per_s: Vector = STILL  # rotation vector in object axes

    @property
    def moves(self) -> bool:
        swings = any(self.swing_m) and self.swing_hz != 0
        return any(self.velocity_m_per_s) or any(self.spin_deg_per_s) or swings

    def __call__(self, times_s: F64) -> F64:
        """world_from_object [T, 4, 4] at times [T]."""
        t = np.asarray(times_s, np.float64)[:, None]
        swing = np.array(self.swing_m) * np.sin(2 * np.pi * self.swing_hz * t)
        world_from_object = np.tile(np.eye(4), (len(t), 1, 1))
        turned = Rotation.from_rotvec(np.radians(self.spin_deg_per_s) * t)
        yaw = Rotation.from_euler("z", self.yaw_deg, degrees=True)
        world_from_object[:, :3, :3] = (yaw * turned).as_matrix()
        drift = np.array(self.velocity_m_per_s) * t
        world_from_object[:, :3, 3] = np.array(self.position_m) + drift + swing
        return world_from_object


class Motion(Protocol):
    """Where a rigid part of an object is; the part may be stretched too."""

    @property
    def moves(self) -> bool: ...

    def __call__(self, times_s: F64) -> F64:
        """world_from_object [T, 4, 4] at times [T], affine."""
        ...


class CameraPath(Protocol):
    """A camera's way through the clip."""

    def __call__(self, progress: F64) -> F64:
        """cam_from_world [T, 3, 4] at progress [T], 0 at the clip's start and 1 at its end."""
        ...


def look_at(eye_m: F64, target_m: F64) -> F64:
    """cam_from_world [T, 3, 4] of upright cameras at eye [T, 3] that look at target [T, 3]."""
    forward = target_m - eye_m
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    down = np.cross(forward, right)
    rotation = np.stack([right, down, forward], axis=-2)
    return np.concatenate([rotation, -rotation @ eye_m[..., None]], axis=-1)


def _between(start: Sequence[float], end: Sequence[float], progress: F64) -> F64:
    # start + p * (end - start) is exactly `start` at every p when both ends are equal
    return np.array(start) + progress[:, None] * (np.array(end) - np.array(start))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dolly:
    """A straight path from one place to another while the gaze goes from target to target.

    With equal ends the camera is fixed.
    """

    eye_m: tuple[Vector, Vector]
    target_m: tuple[Vector, Vector]

    def __call__(self, progress: F64) -> F64:
        return look_at(_between(*self.eye_m, progress), _between(*self.target_m, progress))


def fixed(eye_m: Vector, target_m: Vector) -> Dolly:
    """A camera on a tripod."""
    return Dolly(eye_m=(eye_m, eye_m), target_m=(target_m, target_m))


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """A straight path while the gaze stays locked on an object that moves."""

    eye_m: tuple[Vector, Vector]
    target: RigidMotion
    duration_s: float

    def __call__(self, progress: F64) -> F64:
        gaze = self.target(progress * self.duration_s)[:, :3, 3]
        return look_at(_between(*self.eye_m, progress), gaze)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orbit:
    """An arc around a target; the angle is that of the camera, seen from the target."""

    target_m: Vector
    radius_m: float
    height_m: tuple[float, float]
    angle_deg: tuple[float, float]

    def __call__(self, progress: F64) -> F64:
        angle = np.radians(_between(self.angle_deg[:1], self.angle_deg[1:], progress)[:, 0])
        height = _between(self.height_m[:1], self.height_m[1:], progress)[:, 0]
        flat = self.radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        eye = np.concatenate([self.target_m[:2] + flat, height[:, None]], axis=-1)
        return look_at(eye, np.broadcast_to(self.target_m, eye.shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pan:
    """A rotation-only camera: no parallax, so no depth and no trajectory."""

    eye_m: Vector
    yaw_deg: tuple[float, float]
    pitch_deg: tuple[float, float] = (0.0, 0.0)

    def __call__(self, progress: F64) -> F64:
        yaw = np.radians(_between(self.yaw_deg[:1], self.yaw_deg[1:], progress)[:, 0])
        pitch = np.radians(_between(self.pitch_deg[:1], self.pitch_deg[1:], progress)[:, 0])
        gaze = [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
        eye = np.broadcast_to(self.eye_m, (len(progress), 3))
        return look_at(eye, eye + np.stack(gaze, axis=-1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Handheld:
    """Another path, walked by a person: hand shake smoothly moves and turns the camera."""

    path: CameraPath
    shake_m: float = 0.02
    shake_deg: float = 0.5
    cycles: float = 3.0  # of the slowest wave, over the clip
    seed: int = 0

    def __call__(self, progress: F64) -> F64:
        rng = np.random.default_rng(self.seed)
        rates = self.cycles * np.array([1.0, 1.7, 2.9])
        phases = rng.uniform(0, 2 * np.pi, (6, 3))
        waves = np.sin(2 * np.pi * rates * progress[:, None, None] + phases).sum(-1) / 3
        smooth = self.path(progress)
        rotation = Rotation.from_rotvec(np.radians(self.shake_deg) * waves[:, :3]).as_matrix()
        shaken = rotation @ smooth
        shaken[..., 3] += self.shake_m * waves[:, 3:]
        return shaken
