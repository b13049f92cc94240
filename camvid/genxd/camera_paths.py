"""Camera paths to sample along: named ones, made here, and those of files and clips.

Named paths are in units of the scene's depth: what the image shows is about 1 away, as where the
training data divide translations by the median depth (`scale_rule` "scene"). They start at the
first frame, where the camera is the identity; time runs evenly from 0 to 1.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camvid.artifacts import F64
from camvid.errors import ConfigError
from camvid.evaluation.truth import TRAJECTORY, world_from_cam_of_tum
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.sample import camera_matrices
from camvid.genxd.data.shards import find_shards
from camvid.geometry import Floats, invert_rigid
from camvid.shards.row import cameras_from_row

_ASPECT_SLACK = 0.02  # resizing rounds sides to whole pixels
DEFAULT_FOCAL = 1.414  # of the shorter side, where nothing is known: the released code's


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraPath:
    """Cameras in any unit, with their intrinsics where they are known."""

    cam_from_world: F64  # [F, 3, 4]
    K: F64 | None = None  # [F, 3, 3] in pixels of images of size `image_hw`
    image_hw: tuple[int, int] = (0, 0)  # 0 where K is unknown
    zoom: F64 | None = None  # [F], factors on the focal length where K is unknown
    scene_scale: float | None = None  # the scene's depth in the unit, where it is known

    def seen_from(self, frame: int) -> F64:
        """`cam_from_world` with the camera of a frame as the world; distances stay."""
        return compose(self.cam_from_world, invert_rigid(self.cam_from_world[frame]))

    def K_of(self, image_hw: tuple[int, int]) -> F64:
        """K [F, 3, 3] for images of this size: its own, or a guess where it has none."""
        height, width = image_hw
        if self.K is not None:
            known_height, known_width = self.image_hw
            if abs(width * known_height / (height * known_width) - 1) > _ASPECT_SLACK:
                raise ConfigError(
                    f"images must have the shape of the camera's, {known_width}x{known_height},"
                    f" got {width}x{height}: crop neither, or both"
                )
            return np.diag([width / known_width, height / known_height, 1.0]) @ self.K
        K = np.tile(np.eye(3), (len(self.cam_from_world), 1, 1))
        K[:, 0, 0] = DEFAULT_FOCAL * min(image_hw) * (1.0 if self.zoom is None else self.zoom)
        K[:, 1, 1] = K[:, 0, 0]
        K[:, :2, 2] = width / 2, height / 2
        return K


def compose(first_from_mid: Floats, mid_from_last: Floats) -> F64:
    """`first_from_last` of rigid transforms [..., 3, 4]."""
    rotation = first_from_mid[..., :3] @ mid_from_last[..., :3]
    moved = first_from_mid[..., :3] @ mid_from_last[..., 3:] + first_from_mid[..., 3:]
    return np.asarray(np.concatenate([rotation, moved], axis=-1), np.float64)


# --- named paths ---


class _Path(NamedTuple):
    """How a named path runs, and how far it goes by default."""

    run: Callable[[F64, float], CameraPath]  # (time [F] in [0, 1], amount)
    amount: float
    help: str


def named_path(name: str, num_frames: int, amount: float | None = None) -> CameraPath:
    """A path of `NAMED_PATHS`; `amount` is in the unit that its help gives."""
    if name not in NAMED_PATHS:
        raise ConfigError(f"a camera path must be one of {', '.join(NAMED_PATHS)}, got {name!r}")
    path = NAMED_PATHS[name]
    times = np.linspace(0, 1, num_frames)
    return path.run(times, path.amount if amount is None else amount)


def _static(times: F64, amount: float) -> CameraPath:
    del amount  # a camera that stands goes nowhere
    return CameraPath(cam_from_world=np.tile(np.eye(3, 4), (len(times), 1, 1)))


def _orbit(times: F64, amount: float) -> CameraPath:
    angle = np.radians(amount) * times
    position = np.stack([np.sin(angle), 0 * angle, 1 - np.cos(angle)], axis=-1)
    return CameraPath(cam_from_world=_looking_at_subject(position))


def _forward(times: F64, amount: float) -> CameraPath:
    cameras = np.tile(np.eye(3, 4), (len(times), 1, 1))
    cameras[:, 2, 3] = -amount * times
    return CameraPath(cam_from_world=cameras)


def _pan(times: F64, amount: float) -> CameraPath:
    angle = np.radians(amount) * times
    cameras = np.tile(np.eye(3, 4), (len(times), 1, 1))
    cameras[:, 0, 0] = cameras[:, 2, 2] = np.cos(angle)
    cameras[:, 0, 2], cameras[:, 2, 0] = -np.sin(angle), np.sin(angle)
    return CameraPath(cam_from_world=cameras)


def _dolly_zoom(times: F64, amount: float) -> CameraPath:
    if amount >= 1:
        raise ConfigError(f"dolly_zoom must stop before the subject, below 1, got {amount}")
    moved = _forward(times, amount)
    return CameraPath(cam_from_world=moved.cam_from_world, zoom=1 - amount * times)


def _spiral(times: F64, amount: float) -> CameraPath:
    turn = 2 * np.pi * times
    position = amount * times[:, None] * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=-1)
    return CameraPath(cam_from_world=_looking_at_subject(position))


NAMED_PATHS: Mapping[str, _Path] = {
    "orbit": _Path(_orbit, 40.0, "degrees to the right around the subject, looking at it"),
    "forward": _Path(_forward, 0.4, "depths ahead; below 0: back"),
    "pan": _Path(_pan, 20.0, "degrees turned to the right on the spot"),
    "dolly_zoom": _Path(_dolly_zoom, 0.4, "depths ahead while the subject keeps its size"),
    "spiral": _Path(_spiral, 0.2, "depths to the side after one widening turn"),
    "static": _Path(_static, 0.0, "stands still"),
}


def _looking_at_subject(position: F64) -> F64:
    """Upright cameras at positions [F, 3] that look at (0, 0, 1)."""
    ahead = np.array([0, 0, 1.0]) - position
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    right = np.cross([0, 1.0, 0], ahead)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    cam_from_world = np.stack([right, np.cross(ahead, right), ahead], axis=1)
    moved = -cam_from_world @ position[..., None]
    return np.concatenate([cam_from_world, moved], axis=-1)


# --- paths of files ---


def read_path(source: str, num_frames: int) -> CameraPath:
    """`num_frames` cameras, evenly over all that a source has.

    Args:
        source: a cameras.json, a trajectory in TUM's form (with a camera.json beside it, if
            there is one), a folder with either, or SHARDS#CLIP_ID.
        num_frames: at most as many as there are.
    """
    shards, is_clip, clip_id = source.partition("#")
    try:
        whole = _of_clip(shards, clip_id) if is_clip else _of_file(Path(source))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"the cameras of {source} must be readable: {error}") from error
    found = len(whole.cam_from_world)
    if found < num_frames:
        raise ConfigError(f"{source} must have {num_frames} cameras or more, has {found}")
    chosen = np.linspace(0, found - 1, num_frames).round().astype(int)
    return CameraPath(
        cam_from_world=whole.cam_from_world[chosen],
        K=None if whole.K is None else whole.K[chosen],
        image_hw=whole.image_hw,
        scene_scale=whole.scene_scale,
    )


def _of_file(path: Path) -> CameraPath:
    if path.is_dir():
        names = [path / "cameras.json", path / TRAJECTORY]
        path = next((name for name in names if name.exists()), names[0])
    if path.suffix == ".json":
        known = json.loads(path.read_text())
        frames: list[dict[str, Any]] = known["frames"]
        world_from_cam = np.array([frame["cam_c2w_opencv"] for frame in frames], np.float64)
        cameras = invert_rigid(world_from_cam[:, :3])
    else:
        beside = path.parent / "camera.json"
        known = json.loads(beside.read_text()) if beside.exists() else {}
        cameras = invert_rigid(world_from_cam_of_tum(np.loadtxt(path, ndmin=2)))
        frames = [{}] * len(cameras)
    if "K" not in known:
        return CameraPath(cam_from_world=cameras)
    return CameraPath(
        cam_from_world=cameras,
        K=np.array([frame.get("K", known["K"]) for frame in frames], np.float64),
        image_hw=(int(known["height"]), int(known["width"])),
    )


def _of_clip(shards: str, clip_id: str) -> CameraPath:
    """The registered cameras of a clip in shards."""
    index = find_shards(shards)
    rows = (index.place(row) for row in range(index.num_rows))
    place = next((place for place in rows if place.clip_id == clip_id), None)
    if place is None:
        raise ConfigError(f"{shards} must hold clip {clip_id!r}, but does not")
    row = RowReader(index.root, 0).read(place)
    cameras, registered = cameras_from_row(row)
    if row["kind"] == "video" or not registered.any():
        raise ConfigError(f"clip {clip_id} must have cameras, but is a {row['kind']}")
    return CameraPath(
        cam_from_world=cameras[registered],
        K=camera_matrices(row)[registered],
        image_hw=(row["height_px"], row["width_px"]),
        scene_scale=row["scene_scale"],
    )
