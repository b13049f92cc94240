"""Which pixels move against the background: residual of flow over several frame spacings.

Two backgrounds are asked. A homography explains a fixed, turning or zooming camera and any plane;
what it leaves is motion or parallax, so its threshold grows with what it leaves of the whole
image. Epipolar geometry explains parallax too, but not what moves off its epipolar lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, U8, Bool
from camvid.morphology import components
from camvid.parallel import map_threads
from camvid.segmentation.flow import F16, ClipFlow, compose, look_up, pixel_grid
from camvid.segmentation.labels import YES
from camvid.segmentation.steady import steady

Flows = list[F16 | None]
Views = list[tuple[F32, F32]]

UNDECIDED = YES - 1  # the strongest evidence that does not yet say that a pixel moves

_SAMPLE_STEP_PX = 8
_MIN_SAMPLES = 40

# Pixels are those of the working size.
_MAX_SPACING_S = 0.35  # widest spacing of compared frames, to the nearest power of two
_NUM_SPACINGS = 3  # each half of the one before
_MIN_RESIDUAL_PX = 0.75  # less is flow noise
_NOISE_FACTOR = 4.0  # and so is less than this many robust deviations
_MIN_EPIPOLAR_PX = 0.75
_MAX_PLANES = 3  # of the background
_MIN_PLANE_SHARE = 0.12  # of the background samples, for a second or third plane
_MIN_PLANE_EXTENT = 0.45  # of the image's side, over which they must lie
_FLOW_WINDOW_PX = 10.0  # in which flow mixes a mover's motion with that beside it
_MIN_MOVING_SHARE = 0.4  # of a salient region, to be a mover
_MIN_SALIENT_PX = 60  # of such a region
_MIN_PARALLAX_PX = 2.0  # below it there is no epipolar geometry to speak of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionEvidence:
    """What shows, in each of T frames, that a pixel moves against the background."""

    strength: list[U8]  # [h, w] steadied: 128 at the threshold, 255 at twice the threshold
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
        strength=steady(evidence, flow, seen_both),
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
        evidence=np.maximum(so_far.evidence, np.clip(residual * YES, 0, 255).astype(np.uint8)),
        error=error if len(views) == 2 else np.minimum(so_far.error, error),
    )


def _where_image_moved(found: _Found) -> U8:
    """Evidence where the image itself moved too, not only the flow, which is smooth."""
    moved = ((found.error >= 1) & (found.evidence >= YES)).astype(np.uint8)
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
    start, shift = _background_samples(moved, hidden, grid)
    if len(start) < _MIN_SAMPLES:
        return np.zeros(hidden.shape, np.float32), np.zeros(hidden.shape, np.float32)
    background, left = _planes_flow(start, shift, moved, grid)
    typical = 1.4826 * float(np.median(left))
    threshold = max(_MIN_RESIDUAL_PX, _NOISE_FACTOR * typical)
    residual = _length(moved - background) / threshold
    if np.percentile(left, 80) >= _MIN_PARALLAX_PX:
        epipolar = _epipolar_residual(start, shift, moved, grid)
        residual = np.maximum(residual, epipolar)
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
    expected = look_up(there, background + around, grid)
    error = cv2.blur(cv2.absdiff(expected, here).max(axis=2), (3, 3)).astype(np.float32)
    noise = float(np.median(error[static])) if static.any() else 0.0
    return np.asarray(error / (4 + noise), np.float32)


def _planes_flow(start: F32, shift: F32, moved: F32, grid: F32) -> tuple[F32, F32]:
    """Flow [h, w, 2] of the scene plane that fits best at each pixel, and residuals at samples.

    A room has a wall and a floor. After the main plane, others count as background where they
    explain many samples that lie far apart: movers are compact.
    """
    tolerance = _MIN_RESIDUAL_PX + 0.02 * float(np.median(_length(shift)))
    enough = max(_MIN_SAMPLES, _MIN_PLANE_SHARE * len(start))
    background = np.zeros_like(grid)
    closest = np.full(grid.shape[:2], np.inf, np.float32)
    left = np.full(len(start), np.inf, np.float32)
    rest = np.ones(len(start), bool)
    for plane in range(_MAX_PLANES):
        if plane > 0 and rest.sum() < enough:
            break
        homography = _fit_homography(start[rest], (start + shift)[rest])
        error = _length(shift - (_project(homography, start) - start))
        near = rest & (error < tolerance)
        if plane > 0 and not (near.sum() >= enough and _lies_wide(start[near], grid)):
            break
        fitted = _project(homography, grid) - grid
        misfit = _length(moved - fitted)
        np.copyto(background, fitted, where=(misfit < closest)[..., None])
        np.minimum(closest, misfit, out=closest)
        left = np.minimum(left, error)
        rest &= ~near
    return background, left


def _lies_wide(points: F32, grid: F32) -> bool:
    spread = np.ptp(np.percentile(points, (10, 90), axis=0), axis=0)
    return bool((spread / grid.shape[1::-1]).max() >= _MIN_PLANE_EXTENT)


def _background_samples(moved: F32, hidden: U8, grid: F32) -> tuple[F32, F32]:
    """Grid points [N, 2] and their displacement, off what is hidden and inside both frames."""
    half = _SAMPLE_STEP_PX // 2
    cut = (slice(half, None, _SAMPLE_STEP_PX), slice(half, None, _SAMPLE_STEP_PX))
    start, shift = grid[cut].reshape(-1, 2), moved[cut].reshape(-1, 2)
    limit = np.array(grid.shape[1::-1], np.float32) - 1
    target = start + shift
    inside = np.asarray(((target >= 0) & (target <= limit)).all(axis=-1), np.bool_)
    free = inside & (hidden[cut].reshape(-1) < YES)
    if free.sum() >= max(_MIN_SAMPLES, 0.2 * inside.sum()):
        inside = free
    return start[inside], shift[inside]


def _fit_homography(start: F32, end: F32) -> F64:
    tolerance = 0.5 + 0.02 * float(np.median(_length(end - start)))
    found, _ = cv2.findHomography(start, end, cv2.USAC_FAST, tolerance, maxIters=500)
    fitted = np.shape(found) == (3, 3)  # None where nothing fits
    return np.asarray(found, np.float64) if fitted else np.eye(3)


def _length(vectors: NDArray[np.floating]) -> F32:
    """Lengths [...] of vectors [..., 2]; numpy's own norm takes several times as long."""
    return np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2).astype(np.float32, copy=False)


