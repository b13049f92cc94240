"""What is known of lenses before anything is seen, as costs that join a bundle adjustment.

A weak prior: where the sightings tell the focal length it is outvoted a thousand to one. Where
they hardly do (a short way, a straight one, few points), it keeps the focal length among those that
lenses have, when any other would fit as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F64
from camvid.sfm.colmap import pyceres

_ZOOM_SPREAD = 3e-4  # per frame squared: how the growth of the focal length's logarithm changes
_SIGHTING_PX = 0.4  # error of a sighting, as errors of a track come together: priors in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class LensPrior:
    """What is known of the focal length: that it is usual, unless somebody calibrated the lens.

    Focal lengths are shares of the image's longer side.
    """

    focal: float = 0.9
    spread: float = 0.4  # give or take this factor
    starts: tuple[float, ...] = (0.85, 1.2, 0.65)  # to map from, where tracks do not tell


CALIBRATED_SPREAD = 0.005  # of a given focal length; zooms and stabilisers leave as much
USUAL_LENS = LensPrior()


class FocalPrior(pyceres.CostFunction):  # pyright: ignore[reportUntypedBaseClass]
    """The logarithm of the focal length is that of an expected one, give or take its spread."""

    def __init__(
        self, expected_px: float, spread: float = USUAL_LENS.spread, *, num_parameters: int = 3
    ) -> None:
        super().__init__()
        self.set_num_residuals(1)
        self.set_parameter_block_sizes([num_parameters])
        self._expected_px = expected_px
        self._weight = _SIGHTING_PX / spread

    def Evaluate(
        self, parameters: Sequence[F64], residuals: F64, jacobians: Sequence[F64 | None] | None
    ) -> bool:
        """Called by Ceres with (f, cx, cy), and what else the lens has."""
        focal_px = parameters[0][0]
        residuals[0] = self._weight * np.log(focal_px / self._expected_px)
        if jacobians is not None and jacobians[0] is not None:
            jacobians[0][:] = 0.0
            jacobians[0][0] = self._weight / focal_px
        return True


class SmoothZoom(pyceres.CostFunction):  # pyright: ignore[reportUntypedBaseClass]
    """The focal length grows as fast as it has grown: its logarithm is straight over 3 frames."""

    def __init__(self, gap_before: int, gap_after: int) -> None:
        super().__init__()
        self.set_num_residuals(1)
        self.set_parameter_block_sizes([3, 3, 3])
        spread = _ZOOM_SPREAD * 0.5 * (gap_before + gap_after)
        bend = np.array([1 / gap_before, -1 / gap_before - 1 / gap_after, 1 / gap_after])
        self._weights = _SIGHTING_PX / spread * bend

    def Evaluate(
        self, parameters: Sequence[F64], residuals: F64, jacobians: Sequence[F64 | None] | None
    ) -> bool:
        """Called by Ceres with three times (f, cx, cy)."""
        focal_px = np.array([block[0] for block in parameters])
        residuals[0] = self._weights @ np.log(focal_px)
        if jacobians is not None:
            for jacobian, weight, focal in zip(jacobians, self._weights, focal_px, strict=True):
                if jacobian is not None:
                    jacobian[:] = 0.0
                    jacobian[0] = weight / focal
        return True
