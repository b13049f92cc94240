"""Which part of a scene's truth its images decide, so that nothing else is scored."""

from dataclasses import dataclass

import numpy as np

from camvid.geometry import camera_centers
from camvid.scenes.truth import SceneTruth, true_motion_strength

MIN_BASELINE = 0.03  # of the median depth: what a camera must travel for depth to show
MIN_STRENGTH = 0.006  # motion below, twice the usual threshold, may be called either way
PAIR_GAP_S = 1 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Observable:
    """Whether the images decide what the truth says.

    A camera that travels less than 3 % of the median depth of the still scene (1.7 degrees of
    parallax) looks like a rotating one. Motion whose strength is neither 0 nor at least 0.006
    (twice the threshold of the usual policy) is neither still nor moving for sure.
    """

    camera: bool
    motion: bool

    @property
    def kind(self) -> bool:
        return self.camera and self.motion


def observable(truth: SceneTruth) -> Observable:
    """What is decidable of a clip."""
    strengths = true_motion_strength(truth, PAIR_GAP_S).values()
    strongest = float(np.nanmax([0.0, *strengths]))
    unseen = bool(truth.moving_ids) and strongest == 0
    return Observable(
        camera=truth.camera != "moving" or relative_baseline(truth) >= MIN_BASELINE,
        motion=(strongest == 0 and not unseen) or strongest >= MIN_STRENGTH,
    )


def relative_baseline(truth: SceneTruth) -> float:
    """The longest way between two of the camera's places, over the still scene's median depth."""
    centres = camera_centers(truth.cam_from_world)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1).max()
    still = ~np.isin(truth.object_id, truth.moving_ids) & (truth.depth > 0)
    return float(apart / np.median(truth.depth[still]))
