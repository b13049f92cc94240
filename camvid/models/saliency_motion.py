"""The embedded segmenter: saliency and motion evidence, joined into objects with lasting ids.

It is greedy: all that a person would look at, and all that moves against the background. A false
mask costs the pose solver little, a missed mover ruins it; what did move is measured later.
"""

import itertools
import logging
from dataclasses import dataclass, field

import cv2
import numpy as np

from camvid import weights
from camvid.artifacts import F32, F64, I32, U8, U16, Bool, Clip, Frames, MaskedObject, ObjectMasks
from camvid.models.u2netp import U2NetP
from camvid.parallel import map_threads
from camvid.segmentation.evidence import EvidenceOptions, motion_evidence
from camvid.segmentation.flow import ClipFlow, clip_flow, look_up, pixel_grid, working_size
from camvid.segmentation.instances import InstanceOptions, cell_of_nearest_zero, label_instances
from camvid.segmentation.join import JoinOptions, join_broken
from camvid.segmentation.masks import MaskOptions, draw_mask
from camvid.weights import Weight

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyMotionOptions:
    """Limits of the segmenter; area fractions are of the whole picture."""

    working_side_px: int = 320  # of the pictures on which flow and masks are computed
    saliency_every_s: float = 0.3  # in between it is carried along the flow
    min_area_fraction: float = 0.0012  # of an object, in the mean over the frames that show it
    min_duration_s: float = 0.3  # for which an object must be seen (or all of a shorter clip)
    min_area_seconds: float = 0.0015  # area fraction times duration: what is small must last
    min_core_share: float = 0.15  # of an object's pixels that lie 2 px inside of it: no slivers
    max_masked_fraction: float = 0.5
    max_masked_with_movers: float = 0.75  # that salient movers may reach
    max_objects: int = 32
    masks: MaskOptions = field(default_factory=MaskOptions)
    evidence: EvidenceOptions = field(default_factory=EvidenceOptions)
    instances: InstanceOptions = field(default_factory=InstanceOptions)
    join: JoinOptions = field(default_factory=JoinOptions)


class SaliencyMotion:
    """Segments what is salient or moves; without the saliency weights, what moves."""

    def __init__(self, options: SaliencyMotionOptions) -> None:
        self._options = options
        path = weights.find("u2netp")
        self._net = None if path is None else U2NetP(path)
        self.weights: tuple[Weight, ...] = () if path is None else (weights.weight("u2netp"),)
        if path is None:
            log.warning(
                "saliency weights not found in %s: segmenting by motion alone;"
                " run: python -m camvid.weights fetch u2netp",
                weights.directory(),
            )

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks:
        """Objects of the clip; `clip` gives the frame rate."""
        options = self._options
        # The network first: it gives its memory back before the flow takes some.
        seen = self._salient(frames.rgb, clip.fps)
        flow = clip_flow(frames.rgb, options.working_side_px)
        saliency = _between(seen, flow)
        motion = motion_evidence(flow, saliency, clip.fps, options.evidence)

        def draw(t: int) -> U8:
            return draw_mask(saliency[t], motion[t], flow.small[t], options.masks)

        masks = map_threads(draw, range(len(motion)))
        parts = label_instances(masks, motion, flow, options.instances)
        labels = join_broken(parts, motion, flow, clip.fps, options.join)
        del masks, parts  # as large as what is made next
        objects = keep_objects(labels, saliency, motion, clip.fps, options)
        object_id = np.empty(frames.rgb.shape[:3], np.uint16)

        def finish(t: int) -> None:
            object_id[t] = _full_size(labels[t], objects, frames.rgb[t])

        map_threads(finish, range(len(object_id)))
        return ObjectMasks(object_id=object_id, objects=tuple(objects.values()))

    def _salient(self, rgb: U8, fps: float) -> dict[int, U8]:
        """Saliency of some frames, the first and the last among them, at the working size."""
        last = len(rgb) - 1
        size = working_size(rgb.shape[2], rgb.shape[1], self._options.working_side_px)
        net = self._net
        every = max(1, round(self._options.saliency_every_s * fps))

        def look(t: int) -> U8:
            if net is None:
                return np.zeros(size[::-1], np.uint8)
            return np.asarray(net.saliency(rgb[t], *size, keep_memory=t < last) * 255, np.uint8)

        return {t: look(t) for t in (*range(0, last, every), last)}


