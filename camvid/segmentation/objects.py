"""From evidence to objects: masks drawn, told apart, followed over time, and the worthy kept."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from camvid.artifacts import F64, I32, U8, U16, Bool, MaskedObject, ObjectMasks
from camvid.guided import guided_filter
from camvid.objects import Origin
from camvid.parallel import map_threads
from camvid.segmentation.flow import ClipFlow
from camvid.segmentation.instances import InstanceOptions, cell_of_nearest_zero, label_instances
from camvid.segmentation.join import JoinOptions, join_broken
from camvid.segmentation.masks import MaskOptions, draw_mask

# People read the label; what steers is the origin.
_LABELS = {Origin.SALIENT: "salient", Origin.MOVING: "moving", Origin.SALIENT_MOVING: "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """What makes an object; area fractions are of the whole image."""

    min_area_fraction: float = 0.0012  # of an object, in the mean over the frames that show it
    min_duration_s: float = 0.3  # for which an object must be seen (or all of a shorter clip)
    min_area_seconds: float = 0.0015  # area fraction times duration: what is small must last
    min_core_share: float = 0.15  # of an object's pixels that lie 2 px inside of it: no slivers
    max_masked_fraction: float = 0.5
    max_masked_with_movers: float = 0.75  # that salient movers may reach
    max_objects: int = 32
    edge_reach: float = 1.5  # pixels of the working size in which outlines seek edges
    masks: MaskOptions = field(default_factory=MaskOptions)
    instances: InstanceOptions = field(default_factory=InstanceOptions)
    join: JoinOptions = field(default_factory=JoinOptions)


def find_objects(
    saliency: list[U8],
    motion: list[U8],
    flow: ClipFlow,
    rgb: U8,
    fps: float,
    options: ObjectOptions,
) -> ObjectMasks:
    """Objects of images rgb [T, H, W, 3] from evidence [h, w] per frame, 0 to 255."""
    labels = label_objects(saliency, motion, flow, fps, options)
    return draw_objects(labels, saliency, motion, rgb, fps, options)


def label_objects(
    saliency: list[U8], motion: list[U8], flow: ClipFlow, fps: float, options: ObjectOptions
) -> list[I32]:
    """Per frame, [h, w] labels from 1 that persist over the clip, 0 off all objects."""

    def draw(t: int) -> U8:
        return draw_mask(saliency[t], motion[t], flow.small[t], options.masks)

    masks = map_threads(draw, range(len(motion)))
    parts = label_instances(masks, motion, flow, options.instances)
    return join_broken(parts, motion, flow, fps, options.join)


def draw_objects(
    labels: list[I32],
    saliency: list[U8],
    motion: list[U8],
    rgb: U8,
    fps: float,
    options: ObjectOptions,
) -> ObjectMasks:
    """The labels that are worthy objects, at the size of the images rgb [T, H, W, 3]."""
    objects = keep_objects(labels, saliency, motion, fps, options)
    object_id = np.empty(rgb.shape[:3], np.uint16)

    def finish(t: int) -> None:
        object_id[t] = _full_size(labels[t], objects, rgb[t], options.edge_reach)

    map_threads(finish, range(len(object_id)))
    return ObjectMasks(object_id=object_id, objects=tuple(objects.values()))


def keep_objects(
    labels: list[I32],
    saliency: list[U8],
    motion: list[U8],
    fps: float,
    options: ObjectOptions,
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
    image = labels[0].size
    large = total >= options.min_area_fraction * image * np.maximum(frames, 1)
    lasting = frames >= min(max(2, round(options.min_duration_s * fps)), len(labels))
    lasting &= total >= options.min_area_seconds * image * min(fps, len(labels))
    worthy = large & lasting & (core >= options.min_core_share * total)
    share_salient, share_moving = salient / np.maximum(total, 1), moving / np.maximum(total, 1)
    score = 1 - (1 - 0.9 * share_salient) * (1 - 0.7 * share_moving)
    kept: dict[int, MaskedObject] = {}
    masked = 0.0
    for i in np.argsort(-score * total, kind="stable"):
        area = total[i] / (image * len(labels))
        origin = _origin(share_salient[i], share_moving[i])
        sure = origin is Origin.SALIENT_MOVING
        limit = options.max_masked_with_movers if sure else options.max_masked_fraction
        if i == 0 or not worthy[i] or masked + area > limit or len(kept) >= options.max_objects:
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


def _full_size(labels: I32, objects: dict[int, MaskedObject], rgb: U8, edge_reach: float) -> U16:
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
    radius_px = max(1, round(edge_reach * rgb.shape[1] / labels.shape[1]))
    soft = np.asarray(coarse, np.float32)
    fine = guided_filter(gray, soft, radius_px=radius_px, softness=1e-3) >= 0.5
    cell = cell_of_nearest_zero((small == 0).astype(np.uint8))
    name = np.zeros(int(cell.max()) + 1, np.uint16)
    name[cell[small > 0]] = small[small > 0]
    nearest = cv2.resize(name[cell], size, interpolation=cv2.INTER_NEAREST)
    return np.where(fine, nearest, 0).astype(np.uint16)
