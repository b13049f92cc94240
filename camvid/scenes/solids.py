"""Turns a scene's description into textured faces, and selects those that one camera sees."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from camvid.artifacts import F64, U8
from camvid.parallel import map_threads
from camvid.scenes.motion import Motion, RigidMotion, Vector
from camvid.scenes.primitives import Ball, Quad, Surface, Window
from camvid.scenes.shadows import floor_shadow
from camvid.scenes.spec import Body, Moment, Room, SceneSpec, object_ids
from camvid.scenes.textures import MipMap, Texture, paint

NEAR_M = 0.02
_FLOOR = 4  # index of the face -z
_LIGHT = np.array([0.35, 0.2, 0.9])  # towards the lamp, in object axes: shading moves with objects


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """A rectangle in its body's coordinates; `across` and `along` are half edges."""

    centre: F64  # [3]
    across: F64  # [3]
    along: F64  # [3]
    texture: MipMap
    shade: float
    is_floor: bool = False  # shadows fall on it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solid:
    """A body ready to be drawn: its faces, or one image where it is an ellipsoid."""

    half_size_m: F64
    motion: Motion
    object_id: int
    faces: tuple[Face, ...] = ()
    skin: MipMap | None = None
    inside_out: bool = False  # a room is a box seen from inside


def build_solids(spec: SceneSpec) -> list[Solid]:
    """Paints every surface of the scene: furniture (id 0), objects (1, 2, ...), then the room."""
    numbered = [(body, 0) for body in spec.furniture]
    ids = object_ids([body.name for body in spec.objects])
    numbered += list(zip(spec.objects, ids, strict=True))
    return [*map_threads(lambda item: _solid(*item), numbered), _room(spec.room)]


def _solid(body: Body, object_id: int) -> Solid:
    half = np.array(body.half_size_m)
    if body.shape == "ellipsoid":
        side = _texels(body.texture, float(half.mean()) * np.pi / 2)
        skin = MipMap.of(paint(body.texture, side, side))
        return Solid(half_size_m=half, motion=body.motion, object_id=object_id, skin=skin)
    faces = tuple(_box_faces(half, [body.texture] * 6, shaded=True))
    return Solid(half_size_m=half, motion=body.motion, object_id=object_id, faces=faces)


def _room(room: Room) -> Solid:
    half = np.array([*room.half_size_m, room.height_m / 2])
    textures = [room.wall] * 4 + [room.floor, room.ceiling]
    return Solid(
        half_size_m=half,
        motion=RigidMotion(position_m=(0.0, 0.0, room.height_m / 2)),
        object_id=0,
        faces=tuple(_box_faces(half, textures, shaded=False)),
        inside_out=True,
    )


def _box_faces(half: F64, textures: list[Texture], *, shaded: bool) -> Iterator[Face]:
    """Faces in the order -x, +x, -y, +y, -z, +z, each painted differently."""
    for index, texture in enumerate(textures):
        axis, sign = index // 2, (-1.0, 1.0)[index % 2]
        normal = np.eye(3)[axis] * sign
        flat, up = ((1, 2), (0, 2), (0, 1))[axis]  # images stand upright on the sides
        across, along = np.eye(3)[flat] * half[flat], np.eye(3)[up] * half[up]
        height, width = (_texels(texture, 2 * float(np.abs(e).sum())) for e in (along, across))
        yield Face(
            centre=normal * half,
            across=across,
            along=along,
            texture=MipMap.of(paint(texture, height, width, face=index)),
            shade=0.72 + 0.28 * float(normal @ _LIGHT) if shaded else 1.0,
            is_floor=not shaded and index == _FLOOR,
        )


def _texels(texture: Texture, length_m: float) -> int:
    """A power of two near the asked density, so that mip levels halve exactly."""
    return 2 ** int(np.clip(np.round(np.log2(length_m * texture.px_per_m)), 5, 11))


