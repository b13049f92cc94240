"""Are these cameras to be trusted? "All registered" and "low error" prove nothing on their own."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from camvid.artifacts import ReconstructionQuality
from camvid.geometry import camera_centers
from camvid.outcome import Reason
from camvid.reasons import Why, missed_limits
from camvid.sfm.adjustment import Structure, path_steps
from camvid.sfm.cameras import Cameras
from camvid.sfm.lens_evidence import LensEvidence
from camvid.sfm.observations import Observations
from camvid.sfm.triangulation import triangulate

_UNEXPLAINED_PX = 3.0  # an observation counts no more: how far off a wrong one lies says nothing
_MIN_STEPS = 8  # fewer agree by chance
_SURE_TRIANGULATION_ANGLE_DEG = 3.0  # median from which no agreement of steps is asked
_HELD_OUT_ERROR_PX = 1.5  # of an inlier: well above the mean error that good cameras have
_MIN_HELD_OUT_FRAMES = 5  # of a track that may judge


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceLimits:
    """The limits that cameras must keep; a failed one is the reason a person reads."""

    min_registered_fraction: float = 0.8  # of the frames: the rule of DynPose-100K
    # Good runs come to 0.25 to 0.65, silently wrong ones to 0.85 to 1.1.
    max_mean_reprojection_error_px: float = 0.8
    # At 1 degree and a focal length of 570 px half a pixel of error is 5 % of a point's depth.
    min_median_triangulation_angle_deg: float = 1.0
    min_focal_ratio: float = 0.3  # of the longer image side: a collapsed focal length fails
    max_focal_ratio: float = 4.0  # 14 degrees across: beyond, perspective hardly shows
    # Relative deviation: turns, and the shape of depth, err by as much. Of 50 scenes and real clips
    # with a known focal length, all 45 below 0.03 are off by 2.4 % at most; the five at 0.06 to 0.1
    # by 0.1, 0.6, 9, 9 and 23 %. Of 20 more, with a mover over half of the image, the 18 up to
    # 0.021 by 1.2 % at most; those at 0.055 and 0.057 by 20 and 3 %.
    max_focal_uncertainty: float = 0.05
    min_points_per_frame: float = 40.0  # bare rooms show few; fewer may all lie on one small thing
    min_explained_fraction: float = 0.5  # of the observations, by static points near and far
    min_border_share: float = 0.5  # of the border must be explained: else a mover was solved
    min_inlier_fraction: float = 0.85  # of held-out observations that some static point explains
    max_trajectory_jump: float = 5.0  # step between frames against the steps around it
    # Where depth hardly shows, a lens that shifts to calm the image passes for a camera that
    # does: its path has no direction. Photographs far apart need none.
    min_step_agreement: float = 0.5  # correlation of a step with the next
    min_parallax_to_error: float = 5.0  # what a rotation leaves of the flow, against the error
    # Of the static tracks, those that a flat image sliding past leaves over. Ten scrolled pages and
    # photographs panned over come to 0.013 at most, 38 scenes and real clips to 0.39 at least.
    min_off_flat_image_fraction: float = 0.1
    # Of the corner's distance from the middle, in the least that the lens has moved the corner.
    # 31 undistorted scenes and real clips come to 0.014 at most, but for one whose focal length is
    # wrong by a fifth; a k1 of -0.1 at a focal length of 533 px for 640 comes to 0.045.
    max_radial_distortion: float = 0.03
    # Of the focal length, relative, in the least that this puts it off: on some paths a little
    # distortion does a lot. As much as its uncertainty may be. Tracks bent by a k1 of -0.3 to 0.1:
    # told to about a fifth.
    max_distortion_focal_error: float = 0.1
    # Of the squared error, what an offset of the principal point in every frame explains. Scenes
    # come to 0.07 at most, hand-held clips to 0.41; stabilised by software, 23 of 35 made ones to
    # 0.46 and more.
    max_center_wander_fraction: float = 0.45
    # Of the focal length, relative: the deviation that these offsets give it. Scenes come to 0.006
    # at most, hand-held clips to 0.10; of the other 12 made ones the eight to 0.14 and more whose
    # focal length is 9.5 to 65 % off, and to 0.06 at most the four where it is 1 to 4 % off.
    max_center_wander_focal_error: float = 0.12
    # Of the longer side, in the least that the principal point is off the image's middle: cropped
    # video. 60 scenes and clips whose middle is known come to 0.013 at most, other real clips to
    # 0.035; one cropped by a quarter to 0.065, with its focal length 10 % off.
    max_center_shift: float = 0.05


LIMITS = AcceptanceLimits()


class Evidence(NamedTuple):
    """What else speaks for or against cameras."""

    border_share: float  # of the image's border that they explain
    off_flat_image: float  # share of static tracks that no flat image sliding past explains
    lens: LensEvidence


def measure_quality(
    before: ReconstructionQuality, cameras: Cameras, structure: Structure, held_out: Observations
) -> ReconstructionQuality:
    """What was known before mapping, together with the measures of the solution."""
    registered = cameras.registered
    has_point = np.isfinite(structure.xyz_world[:, 0])
    num_observations = len(structure.error_px)
    return replace(
        before,
        registered_fraction=float(registered.mean()),
        num_points=int(has_point.sum()),
        points_per_frame=num_observations / max(int(registered.sum()), 1),
        mean_reprojection_error_px=float(structure.error_px.mean()) if num_observations else np.nan,
        median_triangulation_angle_deg=(
            float(np.median(structure.angle_deg[has_point])) if has_point.any() else 0.0
        ),
        focal_px=float(cameras.K[0, 0]),
        inlier_fraction=_held_out_inliers(cameras, held_out),
    )


def with_lens_uncertainty(
    accepted: ReconstructionQuality, lens: LensEvidence
) -> ReconstructionQuality:
    """Counts what the lens may have done to the focal length, though not enough to refuse it."""
    distortion = lens.focal_shift.least
    errors = accepted.focal_uncertainty, distortion, lens.wander_focal_deviation
    return replace(accepted, focal_uncertainty=float(np.linalg.norm(errors)))


def failed_tests(
    quality: ReconstructionQuality,
    cameras: Cameras,
    structure: Structure,
    evidence: Evidence,
    long_side_px: int,
) -> tuple[Reason, ...]:
    """Every limit that the solution misses; empty if it is accepted."""
    focal = quality.focal_px / long_side_px
    lens = evidence.lens
    depth_shows = quality.median_triangulation_angle_deg >= _SURE_TRIANGULATION_ANGLE_DEG
    agreement = {} if depth_shows else {Why.MIN_STEP_AGREEMENT: step_agreement(cameras)}
    measured: dict[Why, float] = {
        Why.MIN_REGISTERED_FRACTION: quality.registered_fraction,
        Why.MIN_MEDIAN_TRIANGULATION_ANGLE_DEG: quality.median_triangulation_angle_deg,
        Why.MIN_FOCAL_RATIO: focal,
        Why.MIN_POINTS_PER_FRAME: quality.points_per_frame,
        Why.MIN_EXPLAINED_FRACTION: structure.explained_fraction,
        Why.MIN_BORDER_SHARE: evidence.border_share,
        Why.MIN_INLIER_FRACTION: quality.inlier_fraction,
        Why.MIN_PARALLAX_TO_ERROR: (
            quality.rotation_residual_px / quality.mean_reprojection_error_px
        ),
        Why.MIN_OFF_FLAT_IMAGE_FRACTION: evidence.off_flat_image,
        **agreement,
        Why.MAX_MEAN_REPROJECTION_ERROR_PX: quality.mean_reprojection_error_px,
        Why.MAX_FOCAL_RATIO: focal,
        Why.MAX_FOCAL_UNCERTAINTY: quality.focal_uncertainty,
        Why.MAX_TRAJECTORY_JUMP: trajectory_jump(cameras),
        Why.MAX_RADIAL_DISTORTION: lens.corner_shift.least,
        Why.MAX_DISTORTION_FOCAL_ERROR: lens.focal_shift.least,
        Why.MAX_CENTER_WANDER_FRACTION: lens.wander_fraction,
        Why.MAX_CENTER_WANDER_FOCAL_ERROR: lens.wander_focal_deviation,
        Why.MAX_CENTER_SHIFT: math.hypot(*(s.least for s in lens.center_shift)),
    }
    return missed_limits(measured, LIMITS)


def held_out_error_px(cameras: Cameras, held_out: Observations) -> float:
    """Mean error of tracks that the solver has not seen: what solutions are compared by.

    An observation that no static point explains, or in a frame without camera, counts as
    a few pixels.
    """
    posed = cameras.registered[held_out.frame]
    errors = triangulate(cameras, held_out.where(posed)).error_px
    missing = np.full(len(posed) - len(errors), _UNEXPLAINED_PX)
    every = np.concatenate([np.minimum(errors, _UNEXPLAINED_PX), missing])
    return float(every.mean()) if len(every) else _UNEXPLAINED_PX


def trajectory_jump(cameras: Cameras) -> float:
    """The longest step between posed frames, per frame, against the median of the steps around.

    Steps shorter than a hundredth of the trajectory's extent are noise, not a measure.
    """
    if cameras.registered.sum() < 3:
        return 0.0
    path = path_steps(cameras)
    floor = 0.01 * float(np.linalg.norm(np.ptp(path.centers, axis=0)))
    return float((path.length / np.maximum(path.around, floor + 1e-12)).max())


def step_agreement(cameras: Cameras) -> float:
    """Correlation of the steps of the path with the next ones, at the spacing where it is highest.

    1 is a straight path, or one too short to tell; 0 is steps in any direction; noise about one
    place comes to -0.5.
    """
    centers = camera_centers(cameras.cam_from_world[cameras.registered])
    if len(centers) < _MIN_STEPS:
        return 1.0
    best, spacing = -1.0, 1
    while spacing * _MIN_STEPS <= len(centers):
        ways = [np.diff(centers[start::spacing], axis=0) for start in range(spacing)]
        along = sum(float((step[1:] * step[:-1]).sum()) for step in ways)
        length = sum(float((step * step).sum()) for step in ways)
        best = max(best, along / max(length, 1e-30))
        spacing *= 2
    return best


def _held_out_inliers(cameras: Cameras, held_out: Observations) -> float:
    """Share of observations, of tracks the solver has not seen, that one static point explains."""
    seen = held_out.where(cameras.registered[held_out.frame]).lasting(_MIN_HELD_OUT_FRAMES)
    if not len(seen.track):
        return 0.0
    error_px = triangulate(cameras, seen).error_px
    return float(np.mean(error_px <= _HELD_OUT_ERROR_PX))
