"""Masks verified by motion: once cameras are known, movers show that no segmenter had seen."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from camvid.artifacts import (
    U8,
    U16,
    Bool,
    Clip,
    Frames,
    ObjectMasks,
    PointTracks,
    Rigidity,
)
from camvid.objects import Origin
from camvid.overlay.masks import without_overlay
from camvid.parallel import map_threads
from camvid.rigidity.groups import with_groups
from camvid.rigidity.posterior import Posterior, RigidityOptions, posterior
from camvid.segmentation.flow import ClipFlow, clip_flow
from camvid.segmentation.instances import InstanceOptions
from camvid.segmentation.join import JoinOptions, join_in_time
from camvid.segmentation.objects import ObjectOptions, find_objects
from camvid.segmentation.steady import steady
from camvid.segmentation.track_evidence import TrackEvidenceOptions, track_evidence
from camvid.tracking.tracks import owners

_EVEN = 0.5  # odds of moving and of standing still


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """Where the work is done, what counts as motion, and what counts as an object."""

    working_side_px: int = 320
    mask_margin_px: int = 4  # at the working size: so near a mask, flow is dragged along with it
    half_moving: tuple[float, float] = (0.1, 0.85)  # share of an object's tracks that move
    max_apart: int = 3  # the largest of them, that are taken apart
    min_part: float = 0.1  # of a thing that is two: so much of it moves, and so much does not
    memory: float = 0.7  # weight of the frame before, when evidence is averaged over time
    rigidity: RigidityOptions = field(default_factory=RigidityOptions)
    evidence: TrackEvidenceOptions = field(default_factory=TrackEvidenceOptions)
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
    tracks: PointTracks,
    rigidity: Rigidity,
    options: VerifyOptions,
) -> ObjectMasks:
    """The masks, with objects for what moves against the cameras as they do not say.

    What moves off the masks becomes an object. A thing of no known class of which only a part
    moves may be two things: it is taken apart and drawn anew. All others keep id and outline;
    whether they move is measured later.
    """
    moves = _posterior(masks, tracks, rigidity, options)
    apart = _half_moving(masks, moves, options)
    groups = set(moves.objects) - {0, *(o.object_id for o in masks.objects)}
    if not apart and not any(moves.objects[i].moves > _EVEN for i in groups):
        return masks.verified()
    flow = clip_flow(frames.rgb, options.working_side_px)
    size = (flow.width_px, flow.height_px)
    suspected = map_threads(lambda m: np.isin(_shrink_ids(m, size), apart), masks.object_id)
    evidence = track_evidence(
        tracks, moves.track_moves, flow, clip.width_px, suspected, options.evidence
    )
    verified = masks
    for loose in [[object_id] for object_id in apart] or [[]]:  # together they would run into one
        verified = _drawn_anew(clip, frames, verified, loose, evidence, flow, options)
    moves = _posterior(verified, tracks, rigidity, options)
    return _one_again(verified, moves, evidence, flow, clip.fps, options).verified()


def _posterior(
    masks: ObjectMasks, tracks: PointTracks, rigidity: Rigidity, options: VerifyOptions
) -> Posterior:
    """What moves of the objects and, as further objects, of what lies off them."""
    scene = without_overlay(masks)
    owner = owners(tracks, scene.object_id)
    taken = max((o.object_id for o in masks.objects), default=0)
    side_px = max(scene.object_id.shape[1:])
    owner, groups = with_groups(tracks, owner, rigidity.log_ratio, side_px, taken)
    priors = options.rigidity.priors(scene.objects)
    priors |= dict.fromkeys(groups, options.rigidity.unmasked)
    moves = posterior(rigidity.log_ratio, rigidity, owner, priors, options.rigidity)
    still = [label for label in groups if moves.objects[label].moves < _EVEN]
    moves.track_moves[np.isin(owner, still)] = 0.0  # by chance some stray side by side
    return moves


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
    found = _movers(find_objects(loose, evidence, flow, frames.rgb, clip.fps, options.objects))
    return _joined(masks, _truly_two(masks, apart, found, options), found)


def _one_again(
    masks: ObjectMasks,
    moves: Posterior,
    evidence: list[U8],
    flow: ClipFlow,
    fps: float,
    options: VerifyOptions,
) -> ObjectMasks:
    """The masks, with one id for a mover that had run into something still and was cut in time."""
    size = (flow.width_px, flow.height_px)
    small = map_threads(lambda ids: _shrink_ids(ids, size), masks.object_id)
    scene = without_overlay(masks).objects
    movers = [o.object_id for o in scene if moves.objects[o.object_id].moves > _EVEN]
    labels = [np.where(np.isin(ids, movers), ids, 0).astype(np.int32) for ids in small]
    owner = np.arange(max(o.object_id for o in masks.objects) + 1, dtype=np.uint16)
    joined = join_in_time(labels, evidence, flow, fps, options.takeover)
    owner[: len(joined)] = joined
    object_id = np.stack(map_threads(lambda ids: owner[ids], masks.object_id))
    kept = tuple(o for o in masks.objects if owner[o.object_id] == o.object_id)
    return ObjectMasks(object_id=object_id, objects=kept)


def _half_moving(masks: ObjectMasks, moves: Posterior, options: VerifyOptions) -> list[int]:
    """Ids of objects without a class of which a part moves and a part does not, largest first."""
    low, high = options.half_moving
    shares = {
        o.object_id: moves.objects[o.object_id].share for o in masks.objects if o.origin.is_evidence
    }
    two = [label for label, share in shares.items() if low < share < high]
    area = np.bincount(masks.object_id.ravel(), minlength=max(two, default=0) + 1)
    return sorted(two, key=lambda i: -area[i])[: options.max_apart]


def _shrink_ids(object_id: U16, size: tuple[int, int]) -> U16:
    return np.asarray(cv2.resize(object_id, size, interpolation=cv2.INTER_NEAREST), np.uint16)


def _grown(mask: Bool, options: VerifyOptions) -> Bool:
    return cv2.dilate(mask.astype(np.uint8), _disc(options.mask_margin_px)) > 0


def _disc(radius_px: int) -> U8:
    size = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _truly_two(
    masks: ObjectMasks, apart: list[int], found: ObjectMasks, options: VerifyOptions
) -> list[int]:
    """Those taken apart of which a mover was found in one part, and none in the rest."""
    num = max((o.object_id for o in masks.objects), default=0) + 1
    moving, total = np.zeros(num), np.zeros(num)
    for new, old in zip(found.object_id, masks.object_id, strict=True):
        moving += np.bincount(old[new > 0], minlength=num)
        total += np.bincount(old.ravel(), minlength=num)
    least = options.min_part * total
    return [i for i in apart if least[i] <= moving[i] <= total[i] - least[i]]


def _movers(found: ObjectMasks) -> ObjectMasks:
    """Without what stands still of a thing taken apart: that keeps its id."""
    movers = tuple(o for o in found.objects if o.origin is not Origin.SALIENT)
    kept = np.zeros(len(found.objects) + 1, np.uint16)
    kept[[o.object_id for o in movers]] = [o.object_id for o in movers]
    return ObjectMasks(object_id=kept[found.object_id], objects=movers)


def _joined(masks: ObjectMasks, apart: list[int], found: ObjectMasks) -> ObjectMasks:
    """The masks, with what was found beside them and in those taken apart."""
    start = max((o.object_id for o in masks.objects), default=0)
    gives = np.isin(np.arange(start + 1), [0, *apart])

    def join(pair: tuple[U16, U16]) -> U16:
        old, new = pair
        return np.where(gives[old] & (new > 0), new + np.uint16(start), old)

    pairs = list(zip(masks.object_id, found.object_id, strict=True))
    object_id = np.stack(map_threads(join, pairs))
    rest = [
        replace(o, label="salient", origin=Origin.SALIENT) if o.object_id in apart else o
        for o in masks.objects
    ]
    objects = (*rest, *(replace(o, object_id=o.object_id + start) for o in found.objects))
    num = max((o.object_id for o in objects), default=0) + 1
    seen = np.sum([np.bincount(m.ravel(), minlength=num) for m in object_id], axis=0)
    return ObjectMasks(
        object_id=object_id, objects=tuple(o for o in objects if seen[o.object_id] > 0)
    )
