"""From the cameras of keyframes to the cameras of all frames: triangulate, register, adjust."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64
from camvid.geometry import camera_centers
from camvid.parallel import map_threads
from camvid.sfm.bundle import adjust, focal_uncertainty
from camvid.sfm.colmap import pycolmap
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import Observations, thinned
from camvid.sfm.triangulation import triangulate

_MIN_PATH_FRAMES = 6  # fewer have no usual step
_LEAST_STEP = 0.3  # of the median step: shorter ones are a camera at rest, or noise


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentOptions:
    """Which sightings and points count, and how often cameras and points are refined in turn."""

    # Of a sighting, in each round with the keyframes; a wrong focal length is far from its valley.
    keyframe_errors_px: tuple[float, ...] = (8.0, 4.0, 2.0)
    max_error_px: float = 2.0  # of a sighting, from then on
    zoom_errors_px: tuple[float, ...] = (4.0, 2.0)  # and where the lens is let zoom
    max_keyframe_iterations: int = 30
    # With all frames: ten iterations for most. Behind a mover over half of the image they left the
    # focal length 85 % off, 4 % by its own account; going on, 0.1 %.
    max_iterations: int = 60
    max_rounds: int = 4  # of adjusting, then triangulating anew ...
    settled_focal: float = 0.002  # ... while this still changes the focal length by so much
    # A zoom and a way forward trade off along a flat valley. A slow zoom behind a mover that takes
    # much of the image was 11 % off after 10, 1 % after 100, for 2 s more; another 1 and 0 %.
    max_zoom_iterations: int = 100
    max_keyframe_observations: int = 8_000  # more cost time, and all frames refine the rest
    max_adjusted_observations: int = 40_000  # more hardly add accuracy
    max_registration_rounds: int = 3
    min_track_frames: int = 3  # two agree with nearly any cameras
    # Of a point that takes part. Further ones hold turns and focal length: without those below a
    # degree a short way has another set of points for every focal length, and agrees with each.
    min_adjusted_angle_deg: float = 0.1
    min_triangulation_angle_deg: float = 1.0  # of one whose place is known
    min_inlier_fraction: float = 0.7  # of a track's sightings: else it is no static point
    max_registration_error_px: float = 4.0
    min_registration_inliers: int = 20
    max_stray_steps: float = 5.0  # a frame so far off its neighbours has no pose
    seed: int = 0
    lens: LensPrior = USUAL_LENS


class Structure(NamedTuple):
    """Static points and the sightings that agree with them."""

    xyz_world: F64  # [N, 3] one per track; NaN where the track gave no static point
    angle_deg: F64  # [N]
    observations: Observations  # only of tracks with a point
    error_px: F64  # [O] of those
    explained_fraction: float  # of all sightings in posed frames, by points near and far

    def seen_apart(self, min_angle_deg: float) -> "Structure":
        """The points that are seen from so far apart."""
        near = self.angle_deg >= min_angle_deg
        kept = near[self.observations.track]
        return Structure(
            np.where(near[:, None], self.xyz_world, np.nan),
            np.where(near, self.angle_deg, 0.0),
            self.observations.where(kept),
            self.error_px[kept],
            self.explained_fraction,
        )


def adjust_keyframes(
    cameras: Cameras,
    observations: Observations,
    num_tracks: int,
    width_px: int,
    height_px: int,
    options: AdjustmentOptions,
) -> Iterator[Cameras]:
    """The cameras refined, round after round, ever stricter about what they must explain."""
    for limit_px in options.keyframe_errors_px:
        structure = find_structure(cameras, observations, num_tracks, limit_px, options)
        effort = options.max_keyframe_iterations, options.max_keyframe_observations
        lens = options.lens
        cameras = _adjusted(cameras, structure, width_px, height_px, *effort, lens, zooms=False)
        yield cameras


def solve_all_frames(
    cameras: Cameras,
    observations: Observations,
    num_tracks: int,
    width_px: int,
    height_px: int,
    options: AdjustmentOptions,
) -> tuple[Cameras, Structure]:
    """Registers the frames between the keyframes, then adjusts all together."""

    def structure_of(cameras: Cameras) -> Structure:
        return find_structure(cameras, observations, num_tracks, options.max_error_px, options)

    structure = structure_of(cameras)
    for _ in range(options.max_registration_rounds):
        before = cameras.registered.sum()
        cameras = register_frames(cameras, observations, structure, width_px, height_px, options)
        if cameras.registered.sum() == before:
            break
        structure = structure_of(cameras)
    effort = options.max_iterations, options.max_adjusted_observations
    lens, zooms = options.lens, cameras.zooms
    for _ in range(options.max_rounds):
        before = cameras
        cameras = _adjusted(cameras, structure, width_px, height_px, *effort, lens, zooms=zooms)
        structure = structure_of(cameras)
        if focals_apart(before, cameras) <= options.settled_focal:
            break
    kept = without_strays(cameras, options.max_stray_steps)
    return kept, structure if kept is cameras else structure_of(kept)


def focals_apart(cameras: Cameras, other: Cameras) -> float:
    """How far the focal lengths are apart, relative."""
    return abs(float(np.log(other.K[0, 0] / cameras.K[0, 0])))


def without_strays(cameras: Cameras, max_steps: float) -> Cameras:
    """The cameras without single frames far off the path, which their few points put anywhere.

    A stray is further from both its neighbours than `max_steps` times the steps around it.
    """
    frames = np.flatnonzero(cameras.registered)
    if len(frames) < _MIN_PATH_FRAMES:
        return cameras
    centers = camera_centers(cameras.cam_from_world[frames])
    step = np.linalg.norm(np.diff(centers, axis=0), axis=1) / np.diff(frames)
    around = np.array([np.median(step[max(k - 4, 0) : k + 5]) for k in range(len(step))])
    jumps = step > max_steps * np.maximum(around, _LEAST_STEP * np.median(step) + 1e-12)
    stray = np.append(jumps, True) & np.append(True, jumps)
    if not stray.any():
        return cameras
    cam_from_world = cameras.cam_from_world.copy()
    cam_from_world[frames[stray]] = np.nan
    return cameras._replace(cam_from_world=cam_from_world)


def let_zoom(
    cameras: Cameras,
    observations: Observations,
    num_tracks: int,
    width_px: int,
    height_px: int,
    options: AdjustmentOptions,
    *,
    num_rounds: int,
) -> tuple[Cameras, Structure]:
    """The same cameras, each with a focal length of its own, which changes smoothly."""
    for limit_px in options.zoom_errors_px[:num_rounds]:
        structure = find_structure(cameras, observations, num_tracks, limit_px, options)
        effort = options.max_zoom_iterations, options.max_adjusted_observations
        lens = options.lens
        cameras = _adjusted(cameras, structure, width_px, height_px, *effort, lens, zooms=True)
    limit_px = options.max_error_px
    return cameras, find_structure(cameras, observations, num_tracks, limit_px, options)


def find_structure(
    cameras: Cameras,
    observations: Observations,
    num_tracks: int,
    max_error_px: float,
    options: AdjustmentOptions,
) -> Structure:
    """Triangulates every track from the posed frames and keeps what agrees with the cameras."""
    seen = observations.where(cameras.registered[observations.frame])
    first = triangulate(cameras, seen, num_tracks)
    close = first.error_px <= max_error_px
    num_seen = np.bincount(seen.track, minlength=num_tracks)
    num_close = np.bincount(seen.track[close], minlength=num_tracks)
    static = (num_close >= options.min_track_frames) & (
        num_close >= options.min_inlier_fraction * num_seen
    )
    kept = seen.where(close & static[seen.track])
    points = triangulate(cameras, kept, num_tracks)
    agrees = points.error_px <= max_error_px
    num_agreeing = np.bincount(kept.track[agrees], minlength=num_tracks)
    valid = (num_agreeing >= options.min_track_frames) & (
        points.angle_deg >= options.min_adjusted_angle_deg
    )
    final = agrees & valid[kept.track]
    return Structure(
        np.where(valid[:, None], points.xyz_world, np.nan),
        np.where(valid, points.angle_deg, 0.0),
        kept.where(final),
        points.error_px[final],
        float(len(kept.track)) / max(len(seen.track), 1),
    )


def register_frames(
    cameras: Cameras,
    observations: Observations,
    structure: Structure,
    width_px: int,
    height_px: int,
    options: AdjustmentOptions,
) -> Cameras:
    """Poses for the frames that have none yet, from the points that they see."""
    camera = pycolmap.Camera.create_from_model_id(
        1, pycolmap.CameraModelId.SIMPLE_PINHOLE, cameras.K[0, 0], width_px, height_px
    )
    estimation = pycolmap.AbsolutePoseEstimationOptions()
    estimation.ransac.max_error = options.max_registration_error_px
    estimation.ransac.random_seed = options.seed

    def register(frame_index: int) -> F64 | None:
        seen = cameras.unzoomed(observations.where(observations.frame == frame_index))
        known = np.isfinite(structure.xyz_world[seen.track, 0])
        if known.sum() < options.min_registration_inliers:
            return None
        found = pycolmap.estimate_and_refine_absolute_pose(
            seen.xy_px[known], structure.xyz_world[seen.track[known]], camera, estimation
        )
        if found is None or found["num_inliers"] < options.min_registration_inliers:
            return None
        return np.asarray(found["cam_from_world"].matrix())

    missing = [int(t) for t in np.flatnonzero(~cameras.registered)]
    cam_from_world = cameras.cam_from_world.copy()
    for frame_index, pose in zip(missing, map_threads(register, missing), strict=True):
        if pose is not None:
            cam_from_world[frame_index] = pose
    return cameras._replace(cam_from_world=cam_from_world)


def _adjusted(
    cameras: Cameras,
    structure: Structure,
    width_px: int,
    height_px: int,
    max_iterations: int,
    max_observations: int,
    lens: LensPrior,
    *,
    zooms: bool,
) -> Cameras:
    if not len(structure.error_px):
        return cameras
    used = thinned(structure.observations, width_px, height_px, max_observations)
    seen = used, structure.xyz_world, width_px, height_px
    return adjust(cameras, *seen, max_iterations, zooms=zooms, lens=lens)


def uncertainty_of_focal(
    cameras: Cameras,
    structure: Structure,
    width_px: int,
    height_px: int,
    options: AdjustmentOptions,
) -> float:
    """Relative standard deviation of the focal length that the adjustment has led to."""
    if not len(structure.error_px):
        return float("inf")
    most = options.max_adjusted_observations
    used = thinned(structure.observations, width_px, height_px, most)
    noise_px = float(np.sqrt(np.mean(structure.error_px**2) / 2))  # along one axis
    seen = used, structure.xyz_world, width_px, height_px
    return focal_uncertainty(cameras, *seen, noise_px, options.lens)