def keep_objects(
    labels: list[I32],
    saliency: list[U8],
    motion: list[U8],
    fps: float,
    options: SaliencyMotionOptions,
) -> dict[int, MaskedObject]:
    """The objects worth a name, by label: large, solid, lasting, the surest of them first."""
    num = max(int(x.max()) for x in labels) + 1

    def count(t: int) -> F64:
        where = labels[t].ravel()
        seen = (
            np.ones(where.shape, np.bool_),
            saliency[t].ravel() >= 128,
            motion[t].ravel() >= 128,
            _core(labels[t]).ravel(),
        )
        return np.stack([np.bincount(where, s, num) for s in seen]).astype(np.float64)

    counts = np.stack(map_threads(count, range(len(labels))))  # [T, 4, num]
    frames = (counts[:, 0] > 0).sum(axis=0)
    total, salient, moving, core = counts.sum(axis=0)
    picture = labels[0].size
    large = total >= options.min_area_fraction * picture * np.maximum(frames, 1)
    lasting = frames >= min(max(2, round(options.min_duration_s * fps)), len(labels))
    lasting &= total >= options.min_area_seconds * picture * min(fps, len(labels))
    worthy = large & lasting & (core >= options.min_core_share * total)
    share_salient, share_moving = salient / np.maximum(total, 1), moving / np.maximum(total, 1)
    score = 1 - (1 - 0.9 * share_salient) * (1 - 0.7 * share_moving)
    kept: dict[int, MaskedObject] = {}
    masked = 0.0
    for i in np.argsort(-score * total, kind="stable"):
        area = total[i] / (picture * len(labels))
        label = _word(share_salient[i], share_moving[i])
        sure = label == "object"
        limit = options.max_masked_with_movers if sure else options.max_masked_fraction
        if i == 0 or not worthy[i] or masked + area > limit or len(kept) >= options.max_objects:
            continue
        masked += area
        kept[int(i)] = MaskedObject(len(kept) + 1, label, round(float(score[i]), 4))
    return kept


def _core(labels: I32) -> Bool:
    """[h, w] where a pixel and all others up to 2 px away have one label."""
    picture, around = labels.astype(np.uint16), np.ones((5, 5), np.uint8)
    return np.asarray(cv2.erode(picture, around) == cv2.dilate(picture, around), np.bool_)


def _word(share_salient: float, share_moving: float) -> str:
    if share_salient >= 0.5:
        return "object" if share_moving >= 0.5 else "salient"
    return "moving"


def _full_size(labels: I32, objects: dict[int, MaskedObject], rgb: U8) -> U16:
    """Object ids at the size of the picture, their edges drawn to the picture's edges."""
    number = np.zeros(int(labels.max()) + 1, np.uint16)
    for label, item in objects.items():
        if label < len(number):
            number[label] = item.object_id
    small = number[labels]
    size = (rgb.shape[1], rgb.shape[0])
    if not small.any():
        return np.zeros(size[::-1], np.uint16)
    coarse = cv2.resize((small > 0).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
    fine = _guided(gray, np.asarray(coarse, np.float32), radius_px=6, softness=1e-3) >= 0.5
    cell = cell_of_nearest_zero((small == 0).astype(np.uint8))
    name = np.zeros(int(cell.max()) + 1, np.uint16)
    name[cell[small > 0]] = small[small > 0]
    nearest = cv2.resize(name[cell], size, interpolation=cv2.INTER_NEAREST)
    return np.where(fine, nearest, 0).astype(np.uint16)


def _guided(guide: F32, picture: F32, *, radius_px: int, softness: float) -> F32:
    """Guided filter (He, Sun, Tang 2010): `picture`, smoothed but for the edges of `guide`."""
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    mean_g, mean_p = cv2.blur(guide, size), cv2.blur(picture, size)
    variance = cv2.blur(guide * guide, size) - mean_g * mean_g
    covariance = cv2.blur(guide * picture, size) - mean_g * mean_p
    slope = covariance / (variance + softness)
    offset = mean_p - slope * mean_g
    return np.asarray(cv2.blur(slope, size) * guide + cv2.blur(offset, size), np.float32)


def _between(at_key: dict[int, U8], flow: ClipFlow) -> list[U8]:
    """Carries pictures of key frames along the flow to all frames, blending both neighbours."""
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
            ahead.append(np.asarray(look_up(ahead[-1], back, grid), np.uint8))
            behind.append(np.asarray(look_up(behind[-1], forth, grid), np.uint8))
        blend = [
            cv2.addWeighted(ahead[k], 1 - k / num, behind[num - k], k / num, 0)
            for k in range(1, num)
        ]
        return [at_key[first], *(np.asarray(b, np.uint8) for b in blend)]

    pieces = map_threads(fill, list(itertools.pairwise(keys)))
    return [*(picture for piece in pieces for picture in piece), at_key[keys[-1]]]
