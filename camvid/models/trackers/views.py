"""Features of views without order, each view matched with each: for photographs, not for video."""

from camvid.artifacts import Frames, ObjectMasks, PointTracks
from camvid.models.features.options import SiftMatcherOptions
from camvid.models.features.sift import Sift
from camvid.models.poses.feature_tracks import FeatureTrackOptions, view_tracks


class ViewTracker:
    """A point tracker without weights; its cost grows with the square of the number of views."""

    def __init__(self, options: SiftMatcherOptions) -> None:
        self._matcher = Sift(options)

    def track(self, frames: Frames, masks: ObjectMasks) -> PointTracks:
        return view_tracks(frames.rgb, masks.object_id, self._matcher, FeatureTrackOptions())
