"""Projection and rigid transforms against each other and against pycolmap."""

import numpy as np
import pytest

from camvid.geometry import (
    cam_from_img,
    camera_centers,
    crop_K,
    img_from_cam,
    invert_rigid,
    rescale_K,
    rotation_angle_deg,
    transform_points,
)
from camvid.sfm.colmap import pycolmap

K = np.array([[500.0, 0, 321.5], [0, 480.0, 178.25], [0, 0, 1]])


def random_rigid(rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    return np.concatenate([q, rng.normal(size=(3, 1))], axis=1)


def test_projection_round_trip() -> None:
    rng = np.random.default_rng(0)
    xy_px, depth = rng.uniform(0, 600, (50, 2)), rng.uniform(0.5, 40, 50)
    back, z = img_from_cam(K, cam_from_img(K, xy_px, depth))
    np.testing.assert_allclose(back, xy_px, atol=1e-9)
    np.testing.assert_allclose(z, depth)


def test_projection_agrees_with_pycolmap() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (40, 3)) + [0, 0, 3]
    camera = pycolmap.Camera(
        model="PINHOLE", width=640, height=360, params=[K[0, 0], K[1, 1], K[0, 2], K[1, 2]]
    )
    np.testing.assert_allclose(img_from_cam(K, points)[0], camera.img_from_cam(points), atol=1e-9)


def test_inverse_undoes_the_transform() -> None:
    rng = np.random.default_rng(2)
    transforms = np.stack([random_rigid(rng) for _ in range(5)])
    points = rng.normal(size=(5, 7, 3))
    there = transform_points(transforms, points)
    np.testing.assert_allclose(transform_points(invert_rigid(transforms), there), points)
    centers = camera_centers(transforms)
    np.testing.assert_allclose(transform_points(transforms, centers[:, None]), 0, atol=1e-12)


def test_resized_and_cropped_images_keep_their_rays() -> None:
    xy_px = np.array([[100.0, 50.0], [320.0, 200.0]])
    ray = cam_from_img(K, xy_px, np.ones(2))
    half = cam_from_img(rescale_K(K, 0.5, 0.5), xy_px / 2, np.ones(2))
    cut = cam_from_img(crop_K(K, 20, 10), xy_px - [20, 10], np.ones(2))
    np.testing.assert_allclose(half, ray)
    np.testing.assert_allclose(cut, ray)


@pytest.mark.parametrize("angle", [0.0, 0.1, 90.0, 179.0])
def test_rotation_angle(angle: float) -> None:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    assert rotation_angle_deg(rotation) == pytest.approx(angle, abs=1e-6)
