"""From the cameras of keyframes to the cameras of all frames: triangulate, register, adjust."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64
from camvid.geometry import camera_centers
from camvid.parallel import map_threads
from camvid.sfm.bundle import adjust, focal_uncertainty
from camvid.sfm.cameras import Cameras
from camvid.sfm.colmap import SEED, pycolmap
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.observations import Observations, thinned
from camvid.sfm.triangulation import triangulate
from camvid.tracking.tracks import MIN_OBSERVATIONS

_MIN_PATH_FRAMES = 6  # fewer have no usual step
_LEAST_STEP = 0.3  # of the median step: shorter ones are a camera at rest, or noise

# Of an observation, in each round with the keyframes; a wrong focal length is far from its valley.
_KEYFRAME_ERRORS_PX = (8.0, 4.0, 2.0)
MAX_ERROR_PX = 2.0  # of an observation, from then on
_ZOOM_ERRORS_PX = (4.0, 2.0)  # and where the lens is let zoom
_MAX_KEYFRAME_ITERATIONS = 30  # of a round: bounds the work; focal lengths may begin far off
# With all frames: ten are enough for most. Behind a mover over half of the image they left the
# focal length 85 % off, 4 % by its own account; going on, it is 20 % off, and 5.5 % by that.
_MAX_ITERATIONS = 60
_MAX_ROUNDS = 4  # of adjusting, then triangulating anew ...
_SETTLED_FOCAL = 0.002  # ... while this still changes the focal length by so much
# A zoom and a way forward trade off along a flat valley. A slow zoom behind a mover that takes
# much of the image was 11 % off after 10, 1 % after 100, for 2 s more; another 1 and 0 %.
_MAX_ZOOM_ITERATIONS = 100
MAX_KEYFRAME_OBSERVATIONS = 8_000  # more cost time, and all frames refine the rest
_MAX_ADJUSTED_OBSERVATIONS = 40_000  # more hardly add accuracy
_MAX_REGISTRATION_ROUNDS = 3  # bounds the work: each needs points that the last one added
# Of a point that takes part once all frames have poses: far ones hold turns and focal length.
# Without those below a degree a short way has another set of points for every focal length, and
# agrees with each. The keyframes' first, wrong cameras do without: a shaken room came out 5 % off.
_MIN_ADJUSTED_ANGLE_DEG = 0.1
_MIN_TRIANGULATION_ANGLE_DEG = 1.0  # of one whose place is known
MIN_INLIER_FRACTION = 0.7  # of a track's observations: else it is no static point
_MAX_REGISTRATION_ERROR_PX = 4.0  # of inliers: twice MAX_ERROR_PX, as nothing is adjusted yet
_MIN_REGISTRATION_INLIERS = 20  # three make a pose, so many do not agree with it by chance
_MAX_STRAY_STEPS = 5.0  # a frame so far off its neighbours has no pose


class Structure(NamedTuple):
    """Static points and the observations that agree with them."""

    xyz_world: F64  # [N, 3] one per track; NaN where the track gave no static point
    angle_deg: F64  # [N]
    observations: Observations  # only of tracks with a point
    error_px: F64  # [O] of those
    explained_fraction: float  # of all observations in posed frames, by points near and far

    def seen_apart(self) -> "Structure":
        """The points that are seen from far enough apart to know their place."""
        near = self.angle_deg >= _MIN_TRIANGULATION_ANGLE_DEG
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
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
) -> Iterator[Cameras]:
    """The cameras refined, round after round, ever stricter about what they must explain."""
    for limit_px in _KEYFRAME_ERRORS_PX:
        structure = find_structure(cameras, observations, limit_px).seen_apart()
        cameras = _adjusted(
            cameras,
            structure,
            size_px,
            lens,
            max_iterations=_MAX_KEYFRAME_ITERATIONS,
            max_observations=MAX_KEYFRAME_OBSERVATIONS,
        )
        yield cameras


def solve_all_frames(
    cameras: Cameras,
    observations: Observations,
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
) -> tuple[Cameras, Structure]:
    """Registers the frames between the keyframes, then adjusts all together."""
    structure = find_structure(cameras, observations)
    for _ in range(_MAX_REGISTRATION_ROUNDS):
        before = cameras.registered.sum()
        cameras = register_frames(cameras, observations, structure, size_px)
        if cameras.registered.sum() == before:
            break
        structure = find_structure(cameras, observations)
    zooms = cameras.zooms
    for _ in range(_MAX_ROUNDS):
        before = cameras
        cameras = _adjusted(
            cameras, structure, size_px, lens, max_iterations=_MAX_ITERATIONS, zooms=zooms
        )
        structure = find_structure(cameras, observations)
        if focals_apart(before, cameras) <= _SETTLED_FOCAL:
            break
    kept = without_strays(cameras)
    return kept, structure if kept is cameras else find_structure(kept, observations)


def focals_apart(cameras: Cameras, other: Cameras) -> float:
    """How far the focal lengths are apart, relative."""
    return abs(float(np.log(other.K[0, 0] / cameras.K[0, 0])))


class PathSteps(NamedTuple):
    """The steps of a path from each posed frame to the next."""

    frames: NDArray[np.intp]  # [n] posed
    centers: F64  # [n, 3]
    length: F64  # [n - 1] per frame
    around: F64  # [n - 1] the median of the nine about each


def path_steps(cameras: Cameras) -> PathSteps:
    """The steps of the cameras' path."""
    frames = np.flatnonzero(cameras.registered)
    centers = camera_centers(cameras.cam_from_world[frames])
    step = np.linalg.norm(np.diff(centers, axis=0), axis=1) / np.diff(frames)
    around = np.array([np.median(step[max(k - 4, 0) : k + 5]) for k in range(len(step))])
    return PathSteps(frames, centers, step, around)


