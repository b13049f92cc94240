"""Pluecker rays: the line of sight of each latent pixel, seen from the first condition view."""

import numpy as np

from camvid.artifacts import F32, F64
from camvid.geometry import Floats, cam_from_img, invert_rigid


def plucker_rays(
    cam_from_world: Floats,  # [F, 3, 4]
    K: Floats,  # [3, 3] or [F, 3, 3], in pixels of the image
    *,
    image_hw: tuple[int, int],
    latent_hw: tuple[int, int],
    reference_frame: int,
) -> F32:
    """(direction, origin x direction) per latent pixel, [F, 6, h, w], GenXD eq. 6.

    Directions have length 1. Coordinates are those of the camera of `reference_frame`, the first
    condition view, whose own rays have moment 0. Distances keep the unit of `cam_from_world`.
    """
    xy_px = _latent_centres_px(image_hw, latent_hw)
    ones = np.ones(latent_hw)
    per_frame = np.broadcast_to(K, (len(cam_from_world), 3, 3))
    direction_cam = np.stack([cam_from_img(K_frame, xy_px, ones) for K_frame in per_frame])
    direction_cam /= np.linalg.norm(direction_cam, axis=-1, keepdims=True)
    reference_from_cam = _relative(cam_from_world, cam_from_world[reference_frame])
    rotation, origin = reference_from_cam[..., :3], reference_from_cam[..., 3]
    direction = direction_cam @ rotation[:, None].swapaxes(-1, -2)
    moment = np.cross(origin[:, None, None], direction)
    rays = np.concatenate([direction, moment], axis=-1)
    return np.ascontiguousarray(rays.transpose(0, 3, 1, 2), dtype=np.float32)


def _latent_centres_px(image_hw: tuple[int, int], latent_hw: tuple[int, int]) -> F64:
    """Image coordinates of the centres of the latent pixels, [h, w, 2]."""
    (height, width), (rows, columns) = image_hw, latent_hw
    x = (np.arange(columns) + 0.5) * (width / columns)
    y = (np.arange(rows) + 0.5) * (height / rows)
    return np.asarray(np.stack(np.meshgrid(x, y), axis=-1), np.float64)


def _relative(cam_from_world: Floats, reference_from_world: Floats) -> F64:
    """`reference_from_cam`, [F, 3, 4]."""
    world_from_cam = invert_rigid(cam_from_world)
    relative = reference_from_world[:, :3] @ world_from_cam
    relative[..., 3] += reference_from_world[:, 3]
    return np.asarray(relative, np.float64)
