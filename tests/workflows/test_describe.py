"""The describe stage: classes, segments and caption of a clip; a captioner of one's own."""

import numpy as np

from camvid.artifacts import Clip, Frames, MotionReport, ObjectMasks, PointTracks, Reconstruction
from camvid.camerawork.moves import CameraMove, Description
from camvid.codecs import from_bytes, to_bytes
from camvid.models.protocols import ClipLabels
from stages.describe import DescribeConfig


class Counts:
    """A captioner of one's own."""

    def __init__(self, options: object) -> None:
        self.said = options

    def caption(self, frames: Frames, labels: ClipLabels) -> str | None:
        return f"{len(frames.rgb)} frames, {len(labels.masks.objects)} objects, {self.said}"


def described(config: DescribeConfig, clip: Clip, *artifacts: object) -> Description:
    frames = Frames(rgb=np.zeros((clip.num_frames, 24, 32, 3), np.uint8))
    return config.build()(clip, frames, *artifacts)  # pyright: ignore[reportArgumentType]


def test_the_default_says_camera_and_movers(
    clip: Clip,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    tracks: PointTracks,
    motion: MotionReport,
) -> None:
    found = described(DescribeConfig(), clip, masks, reconstruction, tracks, motion)
    assert found.camera_moves == (CameraMove.TRUCK_LEFT,)
    assert found.caption is not None
    assert found.caption.startswith("The camera trucks left by ")
    assert "object moves" in found.caption
    assert from_bytes(Description, to_bytes(found)) == found


def test_a_captioner_of_ones_own(
    clip: Clip,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    tracks: PointTracks,
    motion: MotionReport,
) -> None:
    config = DescribeConfig(backend=f"{__name__}:Counts", options={"words": 5})
    found = described(config, clip, masks, reconstruction, tracks, motion)
    assert found.caption == "6 frames, 2 objects, {'words': 5}"