def without_strays(cameras: Cameras) -> Cameras:
    """The cameras without single frames far off the path, which their few points put anywhere.

    A stray is much further from both its neighbours than the steps around it are long.
    """
    if cameras.registered.sum() < _MIN_PATH_FRAMES:
        return cameras
    frames, _, step, around = path_steps(cameras)
    usual = np.maximum(around, _LEAST_STEP * np.median(step) + 1e-12)
    jumps = step > _MAX_STRAY_STEPS * usual
    stray = np.append(jumps, True) & np.append(True, jumps)
    if not stray.any():
        return cameras
    cam_from_world = cameras.cam_from_world.copy()
    cam_from_world[frames[stray]] = np.nan
    return cameras._replace(cam_from_world=cam_from_world)


def let_zoom(
    cameras: Cameras,
    observations: Observations,
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
    *,
    num_rounds: int,
) -> tuple[Cameras, Structure]:
    """The same cameras, each with a focal length of its own, which changes smoothly."""
    for limit_px in _ZOOM_ERRORS_PX[:num_rounds]:
        structure = find_structure(cameras, observations, limit_px)
        cameras = _adjusted(
            cameras, structure, size_px, lens, max_iterations=_MAX_ZOOM_ITERATIONS, zooms=True
        )
    return cameras, find_structure(cameras, observations)


def find_structure(
    cameras: Cameras, observations: Observations, max_error_px: float = MAX_ERROR_PX
) -> Structure:
    """Triangulates every track from the posed frames and keeps what agrees with the cameras."""
    seen = observations.where(cameras.registered[observations.frame])
    close = triangulate(cameras, seen).error_px <= max_error_px
    num_close = seen.per_track(close)
    static = (num_close >= MIN_OBSERVATIONS) & (num_close >= MIN_INLIER_FRACTION * seen.per_track())
    kept = seen.where(close & static[seen.track])
    points = triangulate(cameras, kept)
    agrees = points.error_px <= max_error_px
    enough = kept.per_track(agrees) >= MIN_OBSERVATIONS
    valid = enough & (points.angle_deg >= _MIN_ADJUSTED_ANGLE_DEG)
    final = agrees & valid[kept.track]
    return Structure(
        np.where(valid[:, None], points.xyz_world, np.nan),
        np.where(valid, points.angle_deg, 0.0),
        kept.where(final),
        points.error_px[final],
        float(len(kept.track)) / max(len(seen.track), 1),
    )


def register_frames(
    cameras: Cameras, observations: Observations, structure: Structure, size_px: tuple[int, int]
) -> Cameras:
    """Poses for the frames that have none yet, from the points that they see."""
    camera = pycolmap.Camera.create_from_model_id(
        1, pycolmap.CameraModelId.SIMPLE_PINHOLE, cameras.K[0, 0], *size_px
    )
    estimation = pycolmap.AbsolutePoseEstimationOptions()
    estimation.ransac.max_error = _MAX_REGISTRATION_ERROR_PX
    estimation.ransac.random_seed = SEED

    def register(frame_index: int) -> F64 | None:
        seen = cameras.unzoomed(observations.where(observations.frame == frame_index))
        known = np.isfinite(structure.xyz_world[seen.track, 0])
        if known.sum() < _MIN_REGISTRATION_INLIERS:
            return None
        found = pycolmap.estimate_and_refine_absolute_pose(
            seen.xy_px[known], structure.xyz_world[seen.track[known]], camera, estimation
        )
        if found is None or found["num_inliers"] < _MIN_REGISTRATION_INLIERS:
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
    size_px: tuple[int, int],
    lens: LensPrior,
    *,
    max_iterations: int,
    max_observations: int = _MAX_ADJUSTED_OBSERVATIONS,
    zooms: bool = False,
) -> Cameras:
    if not len(structure.error_px):
        return cameras
    used = thinned(structure.observations, size_px, max_observations)
    points = structure.xyz_world
    return adjust(cameras, used, points, size_px, max_iterations, zooms=zooms, lens=lens)


def uncertainty_of_focal(
    cameras: Cameras, structure: Structure, size_px: tuple[int, int], lens: LensPrior = USUAL_LENS
) -> float:
    """Relative standard deviation of the focal length that the adjustment has led to."""
    if not len(structure.error_px):
        return float("inf")
    used = thinned(structure.observations, size_px, _MAX_ADJUSTED_OBSERVATIONS)
    noise_px = float(np.sqrt(np.mean(structure.error_px**2) / 2))  # along one axis
    return focal_uncertainty(cameras, used, structure.xyz_world, size_px, noise_px, lens)
