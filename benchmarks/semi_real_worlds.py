"""Real clips as worlds to put boards into: two streets (KITTI), and what worlds have in common."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from camvid.artifacts import F32, F64, U8
from camvid.evaluation.truth import TRAJECTORY, world_from_cam_of_tum
from camvid.geometry import camera_centers, invert_rigid
from camvid.scenes.movie import read_video

CAMERA_HEIGHT_M = 1.65  # of KITTI's cameras above the road (Geiger et al., CVPR 2012)
_LANE_M = 1.2  # to either side of the path driven, where the road's depth is known
_ROAD_M = (5.0, 25.0)  # and so far ahead


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """A real clip in which nothing moves: frames, cameras, depth and a ground to stand on."""

    name: str
    rgb: U8  # [T, H, W, 3]
    depth: F32  # [T, H, W] along z in metres, 0 where not known
    K: F64  # [3, 3]
    cam_from_world: F64  # [T, 3, 4], metres
    world_from_ground: F64  # [4, 4]: x to the right and y forward along the ground, z up
    fps: float
    hides: bool  # whether `depth` is dense enough to hide boards behind it
    softness_px: float = 0.0  # of its images: Gaussian that a sharp board needs to look alike

    @property
    def num_frames(self) -> int:
        return len(self.rgb)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        _, height, width = self.depth.shape
        return height, width

    def span(self, first: int, num_frames: int) -> "World":
        """Some of its frames."""
        last = first + num_frames
        if last > self.num_frames:
            raise ValueError(f"{self.name} must have {last} frames, got {self.num_frames}")
        return replace(
            self,
            rgb=self.rgb[first:last],
            depth=self.depth[first:last],
            cam_from_world=self.cam_from_world[first:last],
        )


def image_from_plane(K: F64, cam_from_world: F64, world_from_plane: F64) -> F64:
    """[3, 3]: (x, y, 1) of a plane z = 0 to (column, row, 1) times the depth along z."""
    bottom = np.array([[0.0, 0.0, 0.0, 1.0]])
    cam_from_plane = np.concatenate([cam_from_world, bottom]) @ world_from_plane
    return K @ cam_from_plane[:3][:, [0, 1, 3]]


def plane_points(matrix: F64, size: tuple[int, int]) -> tuple[F64, F64, F64]:
    """Plane coordinates x, y and depth [H, W] at pixel centres; depth <= 0: the plane is behind.

    Args:
        matrix: `image_from_plane`.
        size: (H, W).
    """
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    inverse = np.linalg.inv(matrix)
    x, y, over_depth = (row[0] * columns + row[1] * rows + row[2] for row in inverse)
    over_depth = np.where(np.abs(over_depth) < 1e-9, 1e-9, over_depth)
    return x / over_depth, y / over_depth, 1 / over_depth


def read_drive(folder: Path, first: int, num_frames: int) -> World:
    """A span of a KITTI drive; its ground is the plane 1.65 m under the path driven from there on.

    Depth is known on the road that the car drives over later, and not elsewhere.
    """
    rgb = read_video(folder / "video.mp4")
    known = json.loads((folder / "K.json").read_text())
    K = np.array([[known["fx"], 0, known["cx"]], [0, known["fy"], known["cy"]], [0, 0, 1.0]])
    world_from_cam = world_from_cam_of_tum(np.loadtxt(folder / TRAJECTORY, ndmin=2))
    ground = ground_under(world_from_cam[first:])
    path = invert_rigid(ground[:3]) @ _homogeneous(world_from_cam[:, :, 3])
    cam_from_world = invert_rigid(world_from_cam)
    last = first + num_frames
    depth = [
        _road_depth(image_from_plane(K, pose, ground), rgb.shape[1:3], path[:2, t:])
        for t, pose in enumerate(cam_from_world[:last])
        if t >= first
    ]
    return World(
        name=folder.name.removeprefix("gt_kitti_"),
        rgb=rgb[first:last],
        depth=np.stack(depth),
        K=K,
        cam_from_world=cam_from_world[first:last],
        world_from_ground=ground,
        fps=float(known["fps"]),
        hides=False,
    )


def ground_under(world_from_cam: F64, height_m: float = CAMERA_HEIGHT_M) -> F64:
    """[4, 4] of the plane that a car's path [T, 3, 4] lies over; its origin is below the start.

    Its normal is at right angles to the path and to the cameras' x axes, as far as both allow.
    """
    centres = world_from_cam[:, :, 3]
    spread = centres - centres.mean(axis=0)
    spread = spread / np.linalg.norm(spread, axis=1).max()
    across = world_from_cam[:, :, 0]
    _, vectors = np.linalg.eigh(spread.T @ spread + across.T @ across)
    up = -np.sign(vectors[:, 0] @ world_from_cam[0, :, 1]) * vectors[:, 0]
    forward = world_from_cam[0, :, 2] - up * (up @ world_from_cam[0, :, 2])
    return frame_of(centres[0] - height_m * up, forward, up)


def frame_of(origin: F64, forward: F64, up: F64) -> F64:
    """[4, 4] world_from_ground: x right, y forward, z up."""
    forward = forward / np.linalg.norm(forward)
    matrix = np.eye(4)
    matrix[:3] = np.stack([np.cross(forward, up), forward, up, origin], axis=1)
    return matrix


def ground_places(world: World) -> F64:
    """Where the cameras are over the ground, [T, 3] in its axes."""
    centres = camera_centers(world.cam_from_world)
    return (invert_rigid(world.world_from_ground[:3]) @ _homogeneous(centres)).T


def _homogeneous(points: F64) -> F64:
    """[4, N] of points [N, 3]."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1).T


def _road_depth(matrix: F64, size: tuple[int, int], path: F64) -> F32:
    """Depth of the plane in the lane about a path [2, N] of ground coordinates, else 0."""
    x, y, depth = plane_points(matrix, size)
    ahead = y - path[1, 0]
    order = np.argsort(path[1])
    lateral = np.abs(x - np.interp(y, path[1, order], path[0, order]))
    lane = (lateral < _LANE_M) & (ahead > _ROAD_M[0]) & (ahead < _ROAD_M[1])
    lane &= (y < path[1].max()) & (depth > 0)
    return np.where(lane, depth, 0).astype(np.float32)
