"""Nerfstudio's transforms.json: intrinsics, and world_from_cam of each image in OpenGL's axes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from camvid.artifacts import F64
from camvid.imports.posed import (
    Footage,
    PosedVideo,
    from_opengl,
    image_files,
    image_times_s,
    pinhole,
    unreadable,
)

_NAME = "transforms.json"
_LENSES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE")


def find(root: Path) -> Iterator[Path]:
    """The file, or that of a folder, or those of the folders in it."""
    if root.is_file():
        yield from [root] if root.suffix == ".json" else []
    elif (root / _NAME).is_file():
        yield root / _NAME
    else:
        yield from sorted(root.glob(f"*/{_NAME}"))


def read(path: Path, footage: Footage) -> PosedVideo:
    """The frames in order of their files' names; intrinsics of each frame, or of all."""
    try:
        found = json.loads(path.read_text())
        frames = sorted(found["frames"], key=lambda frame: str(frame["file_path"]))
        poses = np.array([frame["transform_matrix"] for frame in frames], np.float64)
        numbers = np.array([[_number(f, found, k) for k in _KEYS] for f in frames], np.float64)
        width, height = int(_number(frames[0], found, "w")), int(_number(frames[0], found, "h"))
    except (ValueError, LookupError, TypeError, OSError) as error:
        keys = ", ".join((*_KEYS, "w", "h"))
        raise unreadable(path, f"frames, and {keys} of them or of all", repr(error)) from error
    if found.get("camera_model", "OPENCV") not in _LENSES or poses.shape[1:] != (4, 4):
        lens = f"{found.get('camera_model')}, {poses.shape[1:]}"
        raise unreadable(path, f"a camera_model of {', '.join(_LENSES)} and 4x4 poses", lens)
    names = [str(frame["file_path"]) for frame in frames]
    folders = [Path(footage.folder)] if footage.folder else [path.parent]
    return PosedVideo(
        source=path,
        footage=image_files(names, folders, path),
        times_s=image_times_s(len(frames), path.parent, footage),
        K=pinhole(*numbers.T),
        size_px=(width, height),
        cam_from_world=from_opengl(poses),
        distortion=_distortion(found),
    )


_KEYS = ("fl_x", "fl_y", "cx", "cy")


def _number(frame: dict[str, Any], found: dict[str, Any], key: str) -> float:
    return float(frame[key] if key in frame else found[key])


def _distortion(found: dict[str, Any]) -> F64:
    return np.array([float(found.get(key, 0.0)) for key in ("k1", "k2", "p1", "p2")])
