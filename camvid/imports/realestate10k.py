"""RealEstate10K's text: a line with the video's address, then a line for each frame.

timestamp in microseconds, fx fy cx cy as shares of the image's sides, two zeros, cam_from_world row
by row. CameraCtrl, AC3D, and the camera-control trainers of Wan and CogVideoX have the same.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np

from camvid.artifacts import F64
from camvid.imports.posed import Footage, PosedVideo, pinhole, unreadable, video_beside

_NUMBERS = 19


def find(root: Path) -> Iterator[Path]:
    """The pose files: the one that is named, or all in a folder and below."""
    candidates = [root] if root.is_file() else sorted(root.rglob("*.txt"))
    yield from (path for path in candidates if path.suffix == ".txt" and _numbers(path) is not None)


def read(path: Path, footage: Footage) -> PosedVideo:
    """Frames are images named by their timestamps, or lie in a video.

    That is one named as the text, of these frames alone or with the same clock, or as the address
    names it (its identity on YouTube); in `--footage`, beside the text, or in `videos` beside its
    folder.
    """
    numbers = _numbers(path)
    if numbers is None:
        raise unreadable(path, f"lines of {_NUMBERS} numbers after the first", "others")
    order = np.argsort(numbers[:, 0], kind="stable")
    numbers = numbers[order]
    folders = [Path(footage.folder)] if footage.folder else _beside(path)
    stamps = [f"{int(stamp)}" for stamp in numbers[:, 0]]
    files = _stills(stamps, [folder / path.stem for folder in folders])
    if not files:
        files = (video_beside(path, folders, [path.stem, *_identity(path)]),)
    return PosedVideo(
        source=path,
        footage=files,
        times_s=numbers[:, 0] / 1e6,
        K=pinhole(*numbers[:, 1:5].T),
        size_px=(1, 1),
        cam_from_world=numbers[:, 7:].reshape(-1, 3, 4),
    )


def _beside(path: Path) -> list[Path]:
    return [path.parent, path.parent / "videos", path.parent.parent / "videos"]


def _stills(stamps: list[str], folders: list[Path]) -> tuple[Path, ...]:
    for folder in folders:
        for suffix in (".png", ".jpg"):
            files = tuple(folder / f"{stamp}{suffix}" for stamp in stamps)
            if all(file.is_file() for file in files):
                return files
    return ()


def _identity(path: Path) -> list[str]:
    """The video's identity by the address in the first line."""
    with path.open(errors="replace") as file:
        address = urlparse(file.readline().strip())
    found = parse_qs(address.query).get("v") or [Path(address.path).stem]
    return [name for name in found if name]


def _numbers(path: Path) -> F64 | None:
    """[T, 19]; None where this is no such file."""
    try:
        lines = path.read_text().splitlines()[1:]
        numbers = np.array([line.split() for line in lines if line.strip()], np.float64)
    except (OSError, ValueError):
        return None
    return numbers if numbers.ndim == 2 and numbers.shape[1] == _NUMBERS else None
