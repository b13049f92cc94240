"""Track: keypoints on the background and on each object, once for all that reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from camvid.artifacts import Clip, Frames, MovableMasks, PointTracks
from camvid.models.features.options import SiftMatcherOptions
from camvid.models.protocols import PointTracker
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.models.trackers.options import CoTrackerOptions, TapirOptions
from camvid.outcome import Rejected
from camvid.overlay.masks import overlay_of, without_overlay
from camvid.overlay.paint import painted_over, without_overlay_tracks
from camvid.reasons import Why, missed_limits
from camvid.settings import table
from camvid.stage import Resources
from camvid.tracking.bridging import LIMITS, bridging_fraction
from camvid.tracking.lucas_kanade import LucasKanadeOptions
from camvid.weights import Weight

UNORDERED = "views"  # the backend for photographs, which come in no order


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackConfig(BackendConfig):
    """Which tracker, and how."""

    role: ClassVar[str] = "point tracker"

    known: ClassVar[Mapping[str, Any]] = {
        "lucas_kanade": LucasKanadeOptions(),
        UNORDERED: SiftMatcherOptions(),
        "cotracker": CoTrackerOptions(),
        "tapir": TapirOptions(),
    }

    resources: Resources = table(Resources())

    def build(self) -> "Track":
        return Track(self)


class Track:
    """Clip, Frames, MovableMasks -> PointTracks, unless they show that the clip is two shots."""

    name: ClassVar[str] = "track"
    version: ClassVar[int] = 6
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames, MovableMasks)
    writes: ClassVar[type] = PointTracks

    def __init__(self, config: TrackConfig) -> None:
        self.config = config
        self._tracker: PointTracker = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._tracker)

    def __call__(self, clip: Clip, frames: Frames, masks: MovableMasks) -> PointTracks | Rejected:
        scene = painted_over(frames, overlay_of(masks))
        tracks = self._tracker.track(scene, without_overlay(masks))
        bridging = bridging_fraction(tracks, clip.fps)
        missed = missed_limits({Why.MIN_BRIDGING_FRACTION: bridging}, LIMITS)
        if missed and self.config.backend != UNORDERED:
            return Rejected(missed[0], {"bridging_fraction": bridging})
        return without_overlay_tracks(tracks, masks)
