"""Temporal smoothing of evidence: what one frame shows by chance, its neighbours do not."""

import cv2
import numpy as np

from camvid.artifacts import U8
from camvid.parallel import map_threads
from camvid.segmentation.flow import F16, ClipFlow, pixel_grid, warp
from camvid.segmentation.labels import THRESHOLD

DECAY = 0.7  # weight of the frame before
_ONE_SIDED_WEIGHT = 0.02  # of a frame near an end; above 0, as a clip may have no others


def smooth_in_time(evidence: list[U8], flow: ClipFlow, seen_both: list[bool]) -> list[U8]:
    """Evidence averaged along the flow over the frames around each one.

    Frames near the ends saw one side alone, which leaves ghosts: their own say is small, and what
    others carry to them counts only where they saw something too.
    """
    grid = pixel_grid(flow.width_px, flow.height_px)
    weight = [1.0 if both else _ONE_SIDED_WEIGHT for both in seen_both]

    def gather(forwards: bool) -> list[tuple[F16, float]]:
        order = range(len(evidence)) if forwards else range(len(evidence) - 1, -1, -1)
        path = flow.backward if forwards else flow.forward
        total, mass = np.zeros(evidence[0].shape, np.float32), 0.0
        sums: list[tuple[F16, float]] = []
        for t in order:
            way = path[t]
            if way is not None:
                total = warp(total, way, grid)
            total = DECAY * total + weight[t] * evidence[t].astype(np.float32)
            mass = DECAY * mass + weight[t]
            sums.append((total.astype(np.float16), mass))
        return sums if forwards else sums[::-1]

    past, future = map_threads(gather, (True, False))

    def mean(t: int) -> U8:
        own = weight[t] * evidence[t].astype(np.float32)  # in both sums: take it out once
        total = past[t][0].astype(np.float32) + future[t][0] - own
        smooth = (total / (past[t][1] + future[t][1] - weight[t])).astype(np.uint8)
        if seen_both[t]:
            return smooth
        near = cv2.dilate(evidence[t], np.ones((5, 5), np.uint8)) >= THRESHOLD
        return np.where(near, smooth, smooth // 4).astype(np.uint8)

    return map_threads(mean, range(len(evidence)))
