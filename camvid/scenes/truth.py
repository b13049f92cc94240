"""What is true of a generated clip, and the motion strength that follows from it exactly."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F32, F64, U8, U16, Bool, CameraKind
from camvid.geometry import camera_centers, img_from_cam, transform_points
from camvid.outcome import Kind

_VISIBLE_WITHIN = 0.01  # of the depth: a point this near to the depth map is the surface seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneTruth:
    """A clip with its exact cameras, depth, objects and motion; object k has id k + 1.

    OpenCV camera axes, pixel centres at 0.5, depth along z, metres.
    """

    name: str
    rgb: U8  # [T, H, W, 3]
    depth: F32  # [T, H, W], 0 where nothing is
    object_id: U16  # [T, H, W], 0 = background
    K: F64  # [3, 3]
    cam_from_world: F64  # [T, 3, 4]
    world_from_object: F64  # [T, M, 4, 4]
    surface_points: F64  # [M, S, 3] in object coordinates
    object_names: tuple[str, ...]
    fps: float

    def __post_init__(self) -> None:
        num_frames, height, width = self.depth.shape
        num_objects, num_points = self.surface_points.shape[:2]
        shapes = {
            "rgb": (num_frames, height, width, 3),
            "object_id": (num_frames, height, width),
            "cam_from_world": (num_frames, 3, 4),
            "world_from_object": (num_frames, num_objects, 4, 4),
            "surface_points": (num_objects, num_points, 3),
        }
        for name, wanted in shapes.items():
            if getattr(self, name).shape != wanted:
                got = getattr(self, name).shape
                raise ValueError(f"SceneTruth.{name} must have shape {wanted}, got {got}")

    @property
    def num_frames(self) -> int:
        return len(self.depth)

    @property
    def moving_ids(self) -> tuple[int, ...]:
        """Ids of the objects that ever move in the world."""
        moves = (self.world_from_object != self.world_from_object[:1]).any(axis=(0, 2, 3))
        return tuple(int(i) + 1 for i in np.flatnonzero(moves))

    @property
    def camera(self) -> CameraKind:
        """What a perfect solver would say of the camera."""
        centres = camera_centers(self.cam_from_world)
        if np.ptp(centres, axis=0).max() > 1e-5:
            return "moving"
        turns = np.ptp(self.cam_from_world[..., :3], axis=0).max() > 1e-6
        return "rotating" if turns else "fixed"

    @property
    def kind(self) -> Kind:
        """What the clip is good for."""
        if self.camera == "moving":
            return "4d" if self.moving_ids else "3d"
        return "video" if self.moving_ids else "none"


def true_motion_strength(truth: SceneTruth, pair_gap_s: float) -> dict[int, float]:
    """Motion strength of every object, as a fraction of the image side.

    The mean of `true_motion_field` over points and pairs. An object that never moves has exactly
    0; a mover that is never seen has NaN.
    """
    strength: dict[int, float] = {}
    for object_id, magnitudes in true_motion_field(truth, pair_gap_s).items():
        unseen = float("nan") if object_id in truth.moving_ids else 0.0
        strength[object_id] = float(np.mean(magnitudes)) if len(magnitudes) else unseen
    return strength


def true_motion_field(truth: SceneTruth, pair_gap_s: float) -> dict[int, F64]:
    """Magnitudes [Q] of the motion field at the surface points seen, per object id.

    For frames i, j a fixed time apart: from where a point would be in frame j had it stood still
    in the world since i, to where it is, divided by width and height. Points count where they are
    visible in both frames, as a tracker sees them.
    """
    height, width = truth.depth.shape[1:]
    gap = max(1, round(pair_gap_s * truth.fps))
    fields: dict[int, F64] = {}
    for index in range(len(truth.surface_points)):
        xy_px, visible = _follow(truth, index)
        magnitudes: list[F64] = []
        for i in range(truth.num_frames - gap):
            world = transform_points(
                truth.world_from_object[i, index, :3], truth.surface_points[index]
            )
            cam = transform_points(truth.cam_from_world[i + gap], world)
            expected_px, depth = img_from_cam(truth.K, cam)
            seen = visible[i] & visible[i + gap] & (depth > 0)
            field = (xy_px[i + gap] - expected_px)[seen] / (width, height)
            magnitudes.append(np.linalg.norm(field, axis=-1))
        fields[index + 1] = np.concatenate(magnitudes) if magnitudes else np.zeros(0)
    return fields


def _follow(truth: SceneTruth, index: int) -> tuple[F64, Bool]:
    """Where an object's points are [T, S, 2], and whether they are seen there [T, S]."""
    places, seen = zip(*(_look(truth, index, i) for i in range(truth.num_frames)), strict=True)
    return np.stack(places), np.stack(seen)


def _look(truth: SceneTruth, index: int, frame: int) -> tuple[F64, Bool]:
    world = transform_points(truth.world_from_object[frame, index, :3], truth.surface_points[index])
    cam = transform_points(truth.cam_from_world[frame], world)
    xy_px, depth = img_from_cam(truth.K, cam)
    height, width = truth.depth.shape[1:]
    inside = (depth > 0) & (xy_px >= 0).all(-1) & (xy_px < (width, height)).all(-1)
    column, row = np.where(inside[:, None], xy_px, 0).astype(int).T
    nearest = truth.depth[frame, row, column]
    is_surface = np.abs(depth - nearest) <= _VISIBLE_WITHIN * depth
    return xy_px, inside & is_surface & (truth.object_id[frame, row, column] == index + 1)
