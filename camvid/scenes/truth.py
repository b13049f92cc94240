"""The ground truth of a generated clip, and the exact motion strength that follows from it."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F32, F64, U8, U16, Bool, CameraKind
from camvid.geometry import camera_centers, img_from_cam, transform_points
from camvid.outcome import Kind
from camvid.scenes.spec import object_ids

_VISIBLE_WITHIN = 0.01  # of the depth: a point this near to the depth map is the surface seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneTruth:
    """A clip with its exact cameras, depth, objects and motion.

    An object is one rigid part, or several named "object/part"; objects have the ids 1, 2, ... as
    they are first named. OpenCV camera axes, pixel centres at 0.5, depth along z, metres.
    """

    name: str
    rgb: U8  # [T, H, W, 3]
    depth: F32  # [T, H, W], 0 where nothing is
    object_id: U16  # [T, H, W], 0 = background
    K_per_frame: F64  # [T, 3, 3]
    cam_from_world: F64  # [T, 3, 4]
    part_names: tuple[str, ...]
    world_from_part: F64  # [T, P, 4, 4], affine
    surface_points: tuple[F64, ...]  # of each part, [S, 3] in its own coordinates
    fps: float
    ingredients: tuple[str, ...] = ()  # what makes the scene hard

    def __post_init__(self) -> None:
        num_frames, height, width = self.depth.shape
        num_parts = len(self.part_names)
        shapes = {
            "rgb": (num_frames, height, width, 3),
            "object_id": (num_frames, height, width),
            "cam_from_world": (num_frames, 3, 4),
            "K_per_frame": (num_frames, 3, 3),
            "world_from_part": (num_frames, num_parts, 4, 4),
        }
        for name, wanted in shapes.items():
            if getattr(self, name).shape != wanted:
                got = getattr(self, name).shape
                raise ValueError(f"SceneTruth.{name} must have shape {wanted}, got {got}")
        if len(self.surface_points) != num_parts:
            got = len(self.surface_points)
            raise ValueError(f"SceneTruth.surface_points must be of {num_parts} parts, got {got}")

    @property
    def num_frames(self) -> int:
        return len(self.depth)

    @property
    def K(self) -> F64:
        """[3, 3] of the middle frame; of every frame where the camera does not zoom."""
        return self.K_per_frame[self.num_frames // 2]

    @property
    def part_ids(self) -> tuple[int, ...]:
        """The object that each part belongs to."""
        return object_ids(self.part_names)

    @property
    def object_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.partition("/")[0] for name in self.part_names))

    @property
    def moving_ids(self) -> tuple[int, ...]:
        """Ids of the objects that ever move in the world."""
        moves = (self.world_from_part != self.world_from_part[:1]).any(axis=(0, 2, 3))
        return tuple(sorted({i for i, m in zip(self.part_ids, moves, strict=True) if m}))

    @property
    def camera(self) -> CameraKind:
        """What a perfect solver would say of the camera."""
        centres = camera_centers(self.cam_from_world)
        if np.ptp(centres, axis=0).max() > 1e-5:
            return "moving"
        if np.ptp(self.K_per_frame[:, 0, 0]) > 1e-6:
            return "zooming"
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
    gap = max(1, round(pair_gap_s * truth.fps))
    fields: dict[int, list[F64]] = {object_id: [] for object_id in truth.part_ids}
    for part, object_id in enumerate(truth.part_ids):
        points = [
            transform_points(matrix[part, :3], truth.surface_points[part])
            for matrix in truth.world_from_part
        ]
        sights = [_look(truth, object_id, i, world) for i, world in enumerate(points)]
        for i in range(truth.num_frames - gap):
            xy_px, visible = sights[i + gap]
            expected_px, depth = _project(truth, i + gap, points[i])
            seen = sights[i][1] & visible & (depth > 0)
            height, width = truth.depth.shape[1:]
            field = (xy_px - expected_px)[seen] / (width, height)
            fields[object_id].append(np.linalg.norm(field, axis=-1))
    return {
        object_id: np.concatenate(found) if found else np.zeros(0)
        for object_id, found in fields.items()
    }


def _project(truth: SceneTruth, frame: int, points_world: F64) -> tuple[F64, F64]:
    cam = transform_points(truth.cam_from_world[frame], points_world)
    return img_from_cam(truth.K_per_frame[frame], cam)


def _look(truth: SceneTruth, object_id: int, frame: int, points_world: F64) -> tuple[F64, Bool]:
    """Where points of an object are in a frame, xy_px [S, 2], and whether they are seen [S]."""
    xy_px, depth = _project(truth, frame, points_world)
    height, width = truth.depth.shape[1:]
    inside = (depth > 0) & (xy_px >= 0).all(-1) & (xy_px < (width, height)).all(-1)
    column, row = np.where(inside[:, None], xy_px, 0).astype(int).T
    nearest = truth.depth[frame, row, column]
    is_surface = np.abs(depth - nearest) <= _VISIBLE_WITHIN * depth
    return xy_px, inside & is_surface & (truth.object_id[frame, row, column] == object_id)
