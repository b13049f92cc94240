"""Rooms and their furniture, in muted colours, so that movers stand out."""

from dataclasses import replace

import numpy as np

from camvid.scenes.motion import RigidMotion, Vector
from camvid.scenes.spec import Body, Room
from camvid.scenes.textures import Colour, Texture

_STEEL: Colour = (92, 96, 100)


def room(
    seed: int,
    *,
    wall: Colour = (166, 156, 142),
    floor: Colour = (116, 106, 96),
    half_m: float = 4.5,
    height_m: float = 3.4,
) -> Room:
    """A square room, 9 m unless asked, with brick walls, a stone floor and a plain ceiling."""
    return Room(
        half_size_m=(half_m, half_m),
        height_m=height_m,
        wall=Texture(seed=seed, colour=wall, contrast=0.07, chroma=0.015, tile_m=(0.5, 0.22)),
        floor=Texture(seed=seed + 1, colour=floor, contrast=0.08, chroma=0.015, tile_m=(0.9, 0.6)),
        ceiling=Texture(seed=seed + 2, colour=(196, 194, 188), contrast=0.05, chroma=0.01),
    )


def plain(room: Room) -> Room:
    """The room freshly plastered: walls of almost one tone, a floor with little on it."""

    def bare(texture: Texture, contrast: float) -> Texture:
        return replace(texture, contrast=contrast, chroma=0.004, tile_m=(0, 0), shapes_per_m2=0.7)

    return replace(
        room,
        wall=bare(room.wall, 0.012),
        floor=bare(room.floor, 0.02),
        ceiling=bare(room.ceiling, 0.006),
    )


def crate(
    name: str,
    place_m: tuple[float, float],
    size_m: Vector,
    *,
    seed: int,
    yaw_deg: float = 0.0,
    colour: Colour = (128, 108, 84),
) -> Body:
    """A box that stands on the floor at `place_m`, of muted colour, and stays."""
    half = (size_m[0] / 2, size_m[1] / 2, size_m[2] / 2)
    return Body(
        name=name,
        half_size_m=half,
        texture=Texture(seed=seed, colour=colour, contrast=0.09, chroma=0.02, tile_m=(1.4, 0.14)),
        motion=RigidMotion(position_m=(*place_m, half[2]), yaw_deg=yaw_deg),
    )


def fence(rng: np.random.Generator, y_m: float) -> tuple[Body, ...]:
    """Thin bars from floor to head height across the room, with a rail on top, and two poles."""
    texture = Texture(seed=int(rng.integers(1_000_000)), colour=_STEEL, contrast=0.12)
    spacing_m = float(rng.uniform(0.35, 0.55))
    start_m, count = float(rng.uniform(-2.4, -1.4)), int(rng.integers(5, 9))
    bars = [
        (start_m + k * spacing_m, y_m, 0.55, float(rng.uniform(0.01, 0.02))) for k in range(count)
    ]
    bars += [
        (float(rng.uniform(*ends)), y_m - 1.6, 1.3, 0.025) for ends in ((-1.9, -1.2), (1.2, 1.9))
    ]
    length_m = (count - 1) * spacing_m
    rail = Body(
        name="rail",
        half_size_m=(length_m / 2 + 0.05, 0.02, 0.02),
        texture=texture,
        motion=RigidMotion(position_m=(start_m + length_m / 2, y_m, 1.12)),
    )
    return rail, *(
        Body(
            name=f"bar_{k}",
            half_size_m=(thick, thick, half_height),
            texture=texture,
            motion=RigidMotion(position_m=(x, y, half_height)),
        )
        for k, (x, y, half_height, thick) in enumerate(bars)
    )
