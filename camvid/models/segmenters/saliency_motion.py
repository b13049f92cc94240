"""The embedded segmenter: saliency and motion evidence, joined into objects with lasting ids.

It is greedy: all that a person would look at, and all that moves against the background. A false
mask costs the pose solver little, a missed mover ruins it; what did move is measured later.
"""

import itertools
import logging
from dataclasses import dataclass

import cv2
import numpy as np

from camvid import weights
from camvid.artifacts import U8, Clip, Frames, ObjectMasks
from camvid.models.checkpoints import locate_optional
from camvid.models.segmenters.u2netp import U2NetP
from camvid.parallel import map_threads
from camvid.segmentation.completion import complete_movers
from camvid.segmentation.evidence import (
    BELOW_THRESHOLD,
    at_most,
    beside_salient_movers,
    motion_evidence,
)
from camvid.segmentation.flow import (
    WORKING_SIDE_PX,
    ClipFlow,
    clip_flow,
    pixel_grid,
    warp,
    working_size,
)
from camvid.segmentation.objects import draw_objects, label_objects
from camvid.weights import Weight

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyMotionOptions:
    """How often the network looks."""

    saliency_every_s: float = 0.3  # in between it is carried along the flow


class SaliencyMotion:
    """Segments what is salient or moves; without the saliency weights, what moves."""

    def __init__(self, options: SaliencyMotionOptions) -> None:
        self._options = options
        found = locate_optional("u2netp")
        self._net = None if found is None else U2NetP(found.path)
        self.weights: tuple[Weight, ...] = () if found is None else (found.weight,)
        if found is None:
            log.warning(
                "saliency weights not found in %s: segmenting by motion alone;"
                " run: camvid models fetch u2netp",
                weights.directory(),
            )

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks:
        """Objects of the clip; `clip` gives the frame rate."""
        if len(frames.rgb) == 0:
            return ObjectMasks.none(*frames.rgb.shape[:3])
        # The network first: it gives its memory back before the flow takes some.
        seen = self._salient(frames.rgb, clip.fps)
        flow = clip_flow(frames.rgb)
        saliency = _between(seen, flow)
        motion = motion_evidence(flow, saliency, clip.fps)
        smeared = beside_salient_movers(motion, saliency)
        # Objects begin without the smear; then colours and the image tell limbs in it from the
        # background, to which its flow says nothing.
        moving = at_most(motion, 0, smeared).strength
        labels = label_objects(saliency, moving, flow, clip.fps)
        motion = at_most(motion, BELOW_THRESHOLD, smeared)
        labels = complete_movers(labels, saliency, motion, flow, clip.fps)
        return draw_objects(labels, saliency, moving, frames.rgb, clip.fps)

    def _salient(self, rgb: U8, fps: float) -> dict[int, U8]:
        """Saliency of some frames, the first and the last among them, at the working size."""
        last = len(rgb) - 1
        size = working_size(rgb.shape[2], rgb.shape[1], WORKING_SIDE_PX)
        net = self._net
        every = max(1, round(self._options.saliency_every_s * fps))

        def look(t: int) -> U8:
            if net is None:
                return np.zeros(size[::-1], np.uint8)
            return np.asarray(net.saliency(rgb[t], *size, keep_memory=t < last) * 255, np.uint8)

        return {t: look(t) for t in (*range(0, last, every), last)}


def _between(at_key: dict[int, U8], flow: ClipFlow) -> list[U8]:
    """Carries images of key frames along the flow to all frames, blending both neighbours."""
    grid = pixel_grid(flow.width_px, flow.height_px)
    keys = sorted(at_key)

    def fill(pair: tuple[int, int]) -> list[U8]:
        first, last = pair
        num = last - first
        ahead, behind = [at_key[first]], [at_key[last]]
        for k in range(1, num):
            back, forth = flow.backward[first + k], flow.forward[last - k]
            assert back is not None
            assert forth is not None
            ahead.append(np.asarray(warp(ahead[-1], back, grid), np.uint8))
            behind.append(np.asarray(warp(behind[-1], forth, grid), np.uint8))
        blend = [
            cv2.addWeighted(ahead[k], 1 - k / num, behind[num - k], k / num, 0)
            for k in range(1, num)
        ]
        return [at_key[first], *(np.asarray(b, np.uint8) for b in blend)]

    pieces = map_threads(fill, list(itertools.pairwise(keys)))
    return [*(image for piece in pieces for image in piece), at_key[keys[-1]]]
