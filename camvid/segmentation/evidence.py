"""Which pixels move against the background, over several frame spacings and by the image itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.morphology import components
from camvid.parallel import map_threads
from camvid.segmentation.background import against_background
from camvid.segmentation.flow import F16, ClipFlow, compose, pixel_grid, warp
from camvid.segmentation.labels import THRESHOLD
from camvid.segmentation.smoothing import smooth_in_time

Flows = list[F16 | None]
Views = list[tuple[F32, F32]]

BELOW_THRESHOLD = THRESHOLD - 1  # the strongest evidence that does not yet say that a pixel moves

# Pixels are those of the working size.
_MAX_SPACING_S = 0.35  # widest spacing of compared frames, to the nearest power of two
_NUM_SPACINGS = 3  # each half of the one before
_FLOW_WINDOW_PX = 10.0  # in which flow mixes a mover's motion with that beside it
_MIN_MOVING_SHARE = 0.4  # of a salient region, to be a mover
_MIN_SALIENT_PX = 60  # of such a region


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionEvidence:
    """What shows, in each of T frames, that a pixel moves against the background."""

    strength: list[U8]  # [h, w] smoothed over time: 128 at the threshold, 255 at twice as much
    error: list[F16]  # [h, w] of the image, had the pixel moved as the background; 1 = threshold
    both_sides: list[bool]  # [T] frames before and after were compared: no ghosts of one side


def spacings(num_frames: int, fps: float) -> list[int]:
    """Frame spacings, powers of two, widest last; every frame has one neighbour that far."""
    asked = round(np.log2(max(1.0, _MAX_SPACING_S * fps)))
    top = min(asked, int(np.log2(max(1, (num_frames - 1) // 2))))
    return [2**k for k in range(max(0, top - _NUM_SPACINGS + 1), top + 1)]


def motion_evidence(flow: ClipFlow, hidden: list[U8], fps: float) -> MotionEvidence:
    """Compares each frame with others before and after it.

    `hidden` marks, per frame, pixels that must not define the background (128 to 255).
    """
    num_frames = len(flow.gray)
    evidence = [np.zeros_like(image) for image in flow.gray]
    if num_frames < 2:
        still = [np.zeros(e.shape, np.float16) for e in evidence]
        return MotionEvidence(strength=evidence, error=still, both_sides=[False] * num_frames)
    grid = pixel_grid(flow.width_px, flow.height_px)
    wanted = spacings(num_frames, fps)
    found = [_Found(evidence=e, error=np.full(e.shape, np.inf, np.float16)) for e in evidence]
    seen_both = [wanted[-1] <= t < num_frames - wanted[-1] for t in range(num_frames)]
    for spacing, forward, backward in _widening(flow, wanted[-1], grid):
        if spacing not in wanted:
            continue

        def look(t: int, *, fields: tuple[Flows, Flows], k: int) -> None:
            # Where the widest spacing shows both sides, it alone tells the image's error.
            images = flow.small if k == wanted[-1] or not seen_both[t] else None
            views = [
                _look(t, u, images, way, hidden[t], grid)
                for way, u in ((fields[0][t], t + k), (fields[1][t], t - k))
                if way is not None
            ]
            found[t] = _agreed(found[t], views)  # not kept: the views of a clip fill the memory

        map_threads(partial(look, fields=(forward, backward), k=spacing), range(num_frames))
    evidence = map_threads(_where_image_moved, found)
    return MotionEvidence(
        strength=smooth_in_time(evidence, flow, seen_both),
        error=[f.error for f in found],
        both_sides=seen_both,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    evidence: U8  # [h, w]
    error: F16  # [h, w] of the image, had the pixel moved as the background; 1 = threshold


def _agreed(so_far: _Found, views: Views) -> _Found:
    """Adds what one spacing shows: (residual, error) of each side of the frame.

    What is covered or laid bare has no match on one side: both sides must agree. Near the clip's
    ends, where there is but one side, the spacings must agree on the image's error.
    """
    if not views:
        return so_far
    residual = np.minimum.reduce([residual for residual, _ in views])
    error = np.minimum.reduce([error for _, error in views]).astype(np.float16)
    return _Found(
        evidence=np.maximum(
            so_far.evidence, np.clip(residual * THRESHOLD, 0, 255).astype(np.uint8)
        ),
        error=error if len(views) == 2 else np.minimum(so_far.error, error),
    )


def _where_image_moved(found: _Found) -> U8:
    """Evidence where the image itself moved too, not only the flow, which is smooth."""
    moved = ((found.error >= 1) & (found.evidence >= THRESHOLD)).astype(np.uint8)
    moved = np.asarray(cv2.morphologyEx(moved, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)))
    outlines, _ = cv2.findContours(moved, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(moved, outlines, -1, 1, cv2.FILLED)  # a plain shirt shows only its edges
    return np.where(moved > 0, found.evidence, found.evidence // 4).astype(np.uint8)


def _widening(flow: ClipFlow, widest: int, grid: F32) -> Iterator[tuple[int, Flows, Flows]]:
    """Flow over spacings 1, 2, 4 ... both ways, each in the place of the one before."""
    spacing, forward, backward = 1, list(flow.forward), list(flow.backward)
    yield spacing, forward, backward
    while spacing < widest:
        _double(forward, spacing, grid)
        _double(backward, -spacing, grid)
        spacing *= 2
        yield spacing, forward, backward


def _double(flows: Flows, step: int, grid: F32) -> None:
    """Makes flow over `step` frames flow over twice as many, a few frames at a time."""
    frames = range(len(flows)) if step > 0 else range(len(flows) - 1, -1, -1)

    def one(t: int) -> F16 | None:
        first = flows[t]
        middle = t + step
        second = flows[middle] if 0 <= middle < len(flows) else None
        return None if first is None or second is None else compose(first, second, grid)

    for start in range(0, len(flows), abs(step)):  # none of these needs another of them
        piece = frames[start : start + abs(step)]
        for t, twice in zip(piece, map_threads(one, piece), strict=True):
            flows[t] = twice


def _look(
    t: int, other: int, images: list[U8] | None, displacement: F16, hidden: U8, grid: F32
) -> tuple[F32, F32]:
    """Residual of the flow from the background's, and error of the image if it moved with the
    background; [h, w] each, as multiples of their thresholds. Without images there is no error.
    """
    moved = displacement.astype(np.float32)
    found = against_background(moved, hidden, grid)
    if found is None:
        return np.zeros(hidden.shape, np.float32), np.zeros(hidden.shape, np.float32)
    residual, background = found
    if images is None:
        return residual, np.full(hidden.shape, np.inf, np.float32)
    static = residual < 0.7
    return residual, _image_error(images[t], images[other], moved, background, static, grid)


def _image_error(here: U8, there: U8, moved: F32, background: F32, static: Bool, grid: F32) -> F32:
    """How wrong the image is if a pixel moved as the static pixels around it, over its noise.

    Flow is smooth: it drags along what lies beside a mover. The image tells the two apart, and
    its colours do where the grey values are alike. `here` and `there` are [h, w, 3].
    """
    size = (41, 41)
    free = static.astype(np.float32)
    mass = np.maximum(cv2.blur(free, size), 0.02)
    around = cv2.blur((moved - background) * free[..., None], size) / mass[..., None]
    expected = warp(there, background + around, grid)
    error = cv2.blur(cv2.absdiff(expected, here).max(axis=2), (3, 3)).astype(np.float32)
    noise = float(np.median(error[static])) if static.any() else 0.0
    return np.asarray(error / (4 + noise), np.float32)


def beside_salient_movers(motion: MotionEvidence, saliency: list[U8]) -> list[Bool]:
    """Per frame, [h, w] where flow smears the motion of what is salient and moves.

    Flow is smooth over its window: beside a mover the background seems to move, too. Of pixels
    with strong evidence of motion, not salient and closer to a salient mover than such a window,
    1 to 6 % are a mover's, on generated and real footage alike.
    """

    def beside(t: int) -> Bool:
        own = _salient_movers(saliency[t], motion.strength[t])
        if not own.any():
            return own
        far_px = cv2.distanceTransform((~own).astype(np.uint8), cv2.DIST_L2, 3)
        return np.asarray((far_px < _FLOW_WINDOW_PX) & ~own, np.bool_)

    return map_threads(beside, range(len(saliency)))


def at_most(motion: MotionEvidence, strength: int, where: list[Bool]) -> MotionEvidence:
    """The evidence, not stronger than `strength` where the flow says little."""
    limited = [
        np.where(w, np.minimum(s, np.uint8(strength)), s)
        for s, w in zip(motion.strength, where, strict=True)
    ]
    return replace(motion, strength=limited)


def _salient_movers(saliency: U8, strength: U8) -> Bool:
    """[h, w] where a salient region lies of which a good part moves."""
    core = np.where(saliency >= THRESHOLD, np.uint8(1), np.uint8(0))
    core = np.asarray(cv2.morphologyEx(core, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    region = components(core > 0)
    total = np.bincount(region.ravel())
    moving = np.bincount(region[strength >= THRESHOLD], minlength=len(total))
    own = (moving >= _MIN_MOVING_SHARE * total) & (total >= _MIN_SALIENT_PX)
    own[0] = False
    return own[region]
