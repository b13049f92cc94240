"""Mapping of keyframes by COLMAP, in two ways, with tracks in the place of matched features."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import I32
from camvid.parallel import map_threads
from camvid.sfm.cameras import Cameras
from camvid.sfm.colmap import SEED, pycolmap
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.observations import Observations, thinned

# Its own defaults refuse short baselines.
_MATCH_SPACINGS = (1, 2, 4, 8, 16)  # in keyframes
_MAX_VIEW_TRACKS = 250  # of a keyframe, in the mean: more cost time; adjustment has all
_MIN_PAIR_MATCHES = 30  # COLMAP asks for 15 inliers of a pair: half may be wrong
_MAX_VERIFICATION_ERROR_PX = 2.0  # of inliers; COLMAP's 4 is for features, less exact than tracks
_INIT_MIN_TRI_ANGLE_DEG = (4.0, 1.5)  # tried in turn
_INIT_MIN_INLIERS = 50  # COLMAP's 100 would be two in five of a keyframe's tracks
_GLOBAL_ADJUSTMENT_GROWTH = 1.5  # till all is adjusted again: a quarter as often as at COLMAP's 1.1
_MIN_MAPPED_FRACTION = 0.5  # of the keyframes; less is worth another try


class _Pair(NamedTuple):
    first: int  # keyframe ordinal
    second: int
    matches: NDArray[np.uint32]  # [n, 2] keypoint rows


def map_keyframes(
    observations: Observations,
    keyframes: I32,
    num_frames: int,
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
) -> Iterator[Cameras]:
    """Cameras of the keyframes, solved one way after the other for as long as the caller asks.

    Global mapping takes all views at once; incremental mapping adds view after view, takes longer
    and errs in other cases. Both begin at the focal length that suits the epipolar geometries
    best, then at usual ones far from it, and refine it. A way that leads nowhere is left out.
    """
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)  # failing is a result here
    seen = observations.where(np.isin(observations.frame, keyframes))
    seen = thinned(seen, size_px, _MAX_VIEW_TRACKS * len(keyframes))
    views = [seen.where(seen.frame == k) for k in keyframes]
    long_side_px = max(size_px)
    with tempfile.TemporaryDirectory(prefix="camvid-sfm-") as folder:
        path = Path(folder) / "tracks.db"
        camera = pycolmap.Camera.create_from_model_id(
            1, pycolmap.CameraModelId.SIMPLE_PINHOLE, long_side_px, *size_px
        )
        _write_database(path, views, camera)
        first = _calibrated_focal(path)
        focals = [first, *sorted(lens.starts, key=lambda f: -abs(np.log(f / first)))]
        tries = [(way, f) for way in (_map_globally, _map_incrementally) for f in focals[:2]]
        tries += [(way, f) for f in focals[2:] for way in (_map_globally, _map_incrementally)]
        for way, focal in tries:
            camera.focal_length = focal * long_side_px
            with pycolmap.Database.open(path) as database:
                database.update_camera(camera)
            model = way(path)
            if model is not None:
                yield _cameras_of(model, keyframes, num_frames)


def _calibrated_focal(path: Path) -> float:
    """The focal length, over the longer side, that suits the verified pairs best."""
    calibration = pycolmap.ViewGraphCalibrationOptions()
    calibration.random_seed = SEED
    pycolmap.calibrate_view_graph(path, calibration)  # where it fails the camera stays as it was
    with pycolmap.Database.open(path) as database:
        camera = database.read_camera(1)
    return float(camera.focal_length / max(camera.width, camera.height))


def _write_database(path: Path, views: list[Observations], camera: pycolmap.Camera) -> None:
    """One camera, one image per keyframe, its tracks as keypoints, verified pairs of them.

    Pairs are verified without the focal length, which is not known yet.
    """
    pairs = _pairs(views)
    verification = pycolmap.TwoViewGeometryOptions()
    verification.detect_watermark = False  # nothing here: static points of a slow camera
    verification.ransac.max_error = _MAX_VERIFICATION_ERROR_PX
    verification.ransac.random_seed = SEED

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


def _pairs(views: list[Observations]) -> list[_Pair]:
    """Keyframe pairs at the wanted spacings with the tracks that they share."""
    pairs: list[_Pair] = []
    for spacing in _MATCH_SPACINGS:
        for i in range(len(views) - spacing):
            _, first, second = np.intersect1d(
                views[i].track, views[i + spacing].track, assume_unique=True, return_indices=True
            )
            if len(first) >= _MIN_PAIR_MATCHES:
                matches = np.stack([first, second], axis=1).astype(np.uint32)
                pairs.append(_Pair(i, i + spacing, matches))
    return pairs


def _map_incrementally(path: Path) -> pycolmap.Reconstruction | None:
    """The largest model that view after view leads to, from a first pair with enough parallax."""
    with pycolmap.Database.open(path) as database:
        num_views = database.num_images()
    best: pycolmap.Reconstruction | None = None
    for angle_deg in _INIT_MIN_TRI_ANGLE_DEG:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            models = pycolmap.incremental_mapping(
                path, folder, folder, _pipeline_options(angle_deg)
            )
        best = _largest([*models.values(), *([best] if best else [])])
        if best and best.num_reg_images() >= _MIN_MAPPED_FRACTION * num_views:
            break
    return best


def _map_globally(path: Path) -> pycolmap.Reconstruction | None:
    """The largest model of all views at once (GLOMAP; Pan et al., ECCV 2024)."""
    pipeline = pycolmap.GlobalPipelineOptions()
    pipeline.num_threads = 1  # more threads sum in another order: not the same bits
    pipeline.random_seed = SEED
    pipeline.mapper.skip_retriangulation = True  # every track is triangulated again anyway
    pipeline.mapper.ba_num_iterations = 1
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        models = pycolmap.global_mapping(path, folder, folder, pipeline)
    return _largest(list(models.values()))


def _largest(models: list[pycolmap.Reconstruction]) -> pycolmap.Reconstruction | None:
    return max(models, key=lambda model: model.num_reg_images(), default=None)


def _cameras_of(model: pycolmap.Reconstruction, keyframes: I32, num_frames: int) -> Cameras:
    cam_from_world = np.full((num_frames, 3, 4), np.nan)
    for image_id in model.reg_image_ids():
        cam_from_world[keyframes[image_id - 1]] = model.image(image_id).cam_from_world().matrix()
    K = np.asarray(model.camera(1).calibration_matrix())
    return Cameras(K, cam_from_world, np.ones(num_frames))


def _pipeline_options(angle_deg: float) -> pycolmap.IncrementalPipelineOptions:
    pipeline = pycolmap.IncrementalPipelineOptions()
    pipeline.num_threads = 1  # more threads sum in another order: not the same bits
    pipeline.random_seed = SEED
    pipeline.extract_colors = False
    pipeline.multiple_models = False
    pipeline.min_model_size = 3
    pipeline.ba_global_frames_ratio = _GLOBAL_ADJUSTMENT_GROWTH
    pipeline.ba_global_points_ratio = _GLOBAL_ADJUSTMENT_GROWTH
    mapper = pipeline.mapper
    mapper.num_threads = 1
    mapper.random_seed = SEED
    mapper.init_min_tri_angle = angle_deg
    mapper.init_min_num_inliers = _INIT_MIN_INLIERS
    mapper.init_max_forward_motion = 0.95 if angle_deg == _INIT_MIN_TRI_ANGLE_DEG[0] else 1.0
    pipeline.triangulation.random_seed = SEED
    return pipeline
