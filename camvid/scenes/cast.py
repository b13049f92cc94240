"""Draws the objects of a random scene: movers and static ones, each in its own lane."""

from collections.abc import Iterator

import numpy as np

from camvid.artifacts import F64
from camvid.geometry import invert_rigid
from camvid.scenes.figures import TORSO_HEIGHT_M, car, jelly, person, vivid, worm
from camvid.scenes.limbs import Squeezed
from camvid.scenes.motion import CameraPath, RigidMotion, Vector
from camvid.scenes.spec import Body
from camvid.scenes.textures import Colour

Place = tuple[float, float]  # x and y on the floor
VIVID: tuple[Colour, ...] = (
    (214, 62, 40), (48, 104, 226), (240, 176, 32), (40, 160, 80), (176, 60, 190), (30, 170, 190)
)  # fmt: skip
_FEW_LANES_M = (-0.5, 0.45, 1.4)  # y of each object's lane
_MANY_LANES_M = (-1.0, -0.2, 0.6, 1.4)
_BEHIND_LANES_M = 2.4  # y of what stands still behind them
_TOP_SPEED = 1.2  # m/s: faster ones would leave the lane within the clip
_USUAL_FOCAL_WIDTHS = 0.8


def draw_cast(
    rng: np.random.Generator,
    challenges: frozenset[str],
    num_movers: int,
    num_still: int,
    focal_widths: float,
) -> tuple[Body, ...]:
    """Movers of the asked kinds, then what stands still; names tell them apart."""
    crowded = num_movers + num_still > len(_FEW_LANES_M)
    lanes = _MANY_LANES_M if crowded else _FEW_LANES_M
    starts = rng.permutation(np.linspace(-1.1, 1.1, len(lanes)))
    places = [(float(x), float(y)) for x, y in zip(starts, rng.permutation(lanes), strict=True)]
    colours = [VIVID[k] for k in rng.permutation(len(VIVID))]
    size_m = (0.2, 0.3) if crowded else (0.26, 0.4)
    kinds = [kind for kind in ("articulated", "deforming") if kind in challenges]
    bodies: list[Body] = []
    for k in range(num_movers):
        root = _path(rng, places[k], alone=num_movers + num_still == 1, focal_widths=focal_widths)
        kind = kinds[k] if k < len(kinds) else "rigid"
        bodies += _mover(rng, kind, f"mover_{k + 1}", root, colours[k], size_m)
    for k in range(num_movers, num_movers + num_still):
        rest = RigidMotion(position_m=(*places[k], 0.0), yaw_deg=float(rng.uniform(0, 90)))
        bodies.append(_solid(rng, f"still_{k + 1}", rest, colours[k], size_m))
    if "still_lookalikes" in challenges:
        bodies += _lookalike(rng, colours[-1])
    return tuple(bodies)


def leader(bodies: tuple[Body, ...]) -> RigidMotion | None:
    """How the first mover goes; None where nothing moves."""
    for body in bodies:
        motion = body.motion.base if isinstance(body.motion, Squeezed) else body.motion
        if body.motion.moves and isinstance(motion, RigidMotion):
            return motion
    return None


def dominant_mover(
    rng: np.random.Generator, path: CameraPath, focal_widths: float, duration_s: float
) -> tuple[Body, ...]:
    """One object that hides about half of the image and goes along with the camera."""
    magnified = focal_widths / _USUAL_FOCAL_WIDTHS
    is_person = rng.random() < 0.3
    away_m = float(rng.uniform(0.85, 1.0) if is_person else rng.uniform(1.9, 2.1))
    away_m *= max(magnified, 0.9) if is_person else 1.0
    start, end = _ahead(path, away_m)
    drift = (end - start) / duration_s
    root = RigidMotion(
        position_m=_vector(start),
        velocity_m_per_s=_vector(drift),
        swing_m=(float(rng.uniform(0.1, 0.25)), 0.0, float(rng.uniform(0.0, 0.08))),
        swing_hz=float(rng.uniform(0.3, 0.7)),
        yaw_deg=float(rng.uniform(-30, 30)),
        spin_deg_per_s=(0.0, 0.0, float(rng.choice([-1, 1]) * rng.uniform(8, 35))),
    )
    colour = VIVID[rng.integers(len(VIVID))]
    if is_person:
        return person("mover_1", root, seed=_seed(rng), colours=(colour, (70, 74, 96)), stride_hz=1)
    half = rng.uniform(0.6, 0.72, 3) * (1.0, 0.6, 0.8) / max(magnified, 0.8)
    box = rng.random() < 0.6
    return (
        Body(
            name="mover_1",
            half_size_m=_vector(half * (1.0 if box else 1.15)),
            shape="box" if box else "ellipsoid",
            texture=vivid(_seed(rng), colour),
            motion=root,
        ),
    )


