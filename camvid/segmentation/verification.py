"""Masks verified by motion: once cameras are known, movers show that no segmenter had seen."""

from dataclasses import replace

import cv2
import numpy as np

from camvid.artifacts import U8, U16, Clip, Frames, ObjectMasks, PointTracks, Rigidity
from camvid.morphology import grown
from camvid.objects import Origin
from camvid.overlay.masks import without_overlay
from camvid.parallel import map_threads
from camvid.rigidity.groups import with_groups
from camvid.rigidity.posterior import EVEN, UNMASKED, Posterior, posterior, priors_of
from camvid.segmentation.flow import ClipFlow, clip_flow
from camvid.segmentation.join import join_in_time
from camvid.segmentation.labels import count_pixels
from camvid.segmentation.objects import POSED, draw_objects, label_objects
from camvid.segmentation.smoothing import smooth_in_time
from camvid.segmentation.track_evidence import track_evidence
from camvid.tracking.tracks import owners

_MASK_MARGIN_PX = 4  # at the working size: so near a mask, flow is dragged along with it
_HALF_MOVING = (0.1, 0.85)  # share of an object's tracks that move
_MAX_SPLITS = 3  # the largest of them, that may be split
_MIN_PART = 0.1  # of a thing that is two: so much of it moves, and so much does not
# Two movers that are seen together are two, or parts of one that something still is among.
_MAX_TAKEOVER_TIME = 0.05  # of the shorter life, in which both may be seen


def verify_masks(
    clip: Clip, frames: Frames, masks: ObjectMasks, tracks: PointTracks, rigidity: Rigidity
) -> ObjectMasks:
    """The masks, with objects for what moves against the cameras as they do not say.

    What moves off the masks becomes an object. A thing of no known class of which only a part
    moves may be two things: it is split and segmented anew. All others keep id and outline;
    whether they move is measured later.
    """
    moves = _posterior(masks, tracks, rigidity)
    to_split = _half_moving_ids(masks, moves)
    groups = set(moves.objects) - {0, *(o.object_id for o in masks.objects)}
    if not to_split and not any(moves.objects[i].moves > EVEN for i in groups):
        return masks.verified()
    flow = clip_flow(frames.rgb)
    suspected = [np.isin(ids, to_split) for ids in _at_flow(masks, flow)]
    evidence = track_evidence(tracks, moves.track_moves, flow, clip.width_px, suspected)
    verified = masks
    for each in [[object_id] for object_id in to_split] or [[]]:  # together they would run into one
        verified = _resegmented(clip, frames, verified, each, evidence, flow)
    moves = _posterior(verified, tracks, rigidity)
    return _merged_in_time(verified, moves, evidence, flow, clip.fps).verified()


def _posterior(masks: ObjectMasks, tracks: PointTracks, rigidity: Rigidity) -> Posterior:
    """What moves of the objects and, as further objects, of what lies off them."""
    owner = owners(tracks, masks.object_id)
    taken = max((o.object_id for o in masks.objects), default=0)
    side_px = max(masks.object_id.shape[1:])
    owner, groups = with_groups(tracks, owner, rigidity.log_ratio, side_px, taken)
    priors = priors_of(without_overlay(masks).objects) | dict.fromkeys(groups, UNMASKED)
    moves = posterior(rigidity, owner, priors)
    still = [label for label in groups if moves.objects[label].moves < EVEN]
    moves.track_moves[np.isin(owner, still)] = 0.0  # by chance some stray side by side
    return moves


def _resegmented(
    clip: Clip,
    frames: Frames,
    masks: ObjectMasks,
    to_split: list[int],
    evidence: list[U8],
    flow: ClipFlow,
) -> ObjectMasks:
    """The masks, with what moves off them, and with those to split where they are two."""
    small = _at_flow(masks, flow)
    whole = [grown((ids > 0) & ~np.isin(ids, to_split), _MASK_MARGIN_PX) for ids in small]
    evidence = [np.where(w, np.uint8(0), e) for w, e in zip(whole, evidence, strict=True)]
    evidence = smooth_in_time(evidence, flow, [True] * len(evidence))
    seed = [np.where(np.isin(ids, to_split), np.uint8(255), np.uint8(0)) for ids in small]
    labels = label_objects(seed, evidence, flow, clip.fps, POSED)
    found = _movers(draw_objects(labels, seed, evidence, frames.rgb, clip.fps))
    return _joined(masks, _confirmed_splits(masks, to_split, found), found)


