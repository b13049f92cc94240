"""From images of one size to another: a crop to the wanted shape, in the middle, then a resize."""

from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, U16
from camvid.geometry import crop_K, rescale_K


class Framing(NamedTuple):
    """What is kept of images of `full_px`, and the size that it gets; all (width, height)."""

    full_px: tuple[int, int]
    corner_px: tuple[int, int]
    kept_px: tuple[int, int]
    size_px: tuple[int, int]

    @classmethod
    def choose(cls, full_px: tuple[int, int], size_px: tuple[int, int] | None) -> "Framing":
        """As much as has the shape of `size_px`; without that all, less an odd row or column."""
        width, height = full_px
        if size_px is None:
            kept = size_px = (width - width % 2, height - height % 2)
        else:
            aspect = size_px[0] / size_px[1]
            kept = (min(width, round(height * aspect)), min(height, round(width / aspect)))
        corner = ((width - kept[0]) // 2, (height - kept[1]) // 2)
        return cls(full_px, corner, kept, size_px)

    @property
    def enlarges(self) -> bool:
        """Whether images get more pixels than they have."""
        return self.size_px[0] > self.kept_px[0] or self.size_px[1] > self.kept_px[1]

    @property
    def is_whole(self) -> bool:
        """Whether images stay as they are."""
        return self.full_px == self.size_px

    def image(self, rgb: U8) -> U8:
        """An image of the full size, framed."""
        (x, y), (width, height) = self.corner_px, self.kept_px
        kept = rgb[y : y + height, x : x + width]
        if self.size_px == self.kept_px:
            return np.ascontiguousarray(kept)
        how = cv2.INTER_CUBIC if self.enlarges else cv2.INTER_AREA
        return np.asarray(cv2.resize(kept, self.size_px, interpolation=how), np.uint8)

    def labels(self, maps: U16 | F32) -> U16 | F32:
        """Maps [T, h, w] of the same view at any size, framed; each pixel takes the nearest."""
        columns, rows = (
            ((np.arange(size) + 0.5) * kept / size + corner) * have / full
            for full, corner, kept, size, have in zip(*self, maps.shape[:0:-1], strict=True)
        )
        return maps[:, rows.astype(int)[:, None], columns.astype(int)]

    def matrix(self, K: F64, of_px: tuple[int, int]) -> F64:
        """K [..., 3, 3] in pixels of the framed images, from those of the same view at `of_px`."""
        K_full = rescale_K(K, self.full_px[0] / of_px[0], self.full_px[1] / of_px[1])
        scale = self.size_px[0] / self.kept_px[0], self.size_px[1] / self.kept_px[1]
        return rescale_K(crop_K(K_full, *self.corner_px), *scale)

    def points(self, xy_px: F64 | F32, of_px: tuple[int, int]) -> F64:
        """Places [..., 2] likewise."""
        full = np.asarray(xy_px, np.float64) * np.divide(self.full_px, of_px)
        return (full - self.corner_px) * np.divide(self.size_px, self.kept_px)
