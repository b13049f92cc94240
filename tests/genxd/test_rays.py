"""Pluecker rays by hand, by projection, and against recorded ones."""

import numpy as np

from camvid.genxd.rays import plucker_rays
from camvid.geometry import img_from_cam, invert_rigid, transform_points
from tests.genxd.records import read

IMAGE_HW, LATENT_HW = (64, 128), (8, 16)
# Focal lengths differ and the principal point is off the centre.
K = np.array([[100.0, 0, 60.0], [0, 80.0, 35.0], [0, 0, 1]])


def rigid(rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.column_stack([q * np.sign(np.linalg.det(q)), rng.normal(size=3)])


def rays_of(cam_from_world: np.ndarray, K: np.ndarray = K, reference_frame: int = 0) -> np.ndarray:
    return plucker_rays(
        cam_from_world,
        K,
        image_hw=IMAGE_HW,
        latent_hw=LATENT_HW,
        reference_frame=reference_frame,
    )


def test_reference_camera_by_hand() -> None:
    world = np.eye(4)[None, :3]
    rays = rays_of(world)
    assert rays.shape == (1, 6, 8, 16)
    assert rays.dtype == np.float32
    # Latent pixel (row 2, column 3) has its centre at x = 3.5 * 8 px, y = 2.5 * 8 px.
    direction = np.array([(28 - 60) / 100, (20 - 35) / 80, 1])
    np.testing.assert_allclose(rays[0, :3, 2, 3], direction / np.linalg.norm(direction), 1e-6)
    assert not rays[:, 3:].any()


def test_second_camera_by_hand() -> None:
    """One unit to the right of the reference, looking to its left: at x = -1 from (1, 0, 0)."""
    world_from_cam = np.array([[0.0, 0, -1, 1], [0, 1, 0, 0], [1, 0, 0, 0]])
    both = np.stack([np.eye(4)[:3], invert_rigid(world_from_cam)])
    centred = np.array([[100.0, 0, 60.0], [0, 80.0, 36.0], [0, 0, 1]])
    centre = rays_of(both, centred)[1, :, 4, 7]  # centre of latent pixel (4, 7): (60, 36) px
    np.testing.assert_allclose(centre, [-1, 0, 0, 0, 0, 0], atol=1e-7)
    below = rays_of(both, centred)[1, :, 5, 7]  # 8 px further down
    direction = np.array([-1, 0.1, 0]) / np.hypot(1, 0.1)
    np.testing.assert_allclose(below[:3], direction, atol=1e-7)
    np.testing.assert_allclose(below[3:], np.cross([1, 0, 0], direction), atol=1e-7)


def test_points_along_a_ray_project_to_its_pixel() -> None:
    rng = np.random.default_rng(0)
    cam_from_world = np.stack([rigid(rng) for _ in range(3)])
    reference = cam_from_world[1]
    rays = rays_of(cam_from_world, reference_frame=1).astype(np.float64)
    for frame in range(3):
        direction, moment = np.moveaxis(rays[frame], 0, -1).reshape(-1, 2, 3).swapaxes(0, 1)
        nearest = np.cross(direction, moment)  # of the ray to the reference camera
        origin = transform_points(reference, invert_rigid(cam_from_world[frame])[None, :, 3])[0]
        along = ((origin - nearest) * direction).sum(-1, keepdims=True)
        in_reference = nearest + (along + 4.0) * direction  # four units in front of the camera
        in_world = transform_points(invert_rigid(reference), in_reference)
        xy_px, depth = img_from_cam(K, transform_points(cam_from_world[frame], in_world))
        rows, columns = np.mgrid[:8, :16]
        expected = np.stack([columns, rows], -1).reshape(-1, 2) * 8 + 4.0
        np.testing.assert_allclose(xy_px, expected, atol=1e-3)
        assert (depth > 0).all()


def test_world_frame_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    cam_from_world = np.stack([rigid(rng) for _ in range(3)])
    world_from_other = np.vstack([rigid(rng), [0, 0, 0, 1]])
    np.testing.assert_allclose(
        rays_of(cam_from_world @ world_from_other, reference_frame=2),
        rays_of(cam_from_world, reference_frame=2),
        atol=1e-6,
    )


def test_each_frame_may_have_its_own_K() -> None:
    cameras = np.repeat(np.eye(4)[None, :3], 2, axis=0)
    other = K @ np.diag([2.0, 2.0, 1.0])
    both = rays_of(cameras, np.stack([K, other]))
    np.testing.assert_array_equal(both[0], rays_of(cameras[:1])[0])
    np.testing.assert_array_equal(both[1], rays_of(cameras[:1], other)[0])


def test_rays_equal_the_recorded() -> None:
    case = read("sampler", "rays")
    K_px = np.diag([128.0, 64.0, 1.0]) @ case["intrinsics_normalised"][0]
    rays = rays_of(
        invert_rigid(case["c2w"][0, :, :3]), K_px, reference_frame=int(case["context_index"][0])
    )
    np.testing.assert_allclose(rays, case["plucker"][0], atol=2e-6)