def surfaces_seen(
    solids: list[Solid], moment: Moment, size: tuple[int, int], lamp: Vector | None = None
) -> list[Surface]:
    """What of the solids may show in an image of `size` (height, width) taken at `moment`."""
    places = [solid.motion(np.array([moment.time_s]))[0] for solid in solids]
    shadow = _shadow(solids, places, lamp) if lamp is not None else None
    seen: list[Surface] = []
    for solid, world_from_object in zip(solids, places, strict=True):
        to_cam = moment.cam_from_world
        linear = to_cam[:, :3] @ world_from_object[:3, :3]
        offset = to_cam[:, :3] @ world_from_object[:3, 3] + to_cam[:, 3]
        cam_from_object = np.column_stack([linear, offset])
        if solid.skin is not None:
            seen.extend(_ball(solid, solid.skin, moment.K, cam_from_object, size))
        else:
            for face in solid.faces:
                quads = _quad(solid, face, moment.K, cam_from_object, size)
                seen.extend(replace(q, shadow=shadow) if face.is_floor else q for q in quads)
    return seen


def _shadow(solids: list[Solid], places: list[F64], lamp: Vector) -> U8:
    """The shadow of everything but the room on its floor."""
    casters = [
        (world_from_object, solid.half_size_m, solid.skin is not None)
        for solid, world_from_object in zip(solids, places, strict=True)
        if not solid.inside_out
    ]
    room = next(solid for solid in solids if solid.inside_out)
    return floor_shadow(casters, lamp, room.half_size_m[:2])


def _quad(
    solid: Solid, face: Face, K: F64, cam_from_object: F64, size: tuple[int, int]
) -> list[Quad]:
    linear, offset = cam_from_object[:, :3], cam_from_object[:, 3]
    centre = linear @ face.centre + offset
    across, along = linear @ face.across, linear @ face.along
    outward = linear @ face.centre * (-1 if solid.inside_out else 1)
    normal = np.cross(across, along)
    distance = float(normal @ centre)
    if outward @ centre >= 0 or abs(distance) < 1e-9:
        return []  # seen from behind, or edge on
    corners = [centre + a * across + b * along for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    window = _window(K, np.array(corners), size)
    if window is None:
        return []
    rays = np.linalg.inv(K)
    inverse = normal @ rays / distance
    u = (across @ rays - across @ centre * inverse) / (across @ across)
    v = (along @ rays - along @ centre * inverse) / (along @ along)
    A = np.stack([u, v, inverse])
    return [
        Quad(
            A=A,
            window=window,
            object_id=solid.object_id,
            texture=face.texture,
            shade=face.shade,
        )
    ]


def _ball(
    solid: Solid, skin: MipMap, K: F64, cam_from_object: F64, size: tuple[int, int]
) -> list[Ball]:
    linear, offset = cam_from_object[:, :3], cam_from_object[:, 3]
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = (signs * solid.half_size_m) @ linear.T + offset
    if corners[:, 2].max() < NEAR_M:
        return []
    hull = corners if corners[:, 2].min() > NEAR_M else None
    window = _window(K, hull, size) if hull is not None else (slice(0, size[0]), slice(0, size[1]))
    if window is None:
        return []
    to_sphere = np.linalg.inv(linear * solid.half_size_m)
    texels_per_m = skin.width / (float(solid.half_size_m.mean()) * np.pi / 2)
    return [
        Ball(
            rays=to_sphere @ np.linalg.inv(K),
            eye=to_sphere @ -offset,
            window=window,
            object_id=solid.object_id,
            texture=skin,
            texel_px=texels_per_m / K[0, 0],
        )
    ]


def _window(K: F64, polygon_cam: F64, size: tuple[int, int]) -> Window | None:
    """Rows and columns around a polygon [N, 3] in the camera frame; None where it is not seen."""
    clipped = _in_front(polygon_cam)
    if not len(clipped):
        return None
    projected = clipped @ K.T
    xy = projected[:, :2] / projected[:, 2:]
    # + 1 px: the edge may touch subsamples of the neighbouring pixel
    low = np.floor(np.clip(xy.min(0) - 1, 0, size[::-1])).astype(int)
    high = np.ceil(np.clip(xy.max(0) + 1, 0, size[::-1])).astype(int)
    if (high <= low).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


def _in_front(polygon_cam: F64) -> F64:
    """The polygon with its part behind the near plane cut off (Sutherland and Hodgman)."""
    if polygon_cam[:, 2].min() >= NEAR_M:
        return polygon_cam
    kept: list[F64] = []
    for a, b in zip(polygon_cam, np.roll(polygon_cam, -1, axis=0), strict=True):
        if a[2] >= NEAR_M:
            kept.append(a)
        if (a[2] >= NEAR_M) != (b[2] >= NEAR_M):
            kept.append(a + (NEAR_M - a[2]) / (b[2] - a[2]) * (b - a))
    return np.array(kept)