def _ahead(path: CameraPath, away_m: float) -> tuple[F64, F64]:
    """Places straight before the camera at the clip's start and end."""
    world_from_cam = invert_rigid(path(np.array([0.0, 1.0])))
    start, end = world_from_cam[:, :, 3] + away_m * world_from_cam[:, :, 2]
    return start, end


def _path(
    rng: np.random.Generator, place_m: Place, *, alone: bool, focal_widths: float
) -> RigidMotion:
    """Along the lane to the middle; in any direction, to the camera too, where it is alone."""
    speed = float(np.exp(rng.uniform(np.log(0.5), np.log(1.2))))
    speed = min(_TOP_SPEED, speed * _USUAL_FOCAL_WIDTHS / focal_widths)  # as fast in the image
    turn = np.radians(rng.uniform(-60, 60) if alone else rng.uniform(-8, 8))
    heading = turn + (np.pi if place_m[0] > 0 else 0.0)
    return RigidMotion(
        position_m=(*place_m, 0.0),
        yaw_deg=float(np.degrees(heading)),
        velocity_m_per_s=(float(speed * np.cos(heading)), float(speed * np.sin(heading)), 0.0),
    )


def _mover(
    rng: np.random.Generator,
    kind: str,
    name: str,
    path: RigidMotion,
    colour: Colour,
    size_m: tuple[float, float],
) -> Iterator[Body]:
    if kind == "articulated":
        walk = _lifted(path, TORSO_HEIGHT_M, yaw_deg=path.yaw_deg - 90)
        colours = colour, VIVID[rng.integers(len(VIVID))]
        stride_hz = float(rng.uniform(0.8, 1.3))
        yield from person(name, walk, seed=_seed(rng), colours=colours, stride_hz=stride_hz)
    elif kind == "deforming" and rng.random() < 0.5:
        yield from worm(name, _lifted(path, 0.3), seed=_seed(rng), colour=colour)
    elif kind == "deforming":
        half = _vector(rng.uniform(0.28, 0.42, 3))
        root = _lifted(path, 0.1 + 1.25 * half[2])
        yield jelly(name, root, seed=_seed(rng), colour=colour, half_m=half)
    else:
        yield _solid(rng, name, path, colour, size_m)


def _solid(
    rng: np.random.Generator,
    name: str,
    path: RigidMotion,
    colour: Colour,
    size_m: tuple[float, float],
) -> Body:
    """A vivid box or ellipsoid on the floor; where it moves it hops and turns too."""
    half = rng.uniform(*size_m, 3)
    hop_m = float(rng.uniform(0.1, 0.5)) if rng.random() < 0.5 else 0.0
    spin_deg, hop_hz = float(rng.uniform(-60, 60)), float(rng.uniform(0.4, 1.0))
    rest = _lifted(path, float(half[2]))
    moving = RigidMotion(
        position_m=(*path.position_m[:2], float(half[2]) + hop_m),
        yaw_deg=path.yaw_deg,
        velocity_m_per_s=path.velocity_m_per_s,
        swing_m=(0.0, 0.0, hop_m),
        swing_hz=hop_hz,
        spin_deg_per_s=(0.0, 0.0, spin_deg),
    )
    return Body(
        name=name,
        shape="box" if rng.random() < 0.6 else "ellipsoid",
        half_size_m=_vector(half),
        texture=vivid(_seed(rng), colour),
        motion=moving if path.moves else rest,
    )


def _lookalike(rng: np.random.Generator, colour: Colour) -> Iterator[Body]:
    """A parked car, or a person who stands: what a segmenter takes for a mover."""
    place = float(rng.uniform(-1.2, 1.2)), _BEHIND_LANES_M
    if rng.random() < 0.5:
        spot = RigidMotion(position_m=(*place, 0.0), yaw_deg=float(rng.uniform(-12, 12)))
        yield from car("parked_car", spot, seed=_seed(rng), colour=colour)
        return
    stand = RigidMotion(position_m=(*place, TORSO_HEIGHT_M), yaw_deg=float(rng.uniform(100, 260)))
    colours = colour, VIVID[rng.integers(len(VIVID))]
    yield from person("standing_person", stand, seed=_seed(rng), colours=colours, stride_hz=0.0)


def _lifted(path: RigidMotion, height_m: float, yaw_deg: float | None = None) -> RigidMotion:
    return RigidMotion(
        position_m=(*path.position_m[:2], height_m),
        yaw_deg=path.yaw_deg if yaw_deg is None else yaw_deg,
        velocity_m_per_s=path.velocity_m_per_s,
    )


def _vector(values: F64) -> Vector:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1_000_000))
