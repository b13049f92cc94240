"""COLMAP models: cameras, images and points as .bin or .txt, in the layouts of any version.

CamVid-30K ships one model for each clip, in the layout of three files, without the images.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from camvid.artifacts import F64
from camvid.imports.posed import (
    Footage,
    PosedVideo,
    image_files,
    image_times_s,
    pinhole,
    unreadable,
)

_WITHIN = ("", "sparse/0", "sparse", "0")
# Of each camera model that a rectified pinhole can stand for: where its parameters lie.
_MODELS: dict[str, tuple[tuple[int, int, int, int], tuple[int, ...]]] = {
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), ()),
    "PINHOLE": ((0, 1, 2, 3), ()),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), (3,)),
    "RADIAL": ((0, 0, 1, 2), (3, 4)),
    "OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7)),
}


def find(root: Path) -> Iterator[Path]:
    """The images.bin (or .txt) of the model in a folder; else of those in its folders."""
    if found := _model_in(root):
        yield found
    elif root.is_dir():
        yield from filter(None, map(_model_in, sorted(root.iterdir())))


def _model_in(folder: Path) -> Path | None:
    for inside in _WITHIN:
        for name in ("images.bin", "images.txt"):
            if (path := folder / inside / name).is_file():
                return path
    return None


def find_each(root: Path) -> Iterator[Path]:
    """Those of all models in a folder and below: CamVid-30K's, a folder for each clip."""
    folders = {path.parent for suffix in ("bin", "txt") for path in root.rglob(f"images.{suffix}")}
    yield from filter(None, map(_model_in, sorted(folders)))


def read(path: Path, footage: Footage) -> PosedVideo:
    """The model's images in order of their names; VideoError where a pinhole cannot stand for it.

    Images lie in `--footage`, or in `images` beside or above the model.
    """
    from camvid.sfm.colmap import pycolmap

    try:
        model = pycolmap.Reconstruction(str(path.parent))
    except (ValueError, RuntimeError, IndexError) as error:
        found = " ".join(str(error).split())[:80]
        raise unreadable(path, "a COLMAP model with its cameras and points", found) from error
    posed = sorted((model.image(i) for i in model.reg_image_ids()), key=lambda image: image.name)
    if not posed:
        raise unreadable(path, "images with poses", "none")
    return of_model(model, posed, path, _images(path, footage, [i.name for i in posed]), footage)


def of_model(
    model: Any, posed: list[Any], source: Path, files: tuple[Path, ...], footage: Footage
) -> PosedVideo:
    """These images of a pycolmap model, whose files are given."""
    lenses = [model.camera(image.camera_id) for image in posed]
    sizes = {(lens.width, lens.height) for lens in lenses}
    if len(sizes) > 1:
        raise unreadable(source, "images of one size", f"{len(sizes)} sizes")
    distortions = [_distortion(lens, source) for lens in lenses]
    if any((other != distortions[0]).any() for other in distortions):
        raise unreadable(source, "one lens for all images that distort", "several")
    numbers = np.array([_pinhole(lens) for lens in lenses])
    return PosedVideo(
        source=source,
        footage=files,
        times_s=image_times_s(len(posed), _clip_folder(source), footage),
        K=pinhole(*numbers.T),
        size_px=sizes.pop(),
        cam_from_world=np.stack([image.cam_from_world().matrix() for image in posed]),
        distortion=distortions[0],
    )


def _images(path: Path, footage: Footage, names: list[str]) -> tuple[Path, ...]:
    model = path.parent
    above = [model, *list(model.parents)[:3]]
    beside = [folder / inside for folder in above for inside in ("images", "")]
    given = Path(footage.folder)
    # Releases of poses alone: a folder for each clip, named as the one that holds its model.
    folders = [given, given / _clip_folder(path).name] if footage.folder else beside
    return image_files(names, folders, path)


def _clip_folder(path: Path) -> Path:
    """The one that holds the model, in folders of COLMAP's names."""
    return next(folder for folder in path.parents if folder.name not in ("0", "sparse"))


def _pinhole(lens: Any) -> F64:
    at, _ = _MODELS[lens.model.name]
    return np.array([lens.params[i] for i in at])


def _distortion(lens: Any, source: Path) -> F64:
    if lens.model.name not in _MODELS:
        known = ", ".join(_MODELS)
        raise unreadable(source, f"cameras of the models {known}", lens.model.name)
    distortion = np.zeros(4)
    for n, at in enumerate(_MODELS[lens.model.name][1]):
        distortion[n] = lens.params[at]
    return distortion
