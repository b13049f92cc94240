"""Incremental mapping of keyframes by COLMAP, with tracks in the place of matched features."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64, I32, Bool
from camvid.parallel import map_threads
from camvid.sfm.colmap import pycolmap
from camvid.sfm.observations import Observations


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOptions:
    """How COLMAP maps the keyframes. Its own defaults refuse short baselines."""

    match_spacings: tuple[int, ...] = (1, 2, 4, 8, 16)  # in keyframes
    min_pair_matches: int = 30
    max_verification_error_px: float = 2.0
    init_min_tri_angle_deg: tuple[float, ...] = (4.0, 1.5)  # tried in turn
    init_min_inliers: int = 50
    initial_focals: tuple[float, ...] = (0.85, 1.0, 1.2, 0.65)  # of the longer side, tried in turn
    global_adjustment_growth: float = 1.5
    min_mapped_fraction: float = 0.5  # of the keyframes; less is worth another try
    seed: int = 0


class Cameras(NamedTuple):
    """Cameras of a clip while they are being solved; NaN where a frame is not registered."""

    K: F64  # [3, 3]
    cam_from_world: F64  # [T, 3, 4]

    @property
    def registered(self) -> Bool:
        return np.isfinite(self.cam_from_world[:, 0, 0])


class _Pair(NamedTuple):
    first: int  # keyframe ordinal
    second: int
    matches: NDArray[np.uint32]  # [n, 2] keypoint rows


def map_keyframes(
    observations: Observations,
    keyframes: I32,
    num_frames: int,
    width_px: int,
    height_px: int,
    initial_focal: float,
    options: MappingOptions,
) -> Cameras | None:
    """Cameras of the keyframes in the largest model found; None where mapping gives none.

    `initial_focal`, over the longer side, is refined; but mapping falls into the nearest valley.
    """
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)  # failing is a result here
    views = [observations.where(observations.frame == k) for k in keyframes]
    best: Cameras | None = None
    with tempfile.TemporaryDirectory(prefix="camvid-sfm-") as folder:
        database_path = Path(folder) / "tracks.db"
        focal_px = initial_focal * max(width_px, height_px)
        camera = pycolmap.Camera.create_from_model_id(
            1, pycolmap.CameraModelId.SIMPLE_PINHOLE, focal_px, width_px, height_px
        )
        _write_database(database_path, views, camera, options)
        for angle_deg in options.init_min_tri_angle_deg:
            found = _map(database_path, keyframes, num_frames, angle_deg, options)
            if found and (best is None or found.registered.sum() > best.registered.sum()):
                best = found
            if best and best.registered.sum() >= options.min_mapped_fraction * len(keyframes):
                break
    return best


def _write_database(
    path: Path, views: list[Observations], camera: pycolmap.Camera, options: MappingOptions
) -> None:
    """One camera, one image per keyframe, its tracks as keypoints, verified pairs of them."""
    pairs = _pairs(views, options)
    verification = pycolmap.TwoViewGeometryOptions()
    verification.detect_watermark = False  # nothing here: static points of a slow camera
    verification.ransac.max_error = options.max_verification_error_px
    verification.ransac.random_seed = options.seed

    def verify(pair: _Pair) -> pycolmap.TwoViewGeometry:
        first, second = views[pair.first].xy_px, views[pair.second].xy_px
        return pycolmap.estimate_two_view_geometry(
            camera, first, camera, second, pair.matches, verification
        )

    geometries = map_threads(verify, pairs)
    with pycolmap.Database.open(path) as database:
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=1)
        rig.add_ref_sensor(camera.sensor_id)
        database.write_rig(rig, use_rig_id=True)
        for ordinal, view in enumerate(views):
            _write_image(database, ordinal, view)
        for pair, geometry in zip(pairs, geometries, strict=True):
            ids = (pair.first + 1, pair.second + 1)
            database.write_matches(*ids, pair.matches)
            database.write_two_view_geometry(*ids, geometry)


def _write_image(database: pycolmap.Database, ordinal: int, view: Observations) -> None:
    image = pycolmap.Image(name=f"{ordinal:04d}", camera_id=1, image_id=ordinal + 1)
    database.write_image(image, use_image_id=True)
    frame = pycolmap.Frame(frame_id=ordinal + 1, rig_id=1)
    frame.add_data_id(image.data_id)
    database.write_frame(frame, use_frame_id=True)
    database.write_keypoints(ordinal + 1, view.xy_px.astype(np.float32))


def _pairs(views: list[Observations], options: MappingOptions) -> list[_Pair]:
    """Keyframe pairs at the wanted spacings with the tracks that they share."""
    pairs: list[_Pair] = []
    for spacing in options.match_spacings:
        for i in range(len(views) - spacing):
            _, first, second = np.intersect1d(
                views[i].track, views[i + spacing].track, assume_unique=True, return_indices=True
            )
            if len(first) >= options.min_pair_matches:
                matches = np.stack([first, second], axis=1).astype(np.uint32)
                pairs.append(_Pair(i, i + spacing, matches))
    return pairs


def _map(
    database_path: Path, keyframes: I32, num_frames: int, angle_deg: float, options: MappingOptions
) -> Cameras | None:
    """The largest model that starts from a pair with this triangulation angle."""
    with tempfile.TemporaryDirectory(dir=database_path.parent) as folder:
        models = pycolmap.incremental_mapping(
            database_path, folder, folder, _pipeline_options(angle_deg, options)
        )
    if not models:
        return None
    model = max(models.values(), key=lambda m: m.num_reg_images())
    cam_from_world = np.full((num_frames, 3, 4), np.nan)
    for image_id in model.reg_image_ids():
        cam_from_world[keyframes[image_id - 1]] = model.image(image_id).cam_from_world().matrix()
    return Cameras(np.asarray(model.camera(1).calibration_matrix()), cam_from_world)


def _pipeline_options(
    angle_deg: float, options: MappingOptions
) -> pycolmap.IncrementalPipelineOptions:
    pipeline = pycolmap.IncrementalPipelineOptions()
    pipeline.num_threads = 1  # more threads sum in another order: not the same bits
    pipeline.random_seed = options.seed
    pipeline.extract_colors = False
    pipeline.multiple_models = False
    pipeline.min_model_size = 3
    pipeline.ba_global_frames_ratio = options.global_adjustment_growth
    pipeline.ba_global_points_ratio = options.global_adjustment_growth
    mapper = pipeline.mapper
    mapper.num_threads = 1
    mapper.random_seed = options.seed
    mapper.init_min_tri_angle = angle_deg
    mapper.init_min_num_inliers = options.init_min_inliers
    mapper.init_max_forward_motion = 0.95 if angle_deg == options.init_min_tri_angle_deg[0] else 1.0
    pipeline.triangulation.random_seed = options.seed
    return pipeline
