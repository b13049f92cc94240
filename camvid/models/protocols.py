"""The roles that models play: small Protocols, numpy in and out, one method each."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import (
    F32,
    U8,
    Bool,
    Clip,
    DepthMaps,
    Frames,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.camerawork.moves import CameraWork
from camvid.video.decode import SourceFrame
from camvid.weights import Weight


class ShotDetector(Protocol):
    """Finds where a video cuts."""

    def detect(self, frames: Iterable[SourceFrame]) -> list[tuple[float, float]]:
        """Shots of a video as (start_s, end_s), in order, fades left out.

        The frames come in order of time, 256 px at the longer side, and can be had once.
        """
        ...


class Segmenter(Protocol):
    """Finds everything that may move."""

    weights: tuple[Weight, ...]

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks: ...


class PoseSolver(Protocol):
    """Finds the cameras of the static part of a clip."""

    def solve(
        self, clip: Clip, frames: Frames, masks: ObjectMasks, tracks: PointTracks
    ) -> Reconstruction: ...


class DepthEstimator(Protocol):
    """Gives dense depth in the units of the reconstruction.

    `moving` are the ids of the objects that are likelier to move than not: what two frames show of
    them is no parallax.
    """

    def estimate(
        self,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        moving: Collection[int],
    ) -> DepthMaps: ...


class ClipLabels(NamedTuple):
    """All that the stages have found out about a clip."""

    clip: Clip
    masks: ObjectMasks
    reconstruction: Reconstruction
    tracks: PointTracks  # owned by the objects of the masks
    motion: MotionReport
    camera_work: CameraWork


class Captioner(Protocol):
    """Says what a clip shows."""

    def caption(self, frames: Frames, labels: ClipLabels) -> str | None:
        """One sentence or more; None where there is nothing to say."""
        ...


class PointTracker(Protocol):
    """Follows keypoints on objects and on the background."""

    def track(self, frames: Frames, masks: ObjectMasks) -> PointTracks: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageFeatures:
    """Keypoints of one image with their descriptors, which belong to one matcher alone."""

    xy_px: F32  # [N, 2]
    descriptors: F32  # [N, D]
    score: F32  # [N], higher is surer
    width_px: int
    height_px: int


class FeatureMatcher(Protocol):
    """Finds points again between images that may be far apart in time or in view."""

    weights: tuple[Weight, ...]

    def detect(self, rgb: U8, allowed: Bool) -> ImageFeatures:
        """Keypoints of one image [H, W, 3], none where `allowed` [H, W] is False."""
        ...

    def match(self, first: ImageFeatures, second: ImageFeatures) -> NDArray[np.intp]:
        """Rows [M, 2]: which keypoint of the first is which of the second; each at most once."""
        ...
