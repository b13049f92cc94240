"""What the pictures say of tracks that no static point explains: do they show motion at all?

A tracker errs where it has no choice. Along an edge every place looks alike, so a track may slide;
and where two outlines cross, the crossing moves though nothing does. So a stray track is held
against the pictures: at every depth it may have, does its patch look as it should where a static
point would be? And if not, did it leave the static place across its edges, or along them?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, U8, Bool, Frames
from camvid.geometry import invert_rigid
from camvid.motion.camera_models import PosedCameras
from camvid.parallel import map_threads

_BLUR_PX = 1.2  # forgives cameras that are wrong by a pixel, and steps of one
_STEP_PX = 1.5  # between neighbouring depths, in the picture
_MAX_DEPTHS = 64
_CHUNK = 2048  # patches at once: they stay in the cache
_BORDER = cv2.BORDER_REPLICATE
_SPACING_PX = 2.0  # of a patch's samples: as coarse as the blur allows
_REACH = 3  # samples to either side
_AHEAD = 1e-3  # of the depth: what comes nearer than that is behind the camera


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """When a stray track is believed."""

    min_mismatch: float = 1.3  # of the best static place against the track's own
    noise: float = 1.0  # grey levels: what two looks at one patch differ by anyway
    min_across_share: float = 0.25  # of the step from there: 0 along an edge, 1 across it


class _Sighting(NamedTuple):
    """The three frames of a window in which each of n tracks is compared."""

    middle: NDArray[np.intp]  # [n]
    ends: tuple[NDArray[np.intp], NDArray[np.intp]]  # [n] first and last


def shown_moving(
    frames: Frames,
    cameras: PosedCameras,
    windows: Sequence[NDArray[np.intp]],
    strays: Bool,
    options: PictureOptions,
) -> Bool:
    """Which of the stray tracks the pictures show to move, window by window, [V, N]."""
    gray = _soft_gray(frames.rgb)

    def look(window: int) -> Bool:
        shown = np.zeros(strays.shape[1], bool)
        index = np.flatnonzero(strays[window])
        if len(index):
            shown[index] = _moves(gray, cameras, windows[window], index, options)
        return shown

    return np.array(map_threads(look, range(len(windows))), bool).reshape(strays.shape)


def _soft_gray(rgb: U8) -> U8:
    """[T, H, W] of [T, H, W, 3]."""
    gray = np.empty(rgb.shape[:3], np.uint8)

    def convert(t: int) -> None:
        cv2.GaussianBlur(cv2.cvtColor(rgb[t], cv2.COLOR_RGB2GRAY), (0, 0), _BLUR_PX, dst=gray[t])

    map_threads(convert, range(len(rgb)))
    return gray


def _moves(
    gray: U8,
    cameras: PosedCameras,
    frames: NDArray[np.intp],
    index: NDArray[np.intp],
    options: PictureOptions,
) -> Bool:
    """Whether the pictures show the tracks `index` [n] to move over `frames` [m]."""
    xy_px = cameras.tracks.xy_px
    when = _sightings(frames, cameras.tracks.visible[np.ix_(frames, index)])
    first = _first_patches(gray, when.middle, xy_px[when.middle, index])
    found = [xy_px[end, index][:, None] for end in when.ends]
    static = _static_places(cameras, when, index)

    def mismatch(places: Sequence[np.ndarray]) -> F32:
        ends = zip(when.ends, places, strict=True)
        one, other = (_mismatch(gray, end, at, first) for end, at in ends)
        return (one + other) * np.float32(0.5)

    own, best = mismatch(found), mismatch(static)
    likeliest = best.argmin(axis=1)
    each = np.arange(len(index))
    steps = [f[:, 0] - s[each, likeliest] for f, s in zip(found, static, strict=True)]
    worse = best[each, likeliest] > options.min_mismatch**2 * (own[:, 0] + options.noise**2)
    return worse & (_across_share(first, np.stack(steps, 1)) > options.min_across_share)


def _sightings(frames: NDArray[np.intp], seen: Bool) -> _Sighting:
    """First, middle and last of the frames [m] in which each track is seen [m, n]."""
    rank = np.cumsum(seen, axis=0)
    middle = np.argmax(rank > rank[-1] // 2, axis=0)
    last = len(frames) - 1 - np.argmax(seen[::-1], axis=0)
    return _Sighting(frames[middle], (frames[np.argmax(seen, axis=0)], frames[last]))


def _static_places(
    cameras: PosedCameras, when: _Sighting, index: NDArray[np.intp]
) -> tuple[F64, F64]:
    """Where static points at all depths allowed would be at both ends, [n, D, 2] each.

    A ray seen in the middle frame at inverse depth q goes to R ray + q t. NaN is out of sight.
    """
    K, depths = cameras.K[when.middle], cameras.depths
    xy_px = cameras.tracks.xy_px[when.middle, index].astype(np.float64)
    rays = (xy_px - K[:, :2, 2]) / K[:, [0, 1], [0, 1]]
    rays = np.column_stack([rays, np.ones(len(index))])
    far, near = (1 / d[when.middle, index].astype(np.float64) for d in (depths.high, depths.low))
    world_from_middle = invert_rigid(cameras.cam_from_world[when.middle])
    moved: list[tuple[F64, F64, F64]] = []
    for end in when.ends:
        turn = cameras.cam_from_world[end][..., :3]
        shift = np.einsum("nij,nj->ni", turn, world_from_middle[..., 3])
        shift += cameras.cam_from_world[end][..., 3]
        turned = np.einsum("nij,njk,nk->ni", turn, world_from_middle[..., :3], rays)
        moved.append((cameras.K[end], turned, shift))
    ends = [[_project(K, a + q[:, None] * t) for q in (far, near)] for K, a, t in moved]
    span_px = max((_longest(f - n) for f, n in ends), default=0.0)
    num_depths = int(np.clip(np.ceil(span_px / _STEP_PX) + 1, 2, _MAX_DEPTHS))
    share = np.linspace(0, 1, num_depths)
    q = (far[:, None] + (near - far)[:, None] * share)[..., None]  # [n, D, 1]
    one, other = (_project(K[:, None], a[:, None] + q * t[:, None]) for K, a, t in moved)
    return one, other


def _longest(steps: F64) -> float:
    length = np.linalg.norm(steps, axis=-1)
    return float(np.max(length[np.isfinite(length)], initial=0.0))


def _project(K: F64, points: F64) -> F64:
    """xy_px [..., 2] of points [..., 3] in cameras K [..., 3, 3]; NaN behind the camera."""
    z = np.where(points[..., 2:] > _AHEAD, points[..., 2:], np.nan)
    return points[..., :2] / z * K[..., [0, 1], [0, 1]] + K[..., :2, 2]


def _mismatch(gray: U8, frame_index: NDArray[np.intp], xy_px: np.ndarray, patch: F32) -> F32:
    """Variance of the difference from patches [n, S] at places [n, D, 2], [n, D].

    A difference in brightness does not count; out of the picture nothing matches.
    """
    height, width = gray.shape[1:]
    num_places = xy_px.shape[1]
    places = xy_px.reshape(-1, 2).astype(np.float32)
    inside = ((places >= 0) & (places < (width, height))).all(axis=1)
    found = np.full(len(places), np.inf, np.float32)
    owner = np.arange(len(places)) // num_places
    for t in np.unique(frame_index):
        there = np.flatnonzero(inside & (frame_index[owner] == t))
        for start in range(0, len(there), _CHUNK):
            part = there[start : start + _CHUNK]
            difference = _patches(gray[t], places[part])
            difference -= patch[owner[part]]
            mean = np.einsum("ks->k", difference) / np.float32(patch.shape[1])
            square = np.einsum("ks,ks->k", difference, difference) / np.float32(patch.shape[1])
            found[part] = square - mean * mean
    return found.reshape(-1, num_places)


def _first_patches(gray: U8, frame_index: NDArray[np.intp], xy_px: F32) -> F32:
    """Patches [n, S] about the places [n, 2] in the frames [n]."""
    patches = np.empty((len(xy_px), (2 * _REACH + 1) ** 2), np.float32)
    for t in np.unique(frame_index):
        own = np.flatnonzero(frame_index == t)
        patches[own] = _patches(gray[t], xy_px[own])
    return patches


def _patches(picture: U8, xy_px: F32) -> F32:
    """Patches [k, S] about the places [k, 2]; OpenCV counts pixel centres from 0."""
    across = np.arange(-_REACH, _REACH + 1, dtype=np.float32) * np.float32(_SPACING_PX)
    corner = xy_px - np.float32(0.5)
    x = corner[:, :1] + np.tile(across, len(across))  # x and y apart: OpenCV would copy them
    y = corner[:, 1:] + np.repeat(across, len(across))
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, None, _BORDER).astype(np.float32)


def _across_share(patch: F32, steps: np.ndarray) -> F64:
    """How far the steps [n, 2, 2] change what is seen in patches [n, S]: 1 across an edge, 0 along.

    d' G d / (d' d g) with the patch's structure tensor G and its larger eigenvalue g.
    """
    side = 2 * _REACH + 1
    square = patch.reshape(-1, side, side).astype(np.float64)
    g = np.stack([np.gradient(square, axis=axis) for axis in (2, 1)], axis=-1).reshape(
        len(patch), -1, 2
    )
    tensor = np.einsum("nsi,nsj->nij", g, g) + 1e-9 * np.eye(2)
    changed = np.einsum("nei,nij,nej->n", steps, tensor, steps)
    most = np.linalg.eigvalsh(tensor)[:, 1] * np.einsum("nei,nei->n", steps, steps)
    return changed / np.maximum(most, 1e-12)
