"""Reads the ground truth of a source: a rendered scene, or files of poses, masks and labels."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np

from camvid.artifacts import F64, I32, CameraKind
from camvid.errors import ConfigError
from camvid.evaluation.joints import Joints, read_joints
from camvid.geometry import invert_rigid
from camvid.outcome import KINDS, Kind
from camvid.scenes.files import load_truth
from camvid.scenes.truth import SceneTruth

SCENE = "cameras.json"
TRAJECTORY = "groundtruth_tum.txt"
MASKS = "masks"
CALIBRATIONS = ("K.json", "camera.json")
JOINTS = "badja_joints.json"
LABELS = "labels.json"
_TRUTHS = (SCENE, TRAJECTORY, MASKS, JOINTS, LABELS)
_FRAMES = "frames"
_NO_CLIPS = (MASKS, "mask", "depth")  # folders of a truth that a curator may take for videos


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What somebody who looked at the video says of it; None where nobody did."""

    kind: Kind | None = None
    camera: CameraKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipTruth:
    """What is true of a source video, frame by frame of the source."""

    name: str
    cam_from_world: F64 | None = None  # [S, 3, 4]
    K_per_frame: F64 | None = None  # [S or 1, 3, 3] in pixels of the source
    scene: SceneTruth | None = None  # depth, masks and object motion, where they are known
    masks: Mapping[int, Path] = field(default_factory=dict[int, Path])  # frame -> what moves
    joints: Joints | None = None
    labels: Labels = Labels()

    def cameras_at(self, source_frame_index: I32) -> F64 | None:
        """cam_from_world [T, 3, 4] of these frames; None where no camera is known."""
        if self.cam_from_world is None:
            return None
        last = int(source_frame_index.max(initial=0))
        if last >= len(self.cam_from_world):
            raise ConfigError(
                f"the truth of {self.name} must have a pose for every frame of the video, but has"
                f" {len(self.cam_from_world)} and frame {last} is asked for"
            )
        return self.cam_from_world[source_frame_index]

    def focal_px_at(self, source_frame_index: I32) -> F64 | None:
        """Focal lengths [T] of these frames, in pixels of the source; None where not known."""
        if self.K_per_frame is None:
            return None
        focal_px = self.K_per_frame[:, 0, 0]
        return (
            np.broadcast_to(focal_px, len(source_frame_index))
            if len(focal_px) == 1
            else (focal_px[source_frame_index])
        )


def find_truths(folder: Path) -> dict[str, Path]:
    """Folders with a truth below `folder` (or itself), by name."""
    found = sorted({path.parent for name in _TRUTHS for path in folder.rglob(name)})
    if not found:
        names = ", ".join((TRAJECTORY, f"{MASKS}/", JOINTS, LABELS))
        raise ConfigError(f"--truth must hold folders with {names}; found none in {folder}")
    return {path.name: path for path in found}


def match_truth(source_uri: str, truths: Mapping[str, Path]) -> Path | None:
    """The truth of a source: named as the video, or as the folder that the video lies in."""
    path = Path(source_uri)
    if path.name in _NO_CLIPS:
        return None
    return truths.get(path.stem) or truths.get(path.parent.name) or truths.get(path.name)


def read_truth(folder: Path) -> ClipTruth:
    """Reads a rendered scene (cameras.json, depth/, mask/), or any of these files:

    groundtruth_tum.txt (world_from_cam, metres), K.json or camera.json (pixels of the source),
    masks/ (images, foreground above 0), badja_joints.json, and labels.json with "kind" and
    "camera". A rendered scene holds its kind itself.
    """
    try:
        if (folder / SCENE).exists():
            scene = load_truth(folder)
            return ClipTruth(
                name=folder.name,
                cam_from_world=scene.cam_from_world,
                K_per_frame=scene.K_per_frame,
                scene=scene,
            )
        return ClipTruth(
            name=folder.name,
            cam_from_world=_trajectory(folder / TRAJECTORY),
            K_per_frame=calibration(folder),
            masks=_masks(folder),
            joints=read_joints(folder / JOINTS) if (folder / JOINTS).exists() else None,
            labels=_labels(folder / LABELS),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"the truth in {folder} must be readable: {error}") from error


def world_from_cam_of_tum(trajectory: F64) -> F64:
    """[S, 3, 4] of rows `timestamp tx ty tz qx qy qz qw` (camera in the world)."""
    x, y, z, w = (trajectory[:, 4:] / np.linalg.norm(trajectory[:, 4:], axis=1)[:, None]).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    rotation = np.moveaxis(np.array(rows), 2, 0)
    return np.concatenate([rotation, trajectory[:, 1:4, None]], axis=2)


def _trajectory(path: Path) -> F64 | None:
    if not path.exists():
        return None
    rows = np.loadtxt(path, ndmin=2)
    if rows.shape[1] != 8:
        raise ValueError(f"{path.name} must have 8 numbers a line, got {rows.shape[1]}")
    return invert_rigid(world_from_cam_of_tum(rows))


def calibration(folder: Path) -> F64 | None:
    """K [1, 3, 3], given as a matrix "K" or by fx, fy, cx, cy."""
    for name in CALIBRATIONS:
        if not (folder / name).exists():
            continue
        known = json.loads((folder / name).read_text())
        if "K" in known:
            return np.array(known["K"], np.float64).reshape(1, 3, 3)
        if "fx" in known:
            fx, fy, cx, cy = (float(known[key]) for key in ("fx", "fy", "cx", "cy"))
            return np.array([[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]])
    return None


def _masks(folder: Path) -> dict[int, Path]:
    """Masks by frame of the source: of the frame of the same name where there are frames.

    Without frames beside them the k-th mask is that of the k-th frame.
    """
    masks = _in_order(folder / MASKS)
    frame_of = {path.stem: k for k, path in enumerate(_in_order(folder / _FRAMES))}
    if not frame_of:
        return dict(enumerate(masks))
    strange = [path.name for path in masks if path.stem not in frame_of]
    if strange:
        raise ValueError(f"{MASKS}/{strange[0]} must be named as a frame in {_FRAMES}/")
    return {frame_of[path.stem]: path for path in masks}


def _in_order(folder: Path) -> list[Path]:
    """Images in the order of the numbers in their names."""
    images = [p for p in folder.glob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg")]

    def key(path: Path) -> list[tuple[int, str]]:
        return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", path.stem)]

    return sorted(images, key=key)


def _labels(path: Path) -> Labels:
    if not path.exists():
        return Labels()
    known = json.loads(path.read_text())
    kind, camera = known.get("kind"), known.get("camera")
    if kind not in (None, *KINDS):
        raise ValueError(f'"kind" in {path.name} must be one of {KINDS}, got {kind!r}')
    if camera not in (None, *get_args(CameraKind)):
        raise ValueError(f'"camera" in {path.name} must be one of {get_args(CameraKind)}')
    return Labels(kind=kind, camera=camera)
