"""What is known of lenses before anything is seen, as costs that join a bundle adjustment.

A weak prior: where the observations tell the focal length it is outvoted a thousand to one. Where
they hardly do (a short way, a straight one, few points), it keeps the focal length among those that
lenses have, when any other would fit as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F64
from camvid.sfm.colmap import pyceres

_ZOOM_SPREAD = 3e-4  # per frame squared: how the growth of the focal length's logarithm changes
# Error of an observation, as errors of a track come together: priors in pixels.
_OBSERVATION_PX = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class LensPrior:
    """What is known of the focal length: that it is usual, unless somebody calibrated the lens.

    Focal lengths are shares of the image's longer side.
    """

    focal: float = 0.9  # 58 degrees across: between a phone's lens and a normal one
    spread: float = 0.4  # give or take this factor
    starts: tuple[float, ...] = (0.85, 1.2, 0.65)  # to map from, where tracks do not tell


CALIBRATED_SPREAD = 0.005  # of a given focal length; zooms and stabilisers leave as much
USUAL_LENS = LensPrior()


class LogFocalCost(pyceres.CostFunction):  # pyright: ignore[reportUntypedBaseClass]
    """A weighted sum of the logarithms of n focal lengths, each over an expected one, should be 0.

    A lens has `num_parameters`, of which the focal length is the first.
    """

    def __init__(self, weights: F64, expected_px: float = 1.0, *, num_parameters: int = 3) -> None:
        super().__init__()
        self.set_num_residuals(1)
        self.set_parameter_block_sizes([num_parameters] * len(weights))
        self._weights, self._expected_px = weights, expected_px

    def Evaluate(
        self, parameters: Sequence[F64], residuals: F64, jacobians: Sequence[F64 | None] | None
    ) -> bool:
        """Called by Ceres with the parameters of each lens."""
        focal_px = np.array([block[0] for block in parameters])
        residuals[0] = self._weights @ np.log(focal_px / self._expected_px)
        for jacobian, weight, focal in zip(jacobians or (), self._weights, focal_px, strict=False):
            if jacobian is not None:
                jacobian[:] = 0.0
                jacobian[0] = weight / focal
        return True


def focal_prior(
    expected_px: float, spread: float = USUAL_LENS.spread, *, num_parameters: int = 3
) -> LogFocalCost:
    """The logarithm of the focal length is that of an expected one, give or take its spread."""
    weights = np.array([_OBSERVATION_PX / spread])
    return LogFocalCost(weights, expected_px, num_parameters=num_parameters)


def smooth_zoom(gap_before: int, gap_after: int) -> LogFocalCost:
    """The focal length grows as fast as it has grown: its logarithm is straight over 3 frames."""
    spread = _ZOOM_SPREAD * 0.5 * (gap_before + gap_after)
    bend = np.array([1 / gap_before, -1 / gap_before - 1 / gap_after, 1 / gap_after])
    return LogFocalCost(_OBSERVATION_PX / spread * bend)
