"""The cameras that someone else gave for a clip, as an artifact beside its frames."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F64
from camvid.checked import Checked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GivenCameras(Checked):
    """As they were given, on the clip's frames: nothing here was solved or tested."""

    K: F64  # [3, 3] in pixels of the clip's frames, square pixels, behind the middle of the image
    zoom: F64  # [T] focal length over that of K
    cam_from_world: F64  # [T, 3, 4]; NaN where a frame has no camera

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        self.check("K", np.float64, (3, 3), dims)
        self.check("zoom", np.float64, ("T",), dims)
        self.check("cam_from_world", np.float64, ("T", 3, 4), dims, finite=False)
