"""What every reader of a format gives: views in order, with a camera each."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from camvid.artifacts import F64, I32
from camvid.errors import VideoError
from camvid.geometry import invert_rigid

_MAX_SKEW = 0.01  # of a rotation matrix: more is no rigid pose, but another layout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosedVideo:
    """Views with cameras, as a file of some format describes them; T views.

    `distortion` is OpenCV's (k1, k2, p1, p2), one lens for all views.
    """

    source: Path  # the file of cameras
    footage: tuple[Path, ...]  # T images, or one video that holds the views
    times_s: F64  # [T]; of a video on its clock
    K: F64  # [T, 3, 3] in pixels of images of `size_px`, centre of the top-left one at (0.5, 0.5)
    size_px: tuple[int, int] | None  # (width, height), (1, 1) for shares of it; None: the footage's
    cam_from_world: F64  # [T, 3, 4], x right, y down, z forward; NaN where there is no camera
    distortion: F64 = field(default_factory=lambda: np.zeros(4))
    frame_index: I32 | None = None  # [T] in the video; None: by their times

    def __post_init__(self) -> None:
        rotation = self.cam_from_world[np.isfinite(self.cam_from_world[:, 0, 0]), :, :3]
        off = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3))
        if not len(rotation) or off.max() > _MAX_SKEW or (np.linalg.det(rotation) < 0).any():
            raise unreadable(self.source, "poses that are rotations", "others")
        known = np.isfinite(self.K).all() and (self.K[:, [0, 1], [0, 1]] > 0).all()
        if not known:
            raise unreadable(self.source, "focal lengths above 0", "others")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Where the images or videos of a source lie, if not where its format says."""

    folder: str = ""
    fps: float = 24.0  # of images, which have no clock of their own


def image_times_s(num: int, clip: Path, footage: Footage) -> F64:
    """[num] of a clip's images, evenly: at the rate that `metadata.jsonl` beside the folder `clip`
    states, as our exports leave it there; else at that of the footage.
    """
    clip, fps = clip.resolve(), footage.fps
    try:
        with (clip.parent / "metadata.jsonl").open() as lines:
            entries = (json.loads(line) for line in lines if clip.name in line)
            fps = next(float(e["fps"]) for e in entries if e["clip_id"] == clip.name)
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        pass  # there is none, or it is somebody else's
    return np.arange(num) / (fps if fps > 0 else footage.fps)


Reader = Callable[[Path, Footage], PosedVideo]
Finder = Callable[[Path], Iterator[Path]]


def unreadable(path: Path, wanted: str, found: str) -> VideoError:
    """The one line for a source that is not what its format says."""
    return VideoError(f"{path}: must hold {wanted}, found {found}; mend it or leave it out")


def image_files(names: list[str], folders: list[Path], source: Path) -> tuple[Path, ...]:
    """The images of these names, all in the first of the folders that has one of them."""
    for folder in folders:
        if names and (folder / names[0]).is_file():
            paths = tuple(folder / name for name in names)
            if missing := [path for path in paths if not path.is_file()]:
                raise unreadable(source, "no image that is not there", f"{missing[0]} missing")
            return paths
    asked = ", ".join(map(str, folders))
    raise unreadable(source, "images that lie beside it, or in --footage", f"none in {asked}")


def video_beside(source: Path, folders: list[Path], names: list[str]) -> Path:
    """The first video of these names (without suffix) in these folders."""
    for folder in folders:
        for name in names:
            for path in sorted(folder.glob(f"{name}.*")) if folder.is_dir() else ():
                if path.suffix.lower() in (".mp4", ".mkv", ".webm", ".mov", ".avi"):
                    return path
    asked = ", ".join(map(str, folders))
    wanted = f"a video {' or '.join(names)} beside it, or in --footage"
    raise unreadable(source, wanted, f"none in {asked}")


def from_opengl(world_from_cam: F64) -> F64:
    """cam_from_world [T, 3, 4] of poses [T, 4, 4] whose camera looks along -z with y up."""
    return invert_rigid(world_from_cam[:, :3] * np.array([1.0, -1.0, -1.0, 1.0]))


def pinhole(fx: F64, fy: F64, cx: F64, cy: F64) -> F64:
    """K [T, 3, 3] of its four numbers [T]."""
    K = np.zeros((len(fx), 3, 3))
    K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2], K[:, 2, 2] = fx, fy, cx, cy, 1.0
    return K
