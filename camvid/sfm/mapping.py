"""Mapping of keyframes by COLMAP, in two ways, with tracks in the place of matched features."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64, I32, Bool
from camvid.parallel import map_threads
from camvid.sfm.colmap import pycolmap
from camvid.sfm.observations import Observations, thinned


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOptions:
    """How COLMAP maps the keyframes. Its own defaults refuse short baselines."""

    match_spacings: tuple[int, ...] = (1, 2, 4, 8, 16)  # in keyframes
    max_view_tracks: int = 250  # of a keyframe, in the mean: more cost time; adjustment has all
    min_pair_matches: int = 30
    max_verification_error_px: float = 2.0
    init_min_tri_angle_deg: tuple[float, ...] = (4.0, 1.5)  # tried in turn
    init_min_inliers: int = 50
    usual_focals: tuple[float, ...] = (0.85, 1.2, 0.65)  # of the longer side: tried where needed
    global_adjustment_growth: float = 1.5
    min_mapped_fraction: float = 0.5  # of the keyframes; less is worth another try
    seed: int = 0


class Cameras(NamedTuple):
    """Cameras of a clip while they are being solved; NaN where a frame is not registered."""

    K: F64  # [3, 3]
    cam_from_world: F64  # [T, 3, 4]
    zoom: F64  # [T] focal length over that of K; 1 throughout where the lens does not zoom

    @classmethod
    def of_lens(
        cls, focal_px: F64, cam_from_world: F64, width_px: int, height_px: int
    ) -> "Cameras":
        """Cameras by their focal lengths [T]; K is that of the first frame."""
        focal = float(focal_px[0])
        K = np.array([[focal, 0, width_px / 2], [0, focal, height_px / 2], [0, 0, 1]])
        return cls(K, cam_from_world, focal_px / focal)

    @property
    def registered(self) -> Bool:
        return np.isfinite(self.cam_from_world[:, 0, 0])

    @property
    def focal_px(self) -> F64:
        """[T]"""
        return self.K[0, 0] * self.zoom

    @property
    def zooms(self) -> bool:
        return bool((self.zoom != 1).any())

    def at(self, frames: Bool) -> "Cameras":
        """Those of some frames [T]; the others have none."""
        return self._replace(
            cam_from_world=np.where(frames[:, None, None], self.cam_from_world, np.nan)
        )

    def unzoomed(self, seen: Observations) -> Observations:
        """Sightings as a camera of the one K would have had them."""
        center_px = self.K[:2, 2]
        xy_px = (seen.xy_px - center_px) / self.zoom[seen.frame, None] + center_px
        return seen._replace(xy_px=xy_px)


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
    options: MappingOptions,
) -> Iterator[Cameras]:
    """Cameras of the keyframes, solved one way after the other for as long as the caller asks.

    Global mapping takes all views at once; incremental mapping adds view after view, takes longer
    and errs in other cases. Both begin at the focal length that suits the epipolar geometries
    best, then at usual ones far from it, and refine it. A way that leads nowhere is left out.
    """
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)  # failing is a result here
    seen = observations.where(np.isin(observations.frame, keyframes))
    seen = thinned(seen, width_px, height_px, options.max_view_tracks * len(keyframes))
    views = [seen.where(seen.frame == k) for k in keyframes]
    long_side_px = max(width_px, height_px)
    with tempfile.TemporaryDirectory(prefix="camvid-sfm-") as folder:
        path = Path(folder) / "tracks.db"
        camera = pycolmap.Camera.create_from_model_id(
            1, pycolmap.CameraModelId.SIMPLE_PINHOLE, long_side_px, width_px, height_px
        )
        _write_database(path, views, camera, options)
        first = _calibrated_focal(path, options)
        focals = [first, *sorted(options.usual_focals, key=lambda f: -abs(np.log(f / first)))]
        tries = [(way, f) for way in (_map_globally, _map_incrementally) for f in focals[:2]]
        tries += [(way, f) for f in focals[2:] for way in (_map_globally, _map_incrementally)]
        for way, focal in tries:
            camera.focal_length = focal * long_side_px
            with pycolmap.Database.open(path) as database:
                database.update_camera(camera)
            model = way(path, options)
            if model is not None:
                yield _cameras_of(model, keyframes, num_frames)


def _calibrated_focal(path: Path, options: MappingOptions) -> float:
    """The focal length, over the longer side, that suits the verified pairs best."""
    calibration = pycolmap.ViewGraphCalibrationOptions()
    calibration.random_seed = options.seed
    pycolmap.calibrate_view_graph(path, calibration)  # where it fails the camera stays as it was
    with pycolmap.Database.open(path) as database:
        camera = database.read_camera(1)
    return float(camera.focal_length / max(camera.width, camera.height))


def _write_database(
    path: Path, views: list[Observations], camera: pycolmap.Camera, options: MappingOptions
) -> None:
    """One camera, one image per keyframe, its tracks as keypoints, verified pairs of them.

    Pairs are verified without the focal length, which is not known yet.
    """
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


def _map_incrementally(path: Path, options: MappingOptions) -> pycolmap.Reconstruction | None:
    """The largest model that view after view leads to, from a first pair with enough parallax."""
    with pycolmap.Database.open(path) as database:
        num_views = database.num_images()
    best: pycolmap.Reconstruction | None = None
    for angle_deg in options.init_min_tri_angle_deg:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            models = pycolmap.incremental_mapping(
                path, folder, folder, _pipeline_options(angle_deg, options)
            )
        best = _largest([*models.values(), *([best] if best else [])])
        if best and best.num_reg_images() >= options.min_mapped_fraction * num_views:
            break
    return best


def _map_globally(path: Path, options: MappingOptions) -> pycolmap.Reconstruction | None:
    """The largest model of all views at once (GLOMAP; Pan et al., ECCV 2024)."""
    pipeline = pycolmap.GlobalPipelineOptions()
    pipeline.num_threads = 1  # more threads sum in another order: not the same bits
    pipeline.random_seed = options.seed
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
