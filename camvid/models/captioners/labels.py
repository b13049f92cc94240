"""Embedded captioner: one sentence from cameras and objects, no model."""

from dataclasses import dataclass

from camvid.artifacts import Frames
from camvid.camerawork.caption import label_caption
from camvid.camerawork.movers import find_movers
from camvid.models.protocols import ClipLabels
from camvid.verdict import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCaptionerOptions:
    """What is worth saying."""

    min_motion_strength: float = Policy().min_motion_strength  # of an object that moves


class LabelCaptioner:
    """Says what the camera does, how far and in which order, and which objects move where."""

    def __init__(self, options: LabelCaptionerOptions) -> None:
        self._options = options

    def caption(self, frames: Frames, labels: ClipLabels) -> str | None:
        movers = find_movers(
            labels.masks.objects,
            labels.tracks,
            labels.motion,
            max(labels.clip.width_px, labels.clip.height_px),
            self._options.min_motion_strength,
        )
        return label_caption(labels.camera_work, movers)
