"""Reading the truth of a clip: a rendered scene with everything known, or a trajectory alone."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camvid.artifacts import F64
from camvid.errors import ConfigError
from camvid.geometry import invert_rigid
from camvid.scenes.files import load_truth
from camvid.scenes.truth import SceneTruth

TRAJECTORY = "groundtruth_tum.txt"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipTruth:
    """What is true of a source video, frame by frame of the source."""

    name: str
    cam_from_world: F64  # [S, 3, 4]
    K_per_frame: F64 | None  # [S, 3, 3] in pixels of the source
    scene: SceneTruth | None  # depth, masks and object motion, where they are known


def find_truths(folder: Path) -> dict[str, Path]:
    """Folders with a truth below `folder` (or itself), by name."""
    found = sorted(path.parent for path in folder.rglob(TRAJECTORY))
    if not found:
        raise ConfigError(f"--truth must hold folders with {TRAJECTORY}, found none in {folder}")
    return {path.name: path for path in found}


def match_truth(source_uri: str, truths: dict[str, Path]) -> Path | None:
    """The truth of a source: named as the video, or as the folder that the video lies in."""
    path = Path(source_uri)
    return truths.get(path.stem) or truths.get(path.parent.name) or truths.get(path.name)


def read_truth(folder: Path) -> ClipTruth:
    """Reads cameras.json with depth/ and mask/, or groundtruth_tum.txt with camera.json."""
    try:
        if (folder / "cameras.json").exists():
            scene = load_truth(folder)
            return ClipTruth(
                name=folder.name,
                cam_from_world=scene.cam_from_world,
                K_per_frame=scene.K_per_frame,
                scene=scene,
            )
        trajectory = np.loadtxt(folder / TRAJECTORY, ndmin=2)
        K = _calibration(folder / "camera.json")
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"the truth in {folder} must be readable: {error}") from error
    return ClipTruth(
        name=folder.name,
        cam_from_world=invert_rigid(world_from_cam_of_tum(trajectory)),
        K_per_frame=None if K is None else np.tile(K, (len(trajectory), 1, 1)),
        scene=None,
    )


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


def _calibration(path: Path) -> F64 | None:
    known = json.loads(path.read_text()) if path.exists() else {}
    return np.array(known["K"], np.float64) if "K" in known else None
