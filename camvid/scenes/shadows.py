"""Shadows of objects on the floor, under a distant lamp whose rays are parallel."""

from collections.abc import Sequence

import cv2
import numpy as np

from camvid.artifacts import F64, U8
from camvid.scenes.motion import Vector

Caster = tuple[F64, F64, bool]  # world_from_object [4, 4], half size [3], whether an ellipsoid
_SIDE = 512  # of the map, over the whole floor
_LIGHT_KEPT = 0.45  # in full shadow: walls send some light back
_SUBPIXEL_BITS = 4


def floor_shadow(casters: Sequence[Caster], lamp: Vector, half_size_m: F64) -> U8:
    """Light kept [side, side], 255 = all, by a floor of half size [2]; rows go along y.

    Args:
        casters: boxes and ellipsoids over the floor.
        lamp: direction towards the lamp; z above 0.
        half_size_m: of the floor, along x and y.
    """
    light = np.full((_SIDE, _SIDE), 255, np.uint8)
    slant = np.array(lamp[:2]) / lamp[2]
    for world_from_object, half, is_ball in casters:
        hull = (_SPHERE if is_ball else _CORNERS) * half
        world = hull @ world_from_object[:3, :3].T + world_from_object[:3, 3]
        on_floor = world[:, :2] - np.maximum(world[:, 2:], 0) * slant
        texels = (on_floor / half_size_m * 0.5 + 0.5) * (_SIDE - 1)
        outline = cv2.convexHull(np.round(texels * 2**_SUBPIXEL_BITS).astype(np.int32))
        kept = round(255 * _LIGHT_KEPT)
        cv2.fillConvexPoly(light, outline, kept, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), 1.5), np.uint8)  # no lamp is a point


_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


def _sphere() -> F64:
    """48 directions, evenly spread (a Fibonacci lattice)."""
    k = np.arange(48) + 0.5
    z, angle = 1 - 2 * k / 48, np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)


_SPHERE = _sphere()
