"""Masks of single frames -> objects whose ids last over the clip."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool, MaskedObject, ObjectMasks
from camvid.models.segmenters.following import Follower, Life
from camvid.models.segmenters.instances import Instance, cut_out, shrunk
from camvid.models.segmenters.options import LinkOptions
from camvid.objects import Origin
from camvid.segmentation.flow import F16, ClipFlow, clip_flow, pixel_grid, warp


def link(
    found: Sequence[Sequence[Instance]],
    rgb: U8,
    fps: float,
    options: LinkOptions,
    known_flow: ClipFlow | None = None,
    origin: Origin = Origin.CLASS,
) -> ObjectMasks:
    """The objects of images rgb [T, H, W, 3] from the instances of each frame.

    Ids count from 1, the largest and surest object first; where two overlap, the surer is in
    front. A gap of a few frames, where the network missed an object, is filled.
    """
    num_frames, height_px, width_px = rgb.shape[:3]
    if not any(found):
        return ObjectMasks(object_id=np.zeros(rgb.shape[:3], np.uint16), objects=())
    size_px = (width_px, height_px)
    flow = known_flow or clip_flow(rgb, options.working_side_px)
    lives = Follower(found, flow, size_px, fps, options).lives()
    enough = min(max(2, round(options.min_duration_s * fps)), num_frames)
    lives = [life for life in lives if len(life.at) >= enough]
    lives.sort(key=lambda life: -sum(float(i.mask.sum()) * i.score for i in life.at.values()))
    lives = lives[: options.max_objects]
    for life in lives:
        _fill_gaps(life, flow, size_px, round(options.max_fill_s * fps))
    return _paint(lives, rgb.shape[:3], origin)


def _paint(lives: list[Life], shape: tuple[int, ...], origin: Origin) -> ObjectMasks:
    """Ids by order of the lives, drawn from the least sure object to the surest."""
    object_id = np.zeros(shape, np.uint16)
    for k in sorted(range(len(lives)), key=lambda k: lives[k].score()):
        for t, seen in lives[k].at.items():
            object_id[t][seen.window][seen.mask] = k + 1
    visible = np.bincount(object_id.ravel(), minlength=len(lives) + 1) > 0
    objects = tuple(
        MaskedObject(k + 1, life.label(), round(life.score(), 4), origin)
        for k, life in enumerate(lives)
        if visible[k + 1]
    )
    return ObjectMasks(object_id=object_id, objects=objects)


def _fill_gaps(life: Life, flow: ClipFlow, size_px: tuple[int, int], max_gap: int) -> None:
    """Adds what the flow carries into short gaps from both their ends, where the two agree."""
    seen = sorted(life.at)
    small_px = (flow.width_px, flow.height_px)
    for first, last in itertools.pairwise(seen):
        gap = range(first + 1, last)
        if not 0 < len(gap) <= max_gap:
            continue
        before = _carry(shrunk(life.at[first], size_px, small_px), [flow.backward[t] for t in gap])
        after = _carry(
            shrunk(life.at[last], size_px, small_px), [flow.forward[t] for t in gap[::-1]]
        )
        score = min(life.at[first].score, life.at[last].score)
        for t, one, other in zip(gap, before, after[::-1], strict=True):
            mask = cv2.resize(np.minimum(one, other), size_px, interpolation=cv2.INTER_LINEAR)
            filled = cut_out(np.asarray(mask >= 0.5, np.bool_), life.at[first].label, score)
            if filled is not None:
                life.at[t] = filled


def _carry(mask: Bool, ways: list[F16 | None]) -> list[F32]:
    """The mask [h, w] carried on from frame to frame; each way leads back to the one before."""
    grid = pixel_grid(mask.shape[1], mask.shape[0])
    carried = [mask.astype(np.float32)]
    for way in ways:
        assert way is not None  # inside a clip every frame has both neighbours
        carried.append(np.asarray(warp(carried[-1], way, grid), np.float32))
    return carried[1:]
