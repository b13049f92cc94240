"""Cameras of a clip while structure from motion solves them."""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, Bool
from camvid.geometry import centred_K
from camvid.sfm.observations import Observations


class Cameras(NamedTuple):
    """Cameras of a clip while they are being solved; NaN where a frame is not registered."""

    K: F64  # [3, 3]
    cam_from_world: F64  # [T, 3, 4]
    zoom: F64  # [T] focal length over that of K; 1 throughout where the lens does not zoom

    @classmethod
    def of_lens(cls, focal_px: F64, cam_from_world: F64, size_px: tuple[int, int]) -> "Cameras":
        """Cameras by their focal lengths [T]; K is that of the first frame."""
        focal = float(focal_px[0])
        return cls(centred_K(focal, size_px), cam_from_world, focal_px / focal)

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
        """Observations as a camera of the one K would have had them."""
        center_px = self.K[:2, 2]
        xy_px = (seen.xy_px - center_px) / self.zoom[seen.frame, None] + center_px
        return seen._replace(xy_px=xy_px)
