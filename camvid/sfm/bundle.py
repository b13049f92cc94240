"""Bundle adjustment of one shared camera, its poses and its points, by pycolmap's Ceres."""

from typing import Any

import numpy as np

from camvid.artifacts import F64
from camvid.sfm.colmap import pycolmap
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import Observations

_LOSS_SCALE_PX = 0.5  # about the noise of a track: what is off by more pulls less
_SHARED_ERROR = 2.0  # sightings of a track err together, so they say less than as many apart


def adjust(
    cameras: Cameras,
    observations: Observations,
    xyz_world: F64,
    width_px: int,
    height_px: int,
    max_num_iterations: int,
) -> Cameras:
    """Cameras with focal length and poses refined; every sighting must have a point and a pose."""
    model = _model(cameras, observations, xyz_world, width_px, height_px)
    _adjuster(model, max_num_iterations).solve()
    cam_from_world = cameras.cam_from_world.copy()
    for image_id in model.reg_image_ids():
        cam_from_world[image_id - 1] = model.image(image_id).cam_from_world().matrix()
    return Cameras(np.asarray(model.camera(1).calibration_matrix()), cam_from_world)


def focal_uncertainty(
    cameras: Cameras,
    observations: Observations,
    xyz_world: F64,
    width_px: int,
    height_px: int,
    noise_px: float,
) -> float:
    """Relative standard deviation of the focal length of adjusted cameras; infinite if unknown.

    From the covariance of the whole adjustment, so it counts what poses and points could make up
    for. `noise_px` is the deviation of a sighting along one axis.
    """
    model = _model(cameras, observations, xyz_world, width_px, height_px)
    adjuster = _adjuster(model, 0)
    adjuster.solve()
    found: Any = pycolmap.estimate_ba_covariance(
        pycolmap.BACovarianceOptions(), model, adjuster
    )  # None where the equations are singular, whatever the stubs say
    variance: Any = found and found.get_other_params_cov(model.camera(1).params)
    if variance is None:
        return float("inf")
    return float(_SHARED_ERROR * noise_px * np.sqrt(variance[0, 0]) / cameras.K[0, 0])


def _adjuster(
    model: pycolmap.Reconstruction, max_num_iterations: int
) -> pycolmap.CeresBundleAdjuster:
    """All poses and points of the model and its focal length, the scale held by two poses."""
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.loss_function_scale = _LOSS_SCALE_PX
    options.ceres.solver_options.num_threads = 1  # more sum in another order: not the same bits
    options.ceres.solver_options.max_num_iterations = max_num_iterations
    options.ceres.solver_options.function_tolerance = 1e-6
    return pycolmap.create_default_ceres_bundle_adjuster(options, config, model)


def _model(
    cameras: Cameras, observations: Observations, xyz_world: F64, width_px: int, height_px: int
) -> pycolmap.Reconstruction:
    """The same cameras, points and sightings as pycolmap has them; image_id = frame + 1."""
    model = pycolmap.Reconstruction()
    camera = pycolmap.Camera.create_from_model_id(
        1, pycolmap.CameraModelId.SIMPLE_PINHOLE, cameras.K[0, 0], width_px, height_px
    )
    model.add_camera_with_trivial_rig(camera)
    row = np.zeros(len(observations.frame), np.intp)  # of each sighting within its image
    for frame_index in np.flatnonzero(cameras.registered):
        of_frame = np.flatnonzero(observations.frame == frame_index)
        row[of_frame] = np.arange(len(of_frame))
        image = pycolmap.Image(
            name=f"{frame_index:04d}",
            keypoints=observations.xy_px[of_frame],
            camera_id=1,
            image_id=int(frame_index) + 1,
        )
        pose = pycolmap.Rigid3d(cameras.cam_from_world[frame_index])
        model.add_image_with_trivial_frame(image, pose)
    order = np.argsort(observations.track, kind="stable")
    tracks, starts = np.unique(observations.track[order], return_index=True)
    for track, group in zip(tracks, np.split(order, starts[1:]), strict=True):
        elements = [
            pycolmap.TrackElement(int(f) + 1, int(r))
            for f, r in zip(observations.frame[group], row[group], strict=True)
        ]
        model.add_point3D(xyz_world[track], pycolmap.Track(elements))
    return model
