"""The roles that models play: small Protocols, numpy in and out, one method each."""

from typing import Protocol

from camvid.artifacts import (
    Clip,
    DepthMaps,
    Frames,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.weights import Weight


class ShotDetector(Protocol):
    """Finds where a video cuts."""

    def detect(self, path: str, *, picture_fps: float) -> list[tuple[float, float]]:
        """Shots of the local video as (start_s, end_s), in order, fades left out.

        `picture_fps` is the rate of a folder of pictures, which has no clock of its own.
        """
        ...


class Segmenter(Protocol):
    """Finds everything that may move."""

    weights: tuple[Weight, ...]

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks: ...


class PoseSolver(Protocol):
    """Finds the cameras of the static part of a clip."""

    def solve(self, clip: Clip, frames: Frames, masks: ObjectMasks) -> Reconstruction: ...


class DepthEstimator(Protocol):
    """Gives dense depth in the units of the reconstruction."""

    def estimate(
        self, frames: Frames, masks: ObjectMasks, reconstruction: Reconstruction
    ) -> DepthMaps: ...


class PointTracker(Protocol):
    """Follows keypoints on objects and on the background."""

    def track(self, frames: Frames, masks: ObjectMasks) -> PointTracks: ...
