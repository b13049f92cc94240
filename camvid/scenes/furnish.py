"""Rooms and the still things in them: muted colours, so that what moves stands out."""

from camvid.scenes.motion import RigidMotion, Vector
from camvid.scenes.spec import Body, Room
from camvid.scenes.textures import Colour, Texture


def room(seed: int, *, wall: Colour = (166, 156, 142), floor: Colour = (116, 106, 96)) -> Room:
    """A room 9 m square with brick walls, a stone floor and a plain ceiling."""
    return Room(
        half_size_m=(4.5, 4.5),
        height_m=3.4,
        wall=Texture(seed=seed, colour=wall, contrast=0.07, chroma=0.015, tile_m=(0.5, 0.22)),
        floor=Texture(seed=seed + 1, colour=floor, contrast=0.08, chroma=0.015, tile_m=(0.9, 0.6)),
        ceiling=Texture(seed=seed + 2, colour=(196, 194, 188), contrast=0.05, chroma=0.01),
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
