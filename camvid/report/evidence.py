"""The artifacts that a clip's page is drawn from."""

from dataclasses import dataclass

from camvid.artifacts import (
    Clip,
    DepthMaps,
    Frames,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipEvidence:
    """A clip's artifacts, as far as the pipeline got; None where it ended before that stage.

    `depth` is what motion arrows need (observed minus camera-predicted position); without it
    the overlay shows tracks only.
    """

    clip: Clip
    frames: Frames
    masks: ObjectMasks | None = None
    reconstruction: Reconstruction | None = None
    tracks: PointTracks | None = None
    motion: MotionReport | None = None
    verdict: Verdict | None = None
    depth: DepthMaps | None = None

    @property
    def can_predict(self) -> bool:
        """Whether cameras, depth and tracks are there to predict where static points go."""
        return (
            self.tracks is not None
            and self.reconstruction is not None
            and self.reconstruction.has_trajectory
            and self.depth is not None
            and self.depth.source != "none"
        )
