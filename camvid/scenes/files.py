"""A scene on disk: a real video beside its truth.

video.mp4             what a curator sees
cameras.json          K, size, fps; per frame K, camera-to-world (OpenCV axes) and the matrix of
                      every part of an object; surface points in part coordinates
groundtruth_tum.txt   the trajectory for public evaluation tools
depth/0000.png        16 bit, depth along z in mm
mask/0000.png         object id x 100 (8 bit where that fits, else 16)
"""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from camvid.artifacts import F32, F64, U16
from camvid.geometry import invert_rigid
from camvid.parallel import map_threads
from camvid.scenes.movie import read_video, write_video
from camvid.scenes.spec import object_ids
from camvid.scenes.truth import SceneTruth

_MM_PER_M = 1000.0
_ID_STEP = 100  # so that masks can be distinguished by eye


def write_scene(truth: SceneTruth, folder: Path) -> Path:
    """Writes the clip and its truth under `folder`; returns the path of the video."""
    for name in ("depth", "mask"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "cameras.json").write_text(json.dumps(_cameras(truth)))
    (folder / "groundtruth_tum.txt").write_text(_tum_trajectory(truth))
    map_threads(lambda i: _write_maps(truth, folder, i), range(truth.num_frames))
    video = folder / "video.mp4"
    write_video(video, truth.rgb, truth.fps)
    return video


def load_truth(folder: Path) -> SceneTruth:
    """Reads a scene written by `write_scene`; images are those of the video, as decoded."""
    meta = json.loads((folder / "cameras.json").read_text())
    frames: list[dict[str, Any]] = meta["frames"]
    names = tuple(sorted(meta["mover_index"], key=lambda name: meta["mover_index"][name]))
    if object_ids(names) != tuple(meta["mover_index"][name] for name in names):
        raise ValueError(f"{folder}: mover_index must count from 1, got {meta['mover_index']}")
    maps = map_threads(lambda i: _read_maps(folder, i), range(len(frames)))
    depth, object_id = (np.stack(stack) for stack in zip(*maps, strict=True))
    world_from_cam = np.array([frame["cam_c2w_opencv"] for frame in frames], np.float64)
    matrices = [[frame["movers"][name] for name in names] for frame in frames]
    return SceneTruth(
        name=str(meta.get("name", folder.name)),
        rgb=read_video(folder / "video.mp4"),
        depth=depth,
        object_id=object_id,
        K_per_frame=np.array([frame.get("K", meta["K"]) for frame in frames], np.float64),
        cam_from_world=invert_rigid(world_from_cam[:, :3]),
        part_names=names,
        world_from_part=np.array(matrices, np.float64).reshape(len(frames), len(names), 4, 4),
        surface_points=tuple(np.array(meta["mover_points_local"][n], np.float64) for n in names),
        fps=float(meta["fps"]),
        ingredients=tuple(meta.get("ingredients", ())),
    )


def _cameras(truth: SceneTruth) -> dict[str, Any]:
    height, width = truth.depth.shape[1:]
    world_from_cam = _world_from_cam(truth)
    frames = [
        {
            "i": i,
            "movers": {
                name: truth.world_from_part[i, k].tolist()
                for k, name in enumerate(truth.part_names)
            },
            "cam_c2w_opencv": world_from_cam[i].tolist(),
            "K": truth.K_per_frame[i].tolist(),
        }
        for i in range(truth.num_frames)
    ]
    points = zip(truth.part_names, (p.tolist() for p in truth.surface_points), strict=True)
    return {
        "name": truth.name,
        "width": width,
        "height": height,
        "fps": truth.fps,
        "K": truth.K.tolist(),
        "mover_index": dict(zip(truth.part_names, truth.part_ids, strict=True)),
        "mover_points_local": dict(points),
        "ingredients": list(truth.ingredients),
        "frames": frames,
    }


def _world_from_cam(truth: SceneTruth) -> F64:
    matrices = np.tile(np.eye(4), (truth.num_frames, 1, 1))
    matrices[:, :3] = invert_rigid(truth.cam_from_world)
    return matrices


def _tum_trajectory(truth: SceneTruth) -> str:
    """One line per frame: time, position and quaternion of the camera in the world."""
    lines = ["# timestamp tx ty tz qx qy qz qw (camera-to-world, OpenCV axes)"]
    for i, matrix in enumerate(_world_from_cam(truth)):
        quaternion = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        place = " ".join(f"{value:.8f}" for value in (*matrix[:3, 3], *quaternion))
        lines.append(f"{i / truth.fps:.6f} {place}")
    return "\n".join(lines) + "\n"


def _write_maps(truth: SceneTruth, folder: Path, index: int) -> None:
    millimetres = np.round(truth.depth[index] * _MM_PER_M)
    if millimetres.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"{folder}: depth must stay below 65.5 m, got {truth.depth[index].max()}")
    ids = truth.object_id[index] * np.uint16(_ID_STEP)
    if len(truth.object_names) * _ID_STEP <= np.iinfo(np.uint8).max:
        ids = ids.astype(np.uint8)
    _write_png(folder / "depth" / f"{index:04d}.png", millimetres.astype(np.uint16))
    _write_png(folder / "mask" / f"{index:04d}.png", ids)


def _write_png(path: Path, values: np.ndarray) -> None:
    if not cv2.imwrite(str(path), values, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f"cannot write {path}")


def _read_maps(folder: Path, index: int) -> tuple[F32, U16]:
    millimetres, ids = (_read_png(folder / n / f"{index:04d}.png") for n in ("depth", "mask"))
    depth = millimetres.astype(np.float32) / np.float32(_MM_PER_M)
    return depth, (ids // _ID_STEP).astype(np.uint16)


def _read_png(path: Path) -> np.ndarray:
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise FileNotFoundError(f"{path}: no readable image")
    return values