def _merged_in_time(
    masks: ObjectMasks, moves: Posterior, evidence: list[U8], flow: ClipFlow, fps: float
) -> ObjectMasks:
    """The masks, with one id for a mover that had run into something still and was cut in time."""
    scene = without_overlay(masks).objects
    movers = [o.object_id for o in scene if moves.objects[o.object_id].moves > EVEN]
    labels = [
        np.where(np.isin(ids, movers), ids, 0).astype(np.int32) for ids in _at_flow(masks, flow)
    ]
    owner = np.arange(max((o.object_id for o in masks.objects), default=0) + 1, dtype=np.uint16)
    joined = join_in_time(labels, evidence, flow, fps, _MAX_TAKEOVER_TIME)
    owner[: len(joined)] = joined
    object_id = np.stack(map_threads(lambda ids: owner[ids], masks.object_id))
    kept = tuple(o for o in masks.objects if owner[o.object_id] == o.object_id)
    return ObjectMasks(object_id=object_id, objects=kept)


def _half_moving_ids(masks: ObjectMasks, moves: Posterior) -> list[int]:
    """Ids of objects without a class of which a part moves and a part does not, largest first."""
    low, high = _HALF_MOVING
    shares = {
        o.object_id: moves.objects[o.object_id].share for o in masks.objects if o.origin.is_evidence
    }
    two = [label for label, share in shares.items() if low < share < high]
    area = np.bincount(masks.object_id.ravel(), minlength=max(two, default=0) + 1)
    return sorted(two, key=lambda i: -area[i])[:_MAX_SPLITS]


def _at_flow(masks: ObjectMasks, flow: ClipFlow) -> list[U16]:
    """The object ids [h, w] at the size of the flow."""
    size = (flow.width_px, flow.height_px)
    shrunk = [cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in masks.object_id]
    return [np.asarray(ids, np.uint16) for ids in shrunk]


def _confirmed_splits(masks: ObjectMasks, to_split: list[int], found: ObjectMasks) -> list[int]:
    """Those to split of which a mover was found in one part, and none in the rest."""
    num = max((o.object_id for o in masks.objects), default=0) + 1
    total = count_pixels(masks.object_id, num)
    moving = count_pixels(masks.object_id, num, [new > 0 for new in found.object_id])
    least = _MIN_PART * total
    return [i for i in to_split if least[i] <= moving[i] <= total[i] - least[i]]


def _movers(found: ObjectMasks) -> ObjectMasks:
    """Without what stands still of a thing that is split: that keeps its id."""
    movers = tuple(o for o in found.objects if o.origin is not Origin.SALIENT)
    kept = np.zeros(len(found.objects) + 1, np.uint16)
    kept[[o.object_id for o in movers]] = [o.object_id for o in movers]
    return ObjectMasks(object_id=kept[found.object_id], objects=movers)


def _joined(masks: ObjectMasks, to_split: list[int], found: ObjectMasks) -> ObjectMasks:
    """The masks, with what was found beside them and in those that were split."""
    start = max((o.object_id for o in masks.objects), default=0)
    may_overwrite = np.isin(np.arange(start + 1), [0, *to_split])

    def join(pair: tuple[U16, U16]) -> U16:
        old, new = pair
        return np.where(may_overwrite[old] & (new > 0), new + np.uint16(start), old)

    pairs = list(zip(masks.object_id, found.object_id, strict=True))
    object_id = np.stack(map_threads(join, pairs))
    rest = [
        replace(o, label="salient", origin=Origin.SALIENT) if o.object_id in to_split else o
        for o in masks.objects
    ]
    objects = (*rest, *(replace(o, object_id=o.object_id + start) for o in found.objects))
    num = max((o.object_id for o in objects), default=0) + 1
    seen = count_pixels(object_id, num)
    left = tuple(o for o in objects if seen[o.object_id] > 0)
    return ObjectMasks(object_id=object_id, objects=left)
