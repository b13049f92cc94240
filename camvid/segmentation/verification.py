"""Masks verified by motion: once cameras are known, movers show that no segmenter had seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from camvid.artifacts import (
    F64,
    U8,
    U16,
    Bool,
    Clip,
    Frames,
    ObjectMasks,
    Reconstruction,
)
from camvid.objects import Origin
from camvid.parallel import map_threads
from camvid.segmentation.flow import ClipFlow, clip_flow, working_size
from camvid.segmentation.instances import InstanceOptions
from camvid.segmentation.join import JoinOptions, join_in_time
from camvid.segmentation.objects import ObjectOptions, find_objects
from camvid.segmentation.rigidity import RigidityOptions, rigid_evidence
from camvid.segmentation.steady import steady


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """Where the work is done, what counts as motion, and what counts as an object."""

    working_side_px: int = 320
    probe_every_s: float = 1 / 6  # the frames between are looked at where these show something
    mask_margin_px: int = 4  # at the working size: so near a mask, flow is dragged along with it
    half_moving: tuple[float, float] = (0.03, 0.8)  # share of an object's pixels seen moving
    min_moving: float = 0.5  # share of a mover's pixels seen moving
    max_apart: int = 3  # the largest of them, that are taken apart
    min_part: float = 0.1  # of a thing that is two: so much of it moves, and so much does not
    memory: float = 0.7  # weight of the frame before, when evidence is averaged over time
    rigidity: RigidityOptions = field(default_factory=RigidityOptions)
    objects: ObjectOptions = ObjectOptions(
        # With cameras known, who moves tells neighbours apart better than how they drift apart.
        instances=InstanceOptions(moving_change=0.35),
        join=JoinOptions(max_moving_change=0.2),
    )
    # Two movers that are seen together are two, or parts of one that something still is among.
    takeover: JoinOptions = field(default_factory=lambda: JoinOptions(max_shared_time=0.05))


def verify_masks(
    clip: Clip,
    frames: Frames,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    options: VerifyOptions,
) -> ObjectMasks:
    """The masks, with objects for all that moves against the cameras as they do not say.

    What moves off the masks becomes an object. A thing of no known class of which only a part
    moves may be two things: it is taken apart and drawn anew. All others keep id and outline;
    whether they move is measured later. Without a camera path nothing changes.
    """
    if not reconstruction.has_trajectory:
        return masks.verified()
    size = working_size(clip.width_px, clip.height_px, options.working_side_px)
    gray = map_threads(lambda picture: _shrink(picture, size), frames.rgb)
    small = map_threads(lambda m: _shrink_ids(m, size), masks.object_id)
    hidden = map_threads(lambda ids: _grown(ids > 0, options), small)

    def look(frames: Sequence[int]) -> list[U8]:
        return rigid_evidence(gray, hidden, reconstruction, clip.width_px, frames, options.rigidity)

    every = max(1, round(options.probe_every_s * clip.fps))
    probed = range(0, len(gray), every)
    evidence = look(probed)
    apart = _half_moving(masks, small[::every], evidence, options)
    whole = map_threads(lambda ids: _grown((ids > 0) & ~np.isin(ids, apart), options), small)
    off_masks = [np.where(whole[t], np.uint8(0), e) for t, e in zip(probed, evidence, strict=True)]
    if not apart and not _worth_a_look(off_masks, options.objects):
        return masks.verified()
    rest = [t for t in range(len(gray)) if t % every]
    known = dict(zip([*probed, *rest], [*evidence, *look(rest)], strict=True))
    evidence = [known[t] for t in range(len(gray))]
    flow = clip_flow(frames.rgb, options.working_side_px)
    verified = masks
    for loose in [[object_id] for object_id in apart] or [[]]:  # together they would run into one
        verified = _drawn_anew(clip, frames, verified, loose, evidence, flow, options)
    return _one_again(verified, evidence, flow, clip.fps, options).verified()


def _drawn_anew(
    clip: Clip,
    frames: Frames,
    masks: ObjectMasks,
    apart: list[int],
    evidence: list[U8],
    flow: ClipFlow,
    options: VerifyOptions,
) -> ObjectMasks:
    """The masks, with what moves off them, and with those to take apart where they are two."""
    size = (flow.width_px, flow.height_px)
    small = map_threads(lambda ids: _shrink_ids(ids, size), masks.object_id)
    whole = map_threads(lambda ids: _grown((ids > 0) & ~np.isin(ids, apart), options), small)
    evidence = [np.where(w, np.uint8(0), e) for w, e in zip(whole, evidence, strict=True)]
    evidence = steady(evidence, flow, [True] * len(evidence), options.memory, 1.0)
    loose = [np.where(np.isin(ids, apart), np.uint8(255), np.uint8(0)) for ids in small]
    found = find_objects(loose, evidence, flow, frames.rgb, clip.fps, options.objects)
    return _joined(masks, _truly_two(masks, apart, found, options), found)


def _one_again(
    masks: ObjectMasks, evidence: list[U8], flow: ClipFlow, fps: float, options: VerifyOptions
) -> ObjectMasks:
    """The masks, with one id for a mover that had run into something still and was cut in time."""
    size = (flow.width_px, flow.height_px)
    small = map_threads(lambda ids: _shrink_ids(ids, size), masks.object_id)
    share, _ = _moving_share(small, evidence, masks)
    movers = np.flatnonzero(share >= options.min_moving)
    labels = [np.where(np.isin(ids, movers), ids, 0).astype(np.int32) for ids in small]
    owner = np.arange(len(share), dtype=np.uint16)
    joined = join_in_time(labels, evidence, flow, fps, options.takeover)
    owner[: len(joined)] = joined
    object_id = np.stack(map_threads(lambda ids: owner[ids], masks.object_id))
    kept = tuple(o for o in masks.objects if owner[o.object_id] == o.object_id)
    return ObjectMasks(object_id=object_id, objects=kept)


def _moving_share(small: list[U16], evidence: list[U8], masks: ObjectMasks) -> tuple[F64, F64]:
    """[num] share of the pixels of each id seen moving, specks of motion apart; [num] pixels."""
    num = max((o.object_id for o in masks.objects), default=0) + 1
    moving, total = np.zeros(num), np.zeros(num)
    for ids, seen in zip(small, evidence, strict=True):
        solid = cv2.morphologyEx((seen >= 128).astype(np.uint8), cv2.MORPH_OPEN, _disc(2))
        moving += np.bincount(ids[solid > 0], minlength=num)
        total += np.bincount(ids.ravel(), minlength=num)
    return moving / np.maximum(total, 1), total


def _half_moving(
    masks: ObjectMasks, small: list[U16], evidence: list[U8], options: VerifyOptions
) -> list[int]:
    """Ids of objects without a class of which a part moves and a part does not, largest first."""
    share, area = _moving_share(small, evidence, masks)
    low, high = options.half_moving
    two = [
        o.object_id
        for o in masks.objects
        if o.origin.is_evidence and low < share[o.object_id] < high
    ]
    return sorted(two, key=lambda i: -area[i])[: options.max_apart]


def _shrink(rgb: U8, size: tuple[int, int]) -> U8:
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shrink_ids(object_id: U16, size: tuple[int, int]) -> U16:
    return np.asarray(cv2.resize(object_id, size, interpolation=cv2.INTER_NEAREST), np.uint16)


def _grown(mask: Bool, options: VerifyOptions) -> Bool:
    return cv2.dilate(mask.astype(np.uint8), _disc(options.mask_margin_px)) > 0


def _disc(radius_px: int) -> U8:
    size = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _worth_a_look(evidence: list[U8], options: ObjectOptions) -> bool:
    """Whether some frame shows as much motion as the smallest object has pixels."""
    least = options.min_area_fraction * evidence[0].size
    return any(np.count_nonzero(e >= 128) >= least for e in evidence)


def _truly_two(
    masks: ObjectMasks, apart: list[int], found: ObjectMasks, options: VerifyOptions
) -> list[int]:
    """Those taken apart that fell into a mover and a thing that stands still; the rest stay."""
    num = max((o.object_id for o in masks.objects), default=0) + 1
    shared = np.zeros((len(found.objects) + 1, num), np.int64)
    for new, old in zip(found.object_id, masks.object_id, strict=True):
        pairs = new.astype(np.int64).ravel() * num + old.ravel()
        shared += np.bincount(pairs, minlength=shared.size).reshape(shared.shape)
    least = options.min_part * shared.sum(axis=0)
    calm = [o.object_id for o in found.objects if o.origin is Origin.SALIENT]
    others = [o.object_id for o in found.objects if o.origin is not Origin.SALIENT]
    still, moves = shared[calm].sum(axis=0), shared[others].sum(axis=0)
    return [i for i in apart if still[i] >= least[i] and moves[i] >= least[i]]


def _joined(masks: ObjectMasks, apart: list[int], found: ObjectMasks) -> ObjectMasks:
    """The masks without those taken apart, and what was found in their place and beside them."""
    start = max((o.object_id for o in masks.objects), default=0)
    kept = np.arange(start + 1, dtype=np.uint16)
    kept[apart] = 0
    added = np.arange(len(found.objects) + 1, dtype=np.uint16) + np.uint16(start)
    added[0] = 0

    def join(pair: tuple[U16, U16]) -> U16:
        old = kept[pair[0]]
        return np.where(old > 0, old, added[pair[1]])

    pairs = list(zip(masks.object_id, found.object_id, strict=True))
    object_id = np.stack(map_threads(join, pairs))
    num = start + len(found.objects) + 1
    seen = np.sum([np.bincount(m.ravel(), minlength=num) for m in object_id], axis=0)
    objects = (*masks.objects, *(replace(o, object_id=o.object_id + start) for o in found.objects))
    return ObjectMasks(
        object_id=object_id, objects=tuple(o for o in objects if seen[o.object_id] > 0)
    )
