"""Draws the two surfaces that scenes are made of into one camera at one moment.

Seen from a pinhole, everything about a plane is affine in the pixel: with d the ray whose z is 1,
a point c + u a + v b of the plane at depth z gives (u / z, v / z, 1 / z) = A (x, y, 1).
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool
from camvid.scenes.textures import MipMap

EDGE = 1.0 + 1e-5  # faces overlap by this, else rounding would leave pinholes between them
Window = tuple[slice, slice]  # rows and columns of the image


class Surface(Protocol):
    """What the rasteriser needs to know of a surface in front of a camera."""

    @property
    def window(self) -> Window: ...

    @property
    def object_id(self) -> int: ...

    def inverse_depth(self, x: F32, y: F32) -> F32:
        """1 / depth [h, w] at pixels x [1, w], y [h, 1]; 0 or less where there is no surface."""
        ...

    def colour(self, x: F32, y: F32) -> F32:
        """rgb [h, w, 3]; beyond the surface's border it repeats the border."""
        ...


def _affine(row: F64, x: F32, y: F32) -> F32:
    a, b, c = row.astype(np.float32)
    return a * x + (b * y + c)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quad:
    """A textured parallelogram."""

    A: F64  # [3, 3] (u / z, v / z, 1 / z) of the pixel (x, y, 1); inside where |u|, |v| <= 1
    window: Window
    object_id: int
    texture: MipMap
    shade: float
    shadow: U8 | None = None  # [side, side] over u and v: light kept, 255 = all

    def inverse_depth(self, x: F32, y: F32) -> F32:
        inverse = _affine(self.A[2], x, y)
        reach = inverse * np.float32(EDGE)
        inside = np.abs(_affine(self.A[0], x, y)) <= reach
        inside &= np.abs(_affine(self.A[1], x, y)) <= reach
        return inverse * inside

    def colour(self, x: F32, y: F32) -> F32:
        inverse: F32 = np.maximum(_affine(self.A[2], x, y), np.float32(1e-4))
        u = _affine(self.A[0], x, y) / inverse
        v = _affine(self.A[1], x, y) / inverse
        # The area of a pixel on the texture is det A / inverse^3; a level halves each side.
        texels = abs(np.linalg.det(self.A)) * self.texture.width * self.texture.height / 4
        lod = np.float32(0.5 * np.log2(texels)) - np.float32(1.5) * np.log2(inverse)
        lit = self.texture.sample(u, v, lod) * np.float32(self.shade)
        return lit if self.shadow is None else lit * _light_kept(self.shadow, u, v)[..., None]


def _light_kept(shadow: U8, u: F32, v: F32) -> F32:
    last = np.float32(len(shadow) - 1)
    x, y = (np.clip((0.5 * w + 0.5) * last, 0, last) for w in (u, v))
    return cv2.remap(shadow, x, y, cv2.INTER_LINEAR).astype(np.float32) / np.float32(255)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ball:
    """A textured ellipsoid: the unit sphere in coordinates where it is one."""

    rays: F64  # [3, 3] direction in unit-sphere coordinates of the pixel (x, y, 1), z of 1
    eye: F64  # [3] camera centre in unit-sphere coordinates
    window: Window
    object_id: int
    texture: MipMap
    texel_px: float  # texels per pixel at depth 1

    def inverse_depth(self, x: F32, y: F32) -> F32:
        _, squared, near, hit = self._cast(x, y)
        hit &= near > 0
        return np.where(hit, squared / np.where(hit, near, 1), np.float32(0))

    def colour(self, x: F32, y: F32) -> F32:
        """Cube-mapped: each sixth of the sphere shows the image once."""
        rays, squared, near, _ = self._cast(x, y)
        depth: F32 = near / squared
        point = depth * rays + self.eye.astype(np.float32)[:, None, None]
        axis = np.abs(point).argmax(0)[None]
        major = np.take_along_axis(point, axis, 0)[0]
        u = np.take_along_axis(point, (axis + 1) % 3, 0)[0] / np.abs(major)
        v = np.take_along_axis(point, (axis + 2) % 3, 0)[0] / major
        lod = np.log2(np.float32(self.texel_px) * np.maximum(depth, np.float32(1e-3)))
        return self.texture.sample(u, v, lod)

    def _cast(self, x: F32, y: F32) -> tuple[F32, F32, F32, Bool]:
        """Rays d [3, h, w], |d|^2, near = |d|^2 x depth of the first hit, and whether it is one.

        |eye + depth d| = 1 is a quadratic in the depth; a ray that misses gets its nearest point.
        """
        rays = np.stack([_affine(row, x, y) for row in self.rays])
        eye = self.eye.astype(np.float32)
        squared = (rays * rays).sum(0)
        along = rays[0] * eye[0] + rays[1] * eye[1] + rays[2] * eye[2]
        discriminant = along * along - squared * np.float32(self.eye @ self.eye - 1)
        near: F32 = -along - np.sqrt(np.maximum(discriminant, 0))
        return rays, squared, near, discriminant > 0
