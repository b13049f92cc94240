"""A folder of photographs as one set of views of a static scene, solved by COLMAP.

Each is matched with each, since photographs have no order. The focal length that EXIF states is a
prior with a variance: it is rounded, and cropping or a film's size in the table makes it wrong.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from camvid.errors import VideoError
from camvid.imports.colmap import of_model
from camvid.imports.posed import Footage, PosedVideo, unreadable
from camvid.video.image_folder.file_names import is_image
from camvid.video.image_folder.pixels import decoded

_MIN_VIEWS = 3
_MAX_SIDE_PX = 1600  # of the images that features are found in
_MAX_FEATURES = 4096
_EXIF_SPREAD = 0.03  # relative standard deviation of a focal length that EXIF states
_SEED = 0


def find(root: Path) -> Iterator[Path]:
    """The folder itself, if it holds photographs; else the folders in it that do."""
    for folder in [root, *sorted(root.iterdir())] if root.is_dir() else []:
        if folder.is_dir() and len(_photographs(folder)) >= _MIN_VIEWS:
            yield folder
            if folder == root:
                return


def read(path: Path, footage: Footage) -> PosedVideo:
    """The photographs in order of their names, a second apart; those left over have no camera.

    VideoError where they are not of one size, or do not reconstruct.
    """
    from camvid.sfm.colmap import pycolmap

    names = _photographs(path)
    _check_sizes(path, names)
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)  # failing is a result here
    with tempfile.TemporaryDirectory(prefix="camvid-stills-") as folder:
        database = Path(folder) / "views.db"
        try:
            stated_px = _match(database, path, names)
            models = pycolmap.incremental_mapping(database, path, folder, _mapping_options())
        except (ValueError, RuntimeError) as error:
            found = " ".join(str(error).split())[:80]
            raise unreadable(path, "photographs that COLMAP can read", found) from error
    model = max(models.values(), key=lambda m: m.num_reg_images(), default=None)
    if model is None or model.num_reg_images() < _MIN_VIEWS:
        raise VideoError(
            f"{path}: must hold photographs of one static scene from several places, found"
            f" {len(names)} of which no {_MIN_VIEWS} could be posed; add views between them"
        )
    _adjust(model, stated_px)
    posed = sorted((model.image(i) for i in model.reg_image_ids()), key=lambda image: image.name)
    lens = of_model(model, posed, path, (), footage)
    at = [names.index(image.name) for image in posed]
    cam_from_world = np.full((len(names), 3, 4), np.nan)
    cam_from_world[at] = lens.cam_from_world
    return replace(
        lens,
        footage=tuple(path / name for name in names),
        times_s=np.arange(len(names), dtype=np.float64),
        K=np.broadcast_to(lens.K[0], (len(names), 3, 3)).copy(),
        cam_from_world=cam_from_world,
    )


def _photographs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if is_image(path.name))


def _check_sizes(folder: Path, names: list[str]) -> None:
    """VideoError unless one camera can have taken them, held one way."""
    sizes: dict[str, str] = {}
    for name in names:
        image = decoded(folder / name, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            raise unreadable(folder, "photographs that can be decoded", f"{name} damaged")
        sizes[name] = f"{image.shape[1]}x{image.shape[0]}"
    counts = Counter(sizes.values()).most_common()
    if len(counts) > 1:
        odd = next(name for name in names if sizes[name] == counts[1][0])
        found = ", ".join(f"{count} of {size}" for size, count in counts)
        raise unreadable(folder, "photographs of one size and orientation", f"{found} ({odd})")


def _match(database: Path, folder: Path, names: list[str]) -> float:
    """Features and matches of all pairs; the focal length in pixels that EXIF states, or 0."""
    from camvid.sfm.colmap import pycolmap

    pycolmap.set_random_seed(_SEED)
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "SIMPLE_RADIAL"
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = _MAX_SIDE_PX
    extraction.sift.max_num_features = _MAX_FEATURES
    extraction.num_threads = 1
    matching = pycolmap.FeatureMatchingOptions()
    matching.num_threads = 1
    pycolmap.extract_features(
        database,
        folder,
        names,
        camera_mode=pycolmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
        device=pycolmap.Device.cpu,
    )
    pycolmap.match_exhaustive(database, matching, device=pycolmap.Device.cpu)
    with pycolmap.Database.open(database) as found:
        camera = found.read_camera(1)
    return float(camera.focal_length) if camera.has_prior_focal_length else 0.0


def _mapping_options() -> Any:
    from camvid.sfm.colmap import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = 1  # more threads sum in another order: not the same bits
    options.random_seed = _SEED
    options.multiple_models = False
    options.min_model_size = _MIN_VIEWS
    options.mapper.random_seed = _SEED
    options.mapper.init_min_tri_angle = 4.0
    return options


def _adjust(model: Any, stated_px: float) -> None:
    """All poses, points and the lens once more, with what EXIF or usual lenses say of its focal."""
    from camvid.sfm.bundle import make_adjuster
    from camvid.sfm.lens import USUAL_LENS, focal_prior

    (camera,) = model.cameras.values()
    if stated_px:
        prior = focal_prior(stated_px, _EXIF_SPREAD, num_parameters=4)
    else:
        usual_px = USUAL_LENS.focal * max(camera.width, camera.height)
        prior = focal_prior(usual_px, num_parameters=4)
    adjuster = make_adjuster(model, max_num_iterations=100)
    adjuster.problem.add_residual_block(prior, None, [camera.params])
    adjuster.solve()
