"""Random camera paths in the front part of the room, each with its own ends, height and shake."""

from typing import Literal, get_args

import numpy as np

from camvid.scenes.motion import (
    CameraPath,
    Dolly,
    Follow,
    Handheld,
    Orbit,
    Pan,
    RigidMotion,
    Vector,
    fixed,
)

PathKind = Literal[
    "orbit", "dolly", "walk", "fixed", "pan",
    "forward", "small_baseline", "locked_gaze", "shake", "zoom", "slow_zoom",
]  # fmt: skip
PATH_KINDS: tuple[PathKind, ...] = get_args(PathKind)
EYE_Y_M = -3.9


def random_path(
    rng: np.random.Generator, kind: PathKind, prey: RigidMotion | None, duration_s: float
) -> CameraPath:
    """A path of the asked kind; a locked gaze follows `prey`, where there is one."""
    target = (float(rng.uniform(-0.3, 0.3)), 0.5, float(rng.uniform(0.6, 0.9)))
    side = float(rng.choice([-1.0, 1.0]))
    eye = (side * float(rng.uniform(0.3, 1.6)), EYE_Y_M, float(rng.uniform(1.2, 1.9)))
    match kind:
        case "orbit" | "slow_zoom":
            return _orbit(rng, target, side, eye[2])
        case "dolly":
            return Dolly(eye_m=(eye, (-eye[0], EYE_Y_M + 0.2, eye[2])), target_m=(target, target))
        case "walk" | "shake":
            return _walk(rng, kind, eye, target, side)
        case "forward":
            ahead = (eye[0] * 0.8, EYE_Y_M + float(rng.uniform(1.0, 1.6)), eye[2])
            gaze = (eye[0] * 0.2, 4.0, 0.7)
            return Handheld(
                path=Dolly(eye_m=(eye, ahead), target_m=(gaze, gaze)),
                shake_m=0.01,
                shake_deg=0.3,
                seed=int(rng.integers(1_000_000)),
            )
        case "small_baseline":
            step = rng.normal(size=3) * (1.0, 0.5, 0.6)
            step *= rng.uniform(0.25, 0.4) / np.linalg.norm(step)
            end = (eye[0] + float(step[0]), EYE_Y_M + abs(float(step[1])), eye[2] + float(step[2]))
            return Dolly(eye_m=(eye, end), target_m=(target, target))
        case "locked_gaze":
            end = (eye[0] - side * float(rng.uniform(1.2, 2.0)), EYE_Y_M + 0.5, eye[2])
            held = prey if prey is not None else RigidMotion(position_m=target)
            return Follow(eye_m=(eye, end), target=held, duration_s=duration_s)
        case "fixed" | "zoom":
            return fixed(eye, target)
        case "pan":
            return _pan(rng, eye, target, side)


def _orbit(rng: np.random.Generator, target: Vector, side: float, height_m: float) -> Orbit:
    swing = side * float(rng.uniform(15, 22))
    ends = (height_m, height_m + float(rng.uniform(-0.2, 0.4)))
    return Orbit(target_m=target, radius_m=4.2, height_m=ends, angle_deg=(-90 - swing, -90 + swing))


def _walk(
    rng: np.random.Generator, kind: PathKind, eye: Vector, target: Vector, side: float
) -> Handheld:
    ahead = (eye[0] * 0.5, eye[1] + float(rng.uniform(0.8, 1.3)), eye[2])
    gaze = ((target[0] - side * 0.6, *target[1:]), (target[0] + side * 0.6, *target[1:]))
    shakes = kind == "shake"
    return Handheld(
        path=Dolly(eye_m=(eye, ahead), target_m=gaze),
        shake_m=0.03 if shakes else 0.02,
        shake_deg=2.2 if shakes else 1.0,
        cycles=4.5 if shakes else 3.0,
        seed=int(rng.integers(1_000_000)),
    )


def _pan(rng: np.random.Generator, eye: Vector, target: Vector, side: float) -> Pan:
    yaw = float(np.degrees(np.arctan2(target[1] - eye[1], target[0] - eye[0])))
    swing = side * float(rng.uniform(8, 14))
    return Pan(eye_m=eye, yaw_deg=(yaw - swing, yaw + swing), pitch_deg=(-11.0, -8.0))
