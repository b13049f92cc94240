"""Trajectories in TUM's text, as SLAM and benchmarks write them, with the lens in a file beside.

A line is `timestamp tx ty tz qx qy qz qw`, the camera in the world with axes x right, y down,
z forward; lines with # say nothing. The lens is `K.json` or `camera.json` (`K`, or fx fy cx cy), or
`calib.txt` (fx fy cx cy, and k1 k2 p1 p2 where it distorts, as DROID-SLAM has it), in pixels of the
footage.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from camvid.artifacts import F64, I32
from camvid.evaluation.truth import CALIBRATIONS, calibration, world_from_cam_of_tum
from camvid.geometry import invert_rigid
from camvid.imports.posed import Footage, PosedVideo, pinhole, unreadable, video_beside
from camvid.video.image_folder.file_names import is_image

_NUMBERS = 8
_CALIB = "calib.txt"
_FOLDERS = ("rgb", "images", "frames", "")
_VIDEOS = ("video", "rgb")  # or named as the text, or as its folder
_APART_S = 0.02  # of an image and its pose, as TUM's own tools take them


def find(root: Path) -> Iterator[Path]:
    """The text that is named, or all in a folder and in the folders in it."""
    candidates = [root] if root.is_file() else sorted([*root.glob("*.txt"), *root.glob("*/*.txt")])
    yield from (path for path in candidates if path.suffix == ".txt" and _rows(path) is not None)


def read(path: Path, footage: Footage) -> PosedVideo:
    """Images named by their times take the nearest pose, others one each in order of their names;
    of a video timestamps are times, or numbers of frames where all are whole.
    """
    rows = _rows(path)
    if rows is None:
        raise unreadable(path, f"lines of {_NUMBERS} numbers", "others")
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    files, index = _images(path, footage), None
    if files:
        chosen = _matched(path, files, rows)
        files, rows = tuple(files[n] for n, _ in chosen), rows[[row for _, row in chosen]]
    else:
        files = (_video(path, footage),)
        index = _frame_numbers(rows[:, 0])
    K, distortion = _lens(path)
    times_s = rows[:, 0] if index is None else index / footage.fps
    return PosedVideo(
        source=path,
        footage=files,
        times_s=times_s,
        frame_index=index,
        K=np.tile(K, (len(rows), 1, 1)),
        size_px=None,
        cam_from_world=invert_rigid(world_from_cam_of_tum(rows)),
        distortion=distortion,
    )


def _rows(path: Path) -> F64 | None:
    """[S, 8]; None where this is no such file."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of empty files
            rows = np.loadtxt(path, np.float64, ndmin=2)
    except (OSError, ValueError):
        return None
    return rows if rows.shape[1] == _NUMBERS and len(rows) else None


def _images(path: Path, footage: Footage) -> tuple[Path, ...]:
    """Those of the first folder that has any, in order of their names."""
    folders = [Path(footage.folder)] if footage.folder else [path.parent / f for f in _FOLDERS]
    for folder in folders:
        names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        if images := [name for name in names if is_image(name)]:
            return tuple(folder / name for name in images)
    return ()


def _matched(path: Path, files: tuple[Path, ...], rows: F64) -> list[tuple[int, int]]:
    """(image, pose) pairs, in order."""
    if len(files) == len(rows):
        return [(n, n) for n in range(len(rows))]
    try:
        times_s = np.array([float(file.stem) for file in files])
    except ValueError:
        found = f"{len(files)} images, {len(rows)} poses"
        raise unreadable(path, "as many poses as images, or images named by times", found) from None
    nearest = np.abs(times_s[:, None] - rows[:, 0]).argmin(axis=1)
    near = np.abs(rows[nearest, 0] - times_s) <= _APART_S
    if not near.any():
        raise unreadable(path, f"poses within {_APART_S} s of its images", "none")
    return [(int(n), int(nearest[n])) for n in np.flatnonzero(near)]


def _video(path: Path, footage: Footage) -> Path:
    if footage.folder and Path(footage.folder).is_file():
        return Path(footage.folder)
    folders = [Path(footage.folder)] if footage.folder else [path.parent]
    return video_beside(path, folders, [path.stem, path.parent.name, *_VIDEOS])


def _frame_numbers(stamps: F64) -> I32 | None:
    """The timestamps, where they are numbers of frames."""
    return stamps.astype(np.int32) if len(stamps) > 1 and (stamps % 1 == 0).all() else None


def _lens(path: Path) -> tuple[F64, F64]:
    """K [3, 3] and OpenCV's k1, k2, p1, p2."""
    try:
        found = calibration(path.parent)
        if found is not None:
            return found[0], np.zeros(4)
        numbers = np.loadtxt(path.parent / _CALIB, np.float64, ndmin=1)
        if numbers.shape not in ((4,), (8,)):
            raise ValueError(f"{_CALIB} has {numbers.size} numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        names = ", ".join((*CALIBRATIONS, _CALIB))
        raise unreadable(path, f"a lens beside it, in one of {names}", str(error)) from error
    distortion = numbers[4:] if len(numbers) == 8 else np.zeros(4)
    return pinhole(*numbers[:4, None])[0], distortion
