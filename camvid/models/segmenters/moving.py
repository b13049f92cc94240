"""What moves against the background, for networks that cannot say what a thing is."""

import numpy as np

from camvid.artifacts import U8, ObjectMasks
from camvid.segmentation.completion import complete_movers
from camvid.segmentation.evidence import MotionEvidence, motion_evidence
from camvid.segmentation.flow import ClipFlow, clip_flow
from camvid.segmentation.objects import draw_objects, label_objects


def evidence_alone(flow: ClipFlow, fps: float) -> MotionEvidence:
    """Evidence of motion in every frame, with nothing known beforehand."""
    nothing = [np.zeros_like(image) for image in flow.gray]
    return motion_evidence(flow, nothing, fps)


def moving_objects(rgb: U8, fps: float, working_side_px: int) -> ObjectMasks:
    """The objects of images rgb [T, H, W, 3] that move."""
    flow = clip_flow(rgb, working_side_px)
    motion = evidence_alone(flow, fps)
    nothing = [np.zeros_like(image) for image in flow.gray]
    labels = label_objects(nothing, motion.strength, flow, fps)
    labels = complete_movers(labels, nothing, motion, flow, fps)
    return draw_objects(labels, nothing, motion.strength, rgb, fps)