def _project(homography: F64, points: F32) -> F32:
    mapped = cv2.perspectiveTransform(points.reshape(-1, 1, 2), homography)
    return np.asarray(mapped, np.float32).reshape(points.shape)


def _epipolar_residual(start: F32, shift: F32, moved: F32, grid: F32) -> F32:
    """Distance from the epipolar geometry of the background, as a multiple of its threshold."""
    tolerance = _MIN_EPIPOLAR_PX / 2
    thin = max(1, len(start) // 300)  # RANSAC's time grows with the samples, its answer does not
    start, shift = start[::thin], shift[::thin]
    found, inlier = cv2.findFundamentalMat(
        start, start + shift, cv2.FM_RANSAC, tolerance, 0.99, 500
    )
    if np.shape(found) != (3, 3):
        return np.zeros(moved.shape[:2], np.float32)
    fundamental = np.asarray(found, np.float64)
    kept = np.asarray(inlier).reshape(-1) > 0
    typical = float(np.median(_sampson(fundamental, start, start + shift)[kept]))
    threshold = max(_MIN_EPIPOLAR_PX, 2 * _NOISE_FACTOR * typical)
    return (_sampson(fundamental, grid, grid + moved) / threshold).astype(np.float32)


def _sampson(fundamental: F64, start: F32, end: F32) -> F32:
    """First-order distance in pixels [...] of matches [..., 2] from their epipolar lines."""
    ones = np.ones((*start.shape[:-1], 1), np.float32)
    a, b = np.concatenate([start, ones], axis=-1), np.concatenate([end, ones], axis=-1)
    line_b, line_a = a @ fundamental.T.astype(np.float32), b @ fundamental.astype(np.float32)
    slope = np.hypot(_length(line_a), _length(line_b))
    distance = np.abs(np.einsum("...i,...i", b, line_b)) / np.maximum(slope, 1e-6)
    return np.asarray(distance, np.float32)


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
    core = np.where(saliency >= YES, np.uint8(1), np.uint8(0))
    core = np.asarray(cv2.morphologyEx(core, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    region = components(core > 0)
    total = np.bincount(region.ravel())
    moving = np.bincount(region[strength >= YES], minlength=len(total))
    own = (moving >= _MIN_MOVING_SHARE * total) & (total >= _MIN_SALIENT_PX)
    own[0] = False
    return own[region]
