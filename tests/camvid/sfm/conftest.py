"""A made-up scene: known points, known cameras, and the tracks a tracker would give."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import PointTracks
from camvid.geometry import camera_centers, img_from_cam, transform_points
from camvid.sfm.cameras import Cameras

WIDTH, HEIGHT, FOCAL = 640, 360, 500.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


@dataclass(frozen=True)
class Scene:
    cameras: Cameras
    xyz_world: np.ndarray  # [N, 3]
    tracks: PointTracks

    def position_error(self, found: Cameras) -> float:
        """RMSE of the camera centres after Sim(3) alignment, as a share of the path's extent."""
        both = found.registered & self.cameras.registered
        truth = camera_centers(self.cameras.cam_from_world[both])
        guess = camera_centers(found.cam_from_world[both])
        extent = np.linalg.norm(np.ptp(truth, axis=0))
        truth, guess = truth - truth.mean(axis=0), guess - guess.mean(axis=0)
        u, s, vt = np.linalg.svd(truth.T @ guess)
        sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
        scale = (s * sign).sum() / (guess**2).sum()
        aligned = scale * guess @ (u * sign @ vt).T
        return float(np.sqrt(((truth - aligned) ** 2).sum(axis=1).mean()) / extent)


def build(
    position: np.ndarray,  # [T, 3]
    yaw_deg: np.ndarray,  # [T]
    *,
    focal_px: np.ndarray | None = None,  # [T]
    num_points: int = 500,
    noise_px: float = 0.1,
    moving_fraction: float = 0.0,
    velocity: tuple[float, float, float] = (0, 0.05, 0),  # per frame; across the cameras' paths
    lifetime: int = 1000,
) -> Scene:
    rng = np.random.default_rng(0)
    num_frames = len(position)
    world_from_cam = Rotation.from_euler("y", yaw_deg[:, None], degrees=True).as_matrix()
    cam_from_world = np.zeros((num_frames, 3, 4))
    cam_from_world[:, :, :3] = np.swapaxes(world_from_cam, 1, 2)
    cam_from_world[:, :, 3] = -np.einsum("tij,tj->ti", cam_from_world[:, :, :3], position)
    xyz = rng.uniform([-6, -2, 4], [6, 2, 10], (num_points, 3))
    walk = np.zeros((num_points, 3))
    walk[: int(moving_fraction * num_points)] = velocity
    xy_px = np.zeros((num_frames, num_points, 2))
    visible = np.zeros((num_frames, num_points), bool)
    born = rng.integers(0, max(num_frames - lifetime, 0) + 1, num_points)
    for t in range(num_frames):
        K_t = K if focal_px is None else np.diag([focal_px[t] / FOCAL, focal_px[t] / FOCAL, 1]) @ K
        K_t[:2, 2] = WIDTH / 2, HEIGHT / 2
        xy, depth = img_from_cam(K_t, transform_points(cam_from_world[t], xyz + t * walk))
        inside = ((xy > 4) & (xy < [WIDTH - 4, HEIGHT - 4])).all(axis=1) & (depth > 0.1)
        visible[t] = inside & (t >= born) & (t < born + lifetime)
        xy_px[t] = xy + rng.normal(0, noise_px, xy.shape)
    tracks = PointTracks(
        xy_px=xy_px.astype(np.float32),
        visible=visible,
        object_id=np.zeros(num_points, np.uint16),
        query_frame=np.argmax(visible, axis=0).astype(np.int32),
    )
    return Scene(Cameras(K.copy(), cam_from_world, np.ones(num_frames)), xyz, tracks)


@pytest.fixture
def scene_of() -> Callable[..., Scene]:
    return build


@pytest.fixture
def walk() -> Scene:
    """A camera that walks sideways along the scene and turns a little."""
    t = np.linspace(0, 1, 20)
    position = np.stack([3 * t - 1.5, 0.1 * np.sin(5 * t), 0.5 * t], axis=1)
    return build(position, 10 - 20 * t, lifetime=12)
