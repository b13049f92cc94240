"""Procedural images for surfaces: photo-like, rich in corners at every scale, and mip-mapped.

A surface is sampled at the level of detail its size in the image asks for. Without that, texture
finer than a pixel would shimmer from frame to frame and no tracker could hold on to it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, U8

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """How a surface looks. Two textures of one seed and size are the same image."""

    seed: int
    colour: Colour = (150, 142, 130)
    contrast: float = 0.15  # spread of brightness, as a fraction of white
    chroma: float = 0.04  # spread of hue around `colour`, as a fraction of white
    tile_m: tuple[float, float] = (0.0, 0.0)  # width and height of bricks, planks or slabs; 0: none
    shapes_per_m2: float = 12.0  # stickers and strokes on top
    largest_shape_m: float = 0.2
    px_per_m: float = 128.0


def paint(texture: Texture, height: int, width: int, face: int = 0) -> U8:
    """The image [height, width, 3] rgb of one face of a surface."""
    rng = np.random.default_rng([texture.seed, face, height, width])
    image = np.empty((height, width, 3), np.float32)
    image[:] = texture.colour
    if all(texture.tile_m):
        _lay_tiles(rng, image, texture)
    image += 255 * texture.contrast * _noise(rng, height, width, 1)
    image += 255 * texture.chroma * _noise(rng, height, width, 3)
    area_m2 = height * width / texture.px_per_m**2
    _draw_shapes(rng, image, texture, round(area_m2 * texture.shapes_per_m2))
    image = cv2.GaussianBlur(image, (0, 0), 0.6)  # no step sharper than sampling can carry
    return np.clip(image, 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, height: int, width: int, channels: int) -> F32:
    """Zero-mean noise [height, width, channels] of unit spread; finer octaves are weaker.

    Sides are powers of two: each octave is added at its own size and doubled on the way up.
    """
    doublings = int(np.log2(min(height, width))) - 2
    total: F32 = np.zeros((height >> doublings, width >> doublings, channels), np.float32)
    for octave in range(doublings):
        weight = np.float32(0.7 * 0.8**octave)
        total += weight * rng.standard_normal(total.shape, np.float32)
        rows, columns = 2 * total.shape[0], 2 * total.shape[1]
        doubled = cv2.resize(total, (columns, rows), interpolation=cv2.INTER_LINEAR)
        # OpenCV drops a single channel
        total = np.asarray(doubled, np.float32).reshape(rows, columns, channels)
    return total


def _lay_tiles(rng: np.random.Generator, image: F32, texture: Texture) -> None:
    """Rows of tiles, every row shifted, every tile of its own tone, with dark joints between."""
    height, width = image.shape[:2]
    tile_w, tile_h = (max(4, round(side * texture.px_per_m)) for side in texture.tile_m)
    for top in range(0, height, tile_h):
        for left in range(-int(rng.integers(0, tile_w)), width, tile_w):
            tone = 255 * (texture.contrast * rng.normal() + texture.chroma * rng.normal(size=3))
            tile = slice(top, top + tile_h), slice(max(0, left), max(0, left + tile_w))
            image[tile] += tone.astype(np.float32)
            image[top : top + tile_h, max(0, left) : max(0, left + 2)] -= 45
        image[top : top + 2] -= 45


def _draw_shapes(rng: np.random.Generator, image: F32, texture: Texture, count: int) -> None:
    """Scatters filled polygons, discs and strokes; sizes are log-uniform, colours near the base."""
    height, width = image.shape[:2]
    largest_px = max(3.0, texture.largest_shape_m * texture.px_per_m)
    for kind in rng.integers(0, 4, count):
        radius = float(np.exp(rng.uniform(np.log(2.5), np.log(largest_px))))
        tone = texture.contrast * rng.normal() + texture.chroma * rng.normal(0, 1.5, 3)
        colour = np.clip(np.array(texture.colour) + 255 * 1.5 * tone, 0, 255).tolist()
        centre = rng.uniform([0, 0], [width, height])
        if kind == 0:
            cv2.circle(image, _point(centre), round(radius * 0.6), colour, -1, cv2.LINE_AA)
        elif kind == 1:
            end = centre + radius * 2 * rng.normal(size=2)
            thickness = max(1, round(radius / 8))
            cv2.line(image, _point(centre), _point(end), colour, thickness, cv2.LINE_AA)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 6)))
            corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], -1)
            cv2.fillPoly(image, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)


def _point(xy: np.ndarray) -> tuple[int, int]:
    return int(xy[0]), int(xy[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MipMap:
    """A texture and its halved copies stacked in one column, so that one remap reads any level.

    Level k is (height / 2^k, width / 2^k) and starts at row 2 height (1 - 2^-k).
    """

    atlas: U8  # [< 2 height, width, 3] rgb
    height: int
    width: int
    num_levels: int

    @classmethod
    def of(cls, image: U8) -> "MipMap":
        """Mip-maps an image whose sides are powers of two."""
        height, width = image.shape[:2]
        levels = [image]
        while min(levels[-1].shape[:2]) > 4:
            h, w = levels[-1].shape[:2]
            halved = cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA)
            levels.append(np.asarray(halved, np.uint8))
        padded = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in levels]
        return cls(atlas=np.concatenate(padded), height=height, width=width, num_levels=len(levels))

    def sample(self, u: F32, v: F32, lod: F32) -> F32:
        """Colours [h, w, 3] at u, v in [-1, 1] (clamped) and level of detail `lod`, trilinear."""
        lod = np.clip(lod, np.float32(0), np.float32(self.num_levels - 1.001))
        level: F32 = np.floor(lod)
        fine = self._read(u, v, np.exp2(-level))
        coarse = self._read(u, v, np.exp2(-1 - level))
        blend = np.asarray(lod - level, np.float32)[..., None]
        return np.asarray(fine + blend * (coarse - fine), np.float32)

    def _read(self, u: F32, v: F32, shrink: F32) -> F32:
        width, height = self.width * shrink, self.height * shrink
        x = np.clip((0.5 * u + 0.5) * width - 0.5, 0, width - 1)
        y = np.clip((0.5 * v + 0.5) * height - 0.5, 0, height - 1)
        y += 2 * self.height * (1 - shrink)
        return np.asarray(cv2.remap(self.atlas, x, y, cv2.INTER_LINEAR), np.float32)
