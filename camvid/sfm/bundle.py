"""Bundle adjustment of the lens, the poses and the points of one clip, by pycolmap's Ceres."""

from typing import Any, NamedTuple

import numpy as np

from camvid.artifacts import F64
from camvid.sfm.cameras import Cameras
from camvid.sfm.colmap import pycolmap
from camvid.sfm.lens import USUAL_LENS, LensPrior, LogFocalCost, focal_prior, smooth_zoom
from camvid.sfm.observations import Observations

LOSS_SCALE_PX = 0.5  # about the noise of a track: what is off by more pulls less
SHARED_ERROR = 2.0  # observations of a track err together, so they say less than as many apart


def adjust(
    cameras: Cameras,
    observations: Observations,
    xyz_world: F64,
    size_px: tuple[int, int],
    max_num_iterations: int,
    *,
    zooms: bool = False,
    lens: LensPrior = USUAL_LENS,
) -> Cameras:
    """Cameras with focal length and poses refined; every observation must have a point and a pose.

    A lens that `zooms` has a focal length in every frame, which changes smoothly.
    """
    model = _model(cameras, observations, xyz_world, size_px, zooms=zooms)
    _solve(model, max_num_iterations, lens, zooms=zooms)
    cam_from_world = cameras.cam_from_world.copy()
    posed = np.flatnonzero(cameras.registered)
    for frame_index in posed:
        cam_from_world[frame_index] = model.image(frame_index + 1).cam_from_world().matrix()
    seen_by = [model.camera(model.image(frame_index + 1).camera_id) for frame_index in posed]
    log_focal = np.log([camera.focal_length for camera in seen_by])
    focal_px = np.exp(np.interp(np.arange(len(cam_from_world)), posed, log_focal))
    return Cameras.of_lens(focal_px, cam_from_world, size_px)


def focal_uncertainty(
    cameras: Cameras,
    observations: Observations,
    xyz_world: F64,
    size_px: tuple[int, int],
    noise_px: float,
    lens: LensPrior = USUAL_LENS,
) -> float:
    """Relative standard deviation of the focal length of adjusted cameras; infinite if unknown.

    From the covariance of the whole adjustment, so it counts what poses and points could make up
    for. `noise_px` is the deviation of an observation along one axis.
    """
    zooms = cameras.zooms
    model = _model(cameras, observations, xyz_world, size_px, zooms=zooms)
    solved = _solve(model, 0, lens, zooms=zooms)
    found: Any = pycolmap.estimate_ba_covariance(
        pycolmap.BACovarianceOptions(), model, solved.adjuster
    )  # None where the equations are singular, whatever the stubs say
    image_id = model.reg_image_ids()[model.num_reg_images() // 2]
    camera = model.camera(model.image(image_id).camera_id)
    variance: Any = found and found.get_other_params_cov(camera.params)
    if variance is None:
        return float("inf")
    return float(SHARED_ERROR * noise_px * np.sqrt(variance[0, 0]) / camera.focal_length)


class _Solved(NamedTuple):
    adjuster: pycolmap.CeresBundleAdjuster
    priors: list[LogFocalCost]  # Ceres calls them but does not keep them alive


def _solve(
    model: pycolmap.Reconstruction, max_num_iterations: int, lens: LensPrior, *, zooms: bool
) -> _Solved:
    """Adjusts the model, with what lenses are like for where the observations do not tell."""
    adjuster = make_adjuster(model, max_num_iterations)
    ids = sorted(model.reg_image_ids())
    seen_by = [model.camera(model.image(image_id).camera_id) for image_id in ids]
    middle = seen_by[len(seen_by) // 2]
    priors = [focal_prior(lens.focal * max(middle.width, middle.height), lens.spread)]
    adjuster.problem.add_residual_block(priors[0], None, [middle.params])
    for k in range(len(ids) - 2 if zooms else 0):
        priors.append(smooth_zoom(ids[k + 1] - ids[k], ids[k + 2] - ids[k + 1]))
        three = [camera.params for camera in seen_by[k : k + 3]]
        adjuster.problem.add_residual_block(priors[-1], None, three)
    adjuster.solve()
    return _Solved(adjuster, priors)


def make_adjuster(
    model: pycolmap.Reconstruction, max_num_iterations: int
) -> pycolmap.CeresBundleAdjuster:
    """All poses and points of the model and its lens, the scale held by two poses."""
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.loss_function_scale = LOSS_SCALE_PX
    options.ceres.solver_options.num_threads = 1  # more sum in another order: not the same bits
    options.ceres.solver_options.max_num_iterations = max_num_iterations
    options.ceres.solver_options.function_tolerance = 1e-5
    return pycolmap.create_default_ceres_bundle_adjuster(options, config, model)


def _model(
    cameras: Cameras,
    observations: Observations,
    xyz_world: F64,
    size_px: tuple[int, int],
    *,
    zooms: bool,
) -> pycolmap.Reconstruction:
    """The same cameras, points and observations as pycolmap has them; image_id = frame + 1.

    One camera for all frames or, where it zooms, one for each, with its image's id.
    """
    model = pycolmap.Reconstruction()
    posed = np.flatnonzero(cameras.registered)
    focals_px = cameras.focal_px
    for frame_index in posed if zooms else posed[:1]:
        camera = pycolmap.Camera.create_from_model_id(
            int(frame_index) + 1 if zooms else 1,
            pycolmap.CameraModelId.SIMPLE_PINHOLE,
            focals_px[frame_index],
            *size_px,
        )
        model.add_camera_with_trivial_rig(camera)
    row = np.zeros(len(observations.frame), np.intp)  # of each observation within its image
    for frame_index in posed:
        of_frame = np.flatnonzero(observations.frame == frame_index)
        row[of_frame] = np.arange(len(of_frame))
        image = pycolmap.Image(
            name=f"{frame_index:04d}",
            keypoints=observations.xy_px[of_frame],
            camera_id=int(frame_index) + 1 if zooms else 1,
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
