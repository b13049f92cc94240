"""Images with their cameras, and how the pixels of one are seen in another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F32, F64, U8
from camvid.geometry import invert_rigid


class Views(NamedTuple):
    """The clip's images at the working size, with their cameras."""

    gray: Sequence[U8]  # T images [h, w]
    K: F64  # [T, 3, 3], in pixels of these
    cam_from_world: F64  # [T, 3, 4], NaN where not known

    def between(self, this: int, other: int) -> "PixelMap":
        """How pixels of frame `this` are seen in frame `other`."""
        other_from_this = relative_transform(self.cam_from_world[other], self.cam_from_world[this])
        return PixelMap.of(self.K[this], self.K[other], other_from_this)


class PixelMap(NamedTuple):
    """x' ~ H x + w e: where a pixel x = (x, y, 1) of inverse depth w is seen by another camera."""

    H: F32  # [3, 3], maps pixels at infinity
    e: F32  # [3], the epipole

    @classmethod
    def of(cls, K: F64, other_K: F64, other_from_this: F64) -> "PixelMap":
        H = other_K @ other_from_this[:, :3] @ np.linalg.inv(K)
        return cls(H.astype(np.float32), (other_K @ other_from_this[:, 3]).astype(np.float32))

    def at_infinity(self, shape: tuple[int, ...]) -> tuple[F32, F32, F32]:
        """H x, each [h, w], of all pixels of an image."""
        x, y = pixel_centres(shape)
        far_x, far_y, far_z = (row[0] * x + (row[1] * y + row[2]) for row in self.H)
        return far_x, far_y, far_z


def pixel_centres(shape: tuple[int, ...]) -> tuple[F32, F32]:
    """x [w] and y [h, 1] of the pixels of an image [h, w]."""
    x = np.arange(shape[1], dtype=np.float32) + np.float32(0.5)
    return x, np.arange(shape[0], dtype=np.float32)[:, None] + np.float32(0.5)


def relative_transform(other_cam_from_world: F64, cam_from_world: F64) -> F64:
    """other_cam_from_cam [..., 3, 4]."""
    world_from_cam = invert_rigid(cam_from_world)
    rotation = other_cam_from_world[..., :3] @ world_from_cam[..., :3]
    moved = other_cam_from_world[..., :3] @ world_from_cam[..., 3:] + other_cam_from_world[..., 3:]
    return np.concatenate([rotation, moved], axis=-1)
