"""From evidence to objects: masks drawn, told apart, followed over time, and the worthy kept."""

from typing import NamedTuple

import cv2
import numpy as np

from camvid.artifacts import F64, I32, U8, U16, Bool, MaskedObject, ObjectMasks
from camvid.guided import guided_filter
from camvid.objects import Origin
from camvid.parallel import map_threads
from camvid.segmentation.flow import ClipFlow
from camvid.segmentation.instances import cell_of_nearest_zero, label_instances
from camvid.segmentation.join import join_broken
from camvid.segmentation.labels import MIN_AREA_SECONDS, THRESHOLD, num_labels
from camvid.segmentation.masks import draw_mask

# People read the label; what steers is the origin.
_LABELS = {Origin.SALIENT: "salient", Origin.MOVING: "moving", Origin.SALIENT_MOVING: "object"}

# Area fractions are of the whole image.
_MIN_AREA_FRACTION = 0.0012  # of an object, in the mean over the frames that show it
_MIN_DURATION_S = 0.3  # for which an object must be seen (or all of a shorter clip)
_MIN_CORE_SHARE = 0.15  # of an object's pixels that lie 2 px inside of it: no slivers
_MAX_MASKED_FRACTION = 0.5  # cameras come from the rest
_MAX_MASKED_WITH_MOVERS = 0.75  # that salient movers may reach
_MAX_OBJECTS = 32  # bounds the work of the stages after; the largest and surest come first
_EDGE_REACH = 1.5  # pixels of the working size in which outlines seek edges


class MovingChange(NamedTuple):
    """How the shares seen moving may differ within one object."""

    points: float  # of the time, at which points differ
    parts: float  # of the pixels, at most, of parts that move side by side


UNPOSED = MovingChange(0.5, 0.35)  # flow alone tells roughly who moves
POSED = MovingChange(0.35, 0.2)  # who moves tells neighbours apart better than how they drift apart


def label_objects(
    saliency: list[U8], motion: list[U8], flow: ClipFlow, fps: float, change: MovingChange = UNPOSED
) -> list[I32]:
    """Per frame, [h, w] labels from 1 that persist over the clip, 0 off all objects.

    `saliency` and `motion` are evidence [h, w] per frame, 0 to 255.
    """

    def draw(t: int) -> U8:
        return draw_mask(saliency[t], motion[t], flow.small[t])

    masks = map_threads(draw, range(len(motion)))
    parts = label_instances(masks, motion, flow, change.points)
    return join_broken(parts, motion, flow, fps, change.parts)


def draw_objects(
    labels: list[I32], saliency: list[U8], motion: list[U8], rgb: U8, fps: float
) -> ObjectMasks:
    """The labels that are worthy objects, at the size of the images rgb [T, H, W, 3]."""
    objects = keep_objects(labels, saliency, motion, fps)
    object_id = np.empty(rgb.shape[:3], np.uint16)

    def finish(t: int) -> None:
        object_id[t] = _full_size(labels[t], objects, rgb[t])

    map_threads(finish, range(len(object_id)))
    return ObjectMasks(object_id=object_id, objects=tuple(objects.values()))


def keep_objects(
    labels: list[I32], saliency: list[U8], motion: list[U8], fps: float
) -> dict[int, MaskedObject]:
    """The objects worth a name, by label: large, solid, lasting, the surest of them first."""
    num = num_labels(labels)

    def count(t: int) -> F64:
        where = labels[t].ravel()
        seen = (
            np.ones(where.shape, np.bool_),
            saliency[t].ravel() >= THRESHOLD,
            motion[t].ravel() >= THRESHOLD,
            _core(labels[t]).ravel(),
        )
        return np.stack([np.bincount(where, s, num) for s in seen]).astype(np.float64)

    counts = np.stack(map_threads(count, range(len(labels))))  # [T, 4, num]
    frames = (counts[:, 0] > 0).sum(axis=0)
    total, salient, moving, core = counts.sum(axis=0)
    image = labels[0].size
    large = total >= _MIN_AREA_FRACTION * image * np.maximum(frames, 1)
    lasting = frames >= min(max(2, round(_MIN_DURATION_S * fps)), len(labels))
    lasting &= total >= MIN_AREA_SECONDS * image * min(fps, len(labels))
    worthy = large & lasting & (core >= _MIN_CORE_SHARE * total)
    share_salient, share_moving = salient / np.maximum(total, 1), moving / np.maximum(total, 1)
    score = 1 - (1 - 0.9 * share_salient) * (1 - 0.7 * share_moving)
    kept: dict[int, MaskedObject] = {}
    masked = 0.0
    for i in np.argsort(-score * total, kind="stable"):
        area = total[i] / (image * len(labels))
        origin = _origin(share_salient[i], share_moving[i])
        sure = origin is Origin.SALIENT_MOVING
        limit = _MAX_MASKED_WITH_MOVERS if sure else _MAX_MASKED_FRACTION
        if i == 0 or not worthy[i] or masked + area > limit or len(kept) >= _MAX_OBJECTS:
            continue
        masked += area
        found = MaskedObject(len(kept) + 1, _LABELS[origin], round(float(score[i]), 4), origin)
        kept[int(i)] = found
    return kept


def _core(labels: I32) -> Bool:
    """[h, w] where a pixel and all others up to 2 px away have one label."""
    image, around = labels.astype(np.uint16), np.ones((5, 5), np.uint8)
    return np.asarray(cv2.erode(image, around) == cv2.dilate(image, around), np.bool_)


def _origin(share_salient: float, share_moving: float) -> Origin:
    if share_salient >= 0.5:
        return Origin.SALIENT_MOVING if share_moving >= 0.5 else Origin.SALIENT
    return Origin.MOVING


def _full_size(labels: I32, objects: dict[int, MaskedObject], rgb: U8) -> U16:
    """Object ids at the size of the image, their edges drawn to the image's edges."""
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
    radius_px = max(1, round(_EDGE_REACH * rgb.shape[1] / labels.shape[1]))
    soft = np.asarray(coarse, np.float32)
    fine = guided_filter(gray, soft, radius_px=radius_px, softness=1e-3) >= 0.5
    cell = cell_of_nearest_zero((small == 0).astype(np.uint8))
    name = np.zeros(int(cell.max()) + 1, np.uint16)
    name[cell[small > 0]] = small[small > 0]
    nearest = cv2.resize(name[cell], size, interpolation=cv2.INTER_NEAREST)
    return np.where(fine, nearest, 0).astype(np.uint16)
