"""What moves against the background, for networks that cannot say what a thing is."""

import numpy as np

from camvid.artifacts import U8, ObjectMasks
from camvid.segmentation.evidence import EvidenceOptions, motion_evidence
from camvid.segmentation.flow import ClipFlow, clip_flow
from camvid.segmentation.objects import ObjectOptions, find_objects


def evidence_alone(flow: ClipFlow, fps: float) -> list[U8]:
    """Per frame, [h, w] evidence of motion, 128 at the threshold, with nothing known beforehand."""
    nothing = [np.zeros_like(picture) for picture in flow.gray]
    return motion_evidence(flow, nothing, fps, EvidenceOptions()).strength


def moving_objects(rgb: U8, fps: float, working_side_px: int) -> ObjectMasks:
    """The objects of pictures rgb [T, H, W, 3] that move, outlined roughly."""
    flow = clip_flow(rgb, working_side_px)
    nothing = [np.zeros_like(picture) for picture in flow.gray]
    return find_objects(nothing, evidence_alone(flow, fps), flow, rgb, fps, ObjectOptions())
