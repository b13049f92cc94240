"""Random scenes by seed: other rooms, furniture, camera paths, objects and speeds each time.

The camera keeps to the front of the room and looks back; furniture lines the other walls; objects
have the middle, a lane each, so that nothing runs into anything else.
"""

from typing import Literal, get_args

import numpy as np

from camvid.scenes.furnish import crate, room
from camvid.scenes.motion import CameraPath, Dolly, Handheld, Orbit, Pan, RigidMotion, fixed
from camvid.scenes.spec import Body, SceneSpec, Shape
from camvid.scenes.textures import Colour, Texture

PathKind = Literal["orbit", "dolly", "walk", "fixed", "pan"]
PATH_KINDS: tuple[PathKind, ...] = get_args(PathKind)
MAX_OBJECTS = 3
_LANES_M = (-0.5, 0.45, 1.4)  # y of each object's lane
_VIVID: tuple[Colour, ...] = (
    (214, 62, 40), (48, 104, 226), (240, 176, 32), (40, 160, 80), (176, 60, 190), (30, 170, 190)
)  # fmt: skip


def random_scene(
    seed: int, *, path: PathKind | None = None, num_movers: int | None = None
) -> SceneSpec:
    """A scene of its own for every seed; the path's kind and the movers' number may be set."""
    rng = np.random.default_rng(seed)
    drawn_path, drawn_movers = PATH_KINDS[rng.integers(len(PATH_KINDS))], int(rng.integers(0, 3))
    path = drawn_path if path is None else path
    num_movers = drawn_movers if num_movers is None else num_movers
    num_still = int(rng.integers(0, MAX_OBJECTS - num_movers + 1))
    return SceneSpec(
        name=f"random_{seed:04d}_{path}_{num_movers}",
        seed=seed,
        path=random_path(rng, path),
        room=room(_seed(rng), wall=_muted(rng, 145, 185), floor=_muted(rng, 85, 130)),
        objects=random_objects(rng, num_movers, num_still),
        furniture=random_furniture(rng),
        width_px=480,
        height_px=270,
        focal_widths=float(rng.uniform(0.72, 0.95)),
        noise=float(rng.uniform(0.5, 2.0)),
    )


def random_path(rng: np.random.Generator, kind: PathKind) -> CameraPath:
    """A camera path of the asked kind in the front part of the room."""
    target = (float(rng.uniform(-0.3, 0.3)), 0.5, float(rng.uniform(0.6, 0.9)))
    height = float(rng.uniform(1.2, 1.9))
    side = float(rng.choice([-1.0, 1.0]))
    eye = (side * float(rng.uniform(0.3, 1.6)), -3.9, height)
    if kind == "orbit":
        swing = side * float(rng.uniform(15, 22))
        ends = (height, height + float(rng.uniform(-0.2, 0.4)))
        return Orbit(
            target_m=target, radius_m=4.2, height_m=ends, angle_deg=(-90 - swing, -90 + swing)
        )
    if kind == "dolly":
        return Dolly(eye_m=(eye, (-eye[0], -3.7, height)), target_m=(target, target))
    if kind == "walk":
        ahead = (eye[0] * 0.5, eye[1] + float(rng.uniform(0.8, 1.3)), height)
        gaze = ((target[0] - side * 0.6, *target[1:]), (target[0] + side * 0.6, *target[1:]))
        return Handheld(
            path=Dolly(eye_m=(eye, ahead), target_m=gaze), sway_deg=1.0, seed=_seed(rng)
        )
    if kind == "fixed":
        return fixed(eye, target)
    yaw = float(np.degrees(np.arctan2(target[1] - eye[1], target[0] - eye[0])))
    swing = side * float(rng.uniform(8, 14))
    return Pan(eye_m=eye, yaw_deg=(yaw - swing, yaw + swing), pitch_deg=(-11.0, -8.0))


def random_furniture(rng: np.random.Generator) -> tuple[Body, ...]:
    """Crates along the back wall and both sides, each of its own size."""
    places = [(x, rng.uniform(2.9, 3.7)) for x in (-3.2, -1.2, 1.0, 3.1)]
    places += [(side * rng.uniform(2.7, 3.4), y) for side in (-1, 1) for y in (-0.4, 1.4)]
    kept = [place for place in places if rng.random() < 0.8]
    return tuple(
        crate(
            f"crate_{k}",
            (float(x), float(y)),
            _vector(rng.uniform([0.5, 0.5, 0.4], [1.1, 0.9, 1.0 if y < 2 else 2.0])),
            seed=_seed(rng),
            yaw_deg=float(rng.uniform(-40, 40)),
            colour=_muted(rng, 90, 150),
        )
        for k, (x, y) in enumerate(kept)
    )


def random_objects(rng: np.random.Generator, num_movers: int, num_still: int) -> tuple[Body, ...]:
    """Vivid boxes and ellipsoids in the middle of the room, one per lane; movers come first."""
    count = num_movers + num_still
    if count > MAX_OBJECTS:
        raise ValueError(f"a random scene has room for {MAX_OBJECTS} objects, asked for {count}")
    lanes, colours = rng.permutation(MAX_OBJECTS), rng.permutation(len(_VIVID))
    starts = rng.permutation([-1.1, 0.0, 1.1])
    return tuple(
        random_object(
            rng,
            name=f"{'mover' if k < num_movers else 'still'}_{k + 1}",
            place_m=(float(starts[k]), _LANES_M[lanes[k]]),
            colour=_VIVID[colours[k]],
            moves=k < num_movers,
        )
        for k in range(count)
    )


def random_object(
    rng: np.random.Generator,
    *,
    name: str,
    place_m: tuple[float, float],
    colour: Colour,
    moves: bool,
) -> Body:
    """A vivid body on the floor at `place_m`; a mover slides towards the middle, hops and turns."""
    shape: Shape = "box" if rng.random() < 0.6 else "ellipsoid"
    half = rng.uniform(0.26, 0.4, 3)
    speed = float(np.exp(rng.uniform(np.log(0.15), np.log(0.8))))
    hop_m = float(rng.uniform(0.1, 0.5)) if rng.random() < 0.5 else 0.0
    rest = (*place_m, float(half[2]) + (hop_m if moves else 0.0))
    way = -1.0 if place_m[0] > 0 else 1.0
    still = RigidMotion(position_m=rest, yaw_deg=float(rng.uniform(0, 90)))
    moving = RigidMotion(
        position_m=rest,
        yaw_deg=still.yaw_deg,
        velocity_m_per_s=(way * speed, 0.0, 0.0),
        swing_m=(0.0, 0.0, hop_m),
        swing_hz=float(rng.uniform(0.4, 1.0)),
        spin_deg_per_s=(0.0, 0.0, float(rng.uniform(-60, 60))),
    )
    return Body(
        name=name,
        shape=shape,
        half_size_m=_vector(half),
        texture=Texture(
            seed=_seed(rng),
            colour=colour,
            contrast=0.13,
            chroma=0.1,
            shapes_per_m2=90,
            px_per_m=192,
        ),
        motion=moving if moves else still,
    )


def _muted(rng: np.random.Generator, darkest: float, lightest: float) -> Colour:
    grey, warm = rng.uniform(darkest, lightest), rng.uniform(-14, 22)
    return round(grey + warm), round(grey), round(grey - warm)


def _vector(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1_000_000))
