"""Arrays of cameras in an .npz, as pose estimators write them; never pickled objects.

| made by | arrays |
|---|---|
| anyone | `K` [3, 3] or [T, 3, 3]; `cam_from_world` or `world_from_cam` [T, 3, 4] or [T, 4, 4] |
| MegaSaM | `intrinsic` [3, 3], `cam_c2w` [T, 4, 4], `images` |
| VGGT | `intrinsic` [T, 3, 3], `extrinsic` [T, 3, 4], `images` |
| ViPE | `pose/NAME.npz`: `data` [T, 4, 4] of world_from_cam, `inds` [T]; `intrinsics/NAME.npz` |

`width_px` and `height_px`, or the images, say of which size K is; else it is of the video's.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64
from camvid.geometry import invert_rigid
from camvid.imports.posed import Footage, PosedVideo, pinhole, unreadable, video_beside

_LENS = ("K", "intrinsic", "intrinsics")
_FROM_WORLD = ("cam_from_world", "extrinsic", "extrinsics")
_FROM_CAM = ("world_from_cam", "cam_c2w")
_NAMED = ("mega_sam", "_sgd_cvd_hr", "_droid", "_predictions", "_cameras")  # after the video's name


def find(root: Path) -> Iterator[Path]:
    """The file, or ViPE's of a folder, or all of a folder."""
    if root.is_file():
        yield from [root] if root.suffix == ".npz" else []
        return
    folder = root / "pose" if (root / "pose").is_dir() else root
    yield from sorted(folder.glob("*.npz"))


def read(path: Path, footage: Footage) -> PosedVideo:
    """Frame i of the video has camera i, or with `inds` those that these name."""
    arrays = _arrays(path)
    if {"data", "inds"} <= arrays.keys():
        lens, poses, index = _vipe(path, arrays)
    else:
        lens, poses = _lens(path, arrays), _poses(path, arrays)
        index = arrays.get("inds", np.arange(len(poses)))
    K = np.broadcast_to(lens, (len(poses), 3, 3)).copy() if lens.ndim == 2 else lens
    if poses.shape != (len(K), 3, 4) or index.shape != (len(K),):
        found = f"K {K.shape}, poses {poses.shape}"
        raise unreadable(path, "as many intrinsics as poses", found)
    return PosedVideo(
        source=path,
        footage=(_video(path, footage),),
        times_s=index / footage.fps,
        frame_index=index.astype(np.int32),
        K=K,
        size_px=_size_px(arrays),
        cam_from_world=poses,
    )


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    wanted = {*_LENS, *_FROM_WORLD, *_FROM_CAM, "images", "data", "inds", "width_px", "height_px"}
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files if name in wanted}
    except (OSError, ValueError) as error:
        raise unreadable(path, "arrays of numbers", " ".join(str(error).split())) from error


def _lens(path: Path, arrays: Mapping[str, NDArray[Any]]) -> F64:
    found = next((arrays[name] for name in _LENS if name in arrays), None)
    if found is None or found.shape[-2:] != (3, 3):
        names = ", ".join(sorted(arrays)) or "none of them"
        raise unreadable(path, f"intrinsics [..., 3, 3] as {', '.join(_LENS)}", names)
    return found.astype(np.float64)


def _poses(path: Path, arrays: Mapping[str, NDArray[Any]]) -> F64:
    for names, inverse in ((_FROM_WORLD, False), (_FROM_CAM, True)):
        found = next((arrays[name] for name in names if name in arrays), None)
        if found is not None and found.ndim == 3 and found.shape[1:] in ((3, 4), (4, 4)):
            poses = found[:, :3].astype(np.float64)
            return invert_rigid(poses) if inverse else poses
    wanted = ", ".join((*_FROM_WORLD, *_FROM_CAM))
    raise unreadable(path, f"poses [T, 3, 4] as one of {wanted}", ", ".join(sorted(arrays)))


def _vipe(path: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[F64, F64, NDArray[Any]]:
    lens_path = path.parent.parent / "intrinsics" / path.name
    lens = _arrays(lens_path)
    if "data" not in lens or lens["data"].shape != (len(arrays["inds"]), 4):
        raise unreadable(lens_path, "data [T, 4]: fx, fy, cx, cy", "something else")
    K = pinhole(*lens["data"].astype(np.float64).T)
    return K, invert_rigid(arrays["data"][:, :3].astype(np.float64)), arrays["inds"]


def _size_px(arrays: Mapping[str, NDArray[Any]]) -> tuple[int, int] | None:
    if {"width_px", "height_px"} <= arrays.keys():
        return int(arrays["width_px"]), int(arrays["height_px"])
    if "images" in arrays:
        shape = arrays["images"].shape
        height, width = shape[1:3] if shape[-1] == 3 else shape[2:4]
        return int(width), int(height)
    return None


def _video(path: Path, footage: Footage) -> Path:
    if footage.folder and Path(footage.folder).is_file():
        return Path(footage.folder)
    names = [path.stem, *(path.stem.removesuffix(end) for end in _NAMED if path.stem.endswith(end))]
    folders = [path.parent, path.parent.parent / "rgb", path.parent.parent / "videos"]
    return video_beside(path, [Path(footage.folder)] if footage.folder else folders, names)
