"""What the images say of tracks that no static point explains: do they show motion at all?

A tracker errs where it has no choice. Along an edge every place looks alike, so a track may slide;
and where two outlines cross, as slats do over what is seen between them, the crossing moves though
nothing does. Such a track agrees with its neighbours and with no static point. But at some depth
its patch looks as it should where a static point would be, or it left that place along its edges.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, NAN, U8, Bool
from camvid.parallel import map_threads
from camvid.rigidity.cameras import ClipCameras
from camvid.rigidity.observations import TrackObservations
from camvid.rigidity.static_points import StaticPoints

_BLUR_PX = 1.2  # forgives cameras that are wrong by a pixel, and steps of one
_STEP_PX = 0.5  # between neighbouring depths, in the image
_MAX_DEPTHS = 96  # bounds the work: beyond 48 px of parallax, steps are longer
_SPACING_PX = 2.0  # of a patch's samples: as coarse as the blur allows
_REACH = 3  # samples to either side
_AHEAD = 1e-3  # of the depth: what comes nearer than that is behind the camera
_NOISE = 1.0  # grey levels: what two looks at one patch differ by anyway
_CHUNK = 2048  # patches at once: they stay in the cache


class Looks(NamedTuple):
    """The observations, as places in the list, at which each of n tracks is looked at."""

    middle: NDArray[np.intp]  # [n]
    ends: tuple[NDArray[np.intp], NDArray[np.intp]]  # [n] before and after


# Log likelihood ratio by the logarithm of the mismatch, of 17,921 stray tracks of 40 generated
# scenes (seeds 300 to 339): -2.9 below 0, -2.6 at .1, -1.2 at .4, -.3 at .6, .6 at 1.2, 1.5 at 2.2,
# 2.4 at 3.5, 3.6 above 4; of 2,700 in semi-real ones alike. Where less than a tenth of the step
# goes across, 1 to 2 less.
_EVEN, _SLOPE = 0.8, 1.1
_ALONG, _LEAST_ALONG, _MOST_ALONG = 0.3, -2.0, 0.3  # share across that adds 0; least, most added
_MOST = 3.0  # of what the mismatch says, either way


def image_evidence(
    gray: U8,
    observations: TrackObservations,
    points: StaticPoints,
    cameras: ClipCameras,
    depth_bounds: tuple[F64, F64],
    stray: Bool,
) -> F64:
    """Log likelihood ratio [N] of what the images show, moving over static; NaN of others.

    Args:
        gray: images [T, H, W], as `soft_gray` has them.
        points: the static points of all tracks, from which the stray ones are furthest at the ends.
        depth_bounds: least and largest inverse depth [N] in the middle observation.
        stray: the tracks [N] to ask about.
    """
    ratio = np.full(len(stray), NAN)
    index = np.flatnonzero(stray)
    if not len(index):
        return ratio
    start, stop = observations.start[index], observations.start[index + 1]
    middle = (start + stop) // 2
    off_px = np.linalg.norm(points.residual_px, axis=1)

    def furthest(first: NDArray[np.integer], last: NDArray[np.integer]) -> NDArray[np.intp]:
        spans = zip(first, last, strict=True)
        return np.array([a + np.argmax(off_px[a:b]) for a, b in spans], np.intp)

    looks = Looks(middle, (furthest(start, middle + 1), furthest(middle, stop)))
    low, high = (bound[index] for bound in depth_bounds)
    worse, across = mismatch_ratio(gray, observations, cameras, looks, (low, high))
    along = np.clip(np.log(np.maximum(across, 1e-6) / _ALONG), _LEAST_ALONG, _MOST_ALONG)
    ratio[index] = np.clip(_SLOPE * (worse - _EVEN), -_MOST, _MOST) + along
    return ratio


def soft_gray(rgb: U8) -> U8:
    """[T, H, W] of [T, H, W, 3], blurred a little."""

    def convert(image: U8) -> U8:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.GaussianBlur(gray, (0, 0), _BLUR_PX), np.uint8)

    return np.stack(map_threads(convert, list(rgb)))


def mismatch_ratio(
    gray: U8,
    observations: TrackObservations,
    cameras: ClipCameras,
    looks: Looks,
    depth_bounds: tuple[F64, F64],
) -> tuple[F64, F64]:
    """Of n tracks: how much worse their patches fit the best static place than their own.

    Args:
        gray: images [T, H, W], as `soft_gray` has them.
        depth_bounds: least and largest inverse depth [n] in the middle look.

    Returns:
        The logarithm [n] of the ratio of the patches' mean squared differences, and the share [n]
        of the step from there that goes across the patch's edges: 0 along an edge, 1 across it.
    """
    frame, xy_px = observations.frame, observations.xy_px
    first = _patches_at(gray, frame[looks.middle], xy_px[looks.middle])
    found = [xy_px[end][:, None] for end in looks.ends]
    static = _static_places(observations, cameras, looks, depth_bounds)

    def mismatch(places: list[F64]) -> F64:
        ends = zip(looks.ends, places, strict=True)
        each = np.stack([_mismatch(gray, frame[end], at, first) for end, at in ends])
        seen = np.isfinite(each)
        total = np.where(seen, each, 0).sum(axis=0)
        return np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.inf)

    own, best = mismatch(found)[:, 0], mismatch(static)
    likeliest = best.argmin(axis=1)
    each = np.arange(len(own))
    best = np.minimum(best[each, likeliest], 255.0**2)
    steps = [f[:, 0] - s[each, likeliest] for f, s in zip(found, static, strict=True)]
    ratio = np.log((best + _NOISE**2) / (own + _NOISE**2))
    return ratio, _across_share(first, np.nan_to_num(np.stack(steps, 1)))


def _static_places(
    observations: TrackObservations,
    cameras: ClipCameras,
    looks: Looks,
    depth_bounds: tuple[F64, F64],
) -> list[F64]:
    """Where static points of all depths allowed would be at both ends, [n, D, 2] each.

    A ray seen in the middle look at inverse depth q goes to R ray + q t. NaN is behind the camera.
    """
    here = observations.frame[looks.middle]
    rays = cameras.rays(here, observations.xy_px[looks.middle])
    moved: list[tuple[F64, F64, F64]] = []
    for end in looks.ends:
        there = observations.frame[end]
        turn, shift = cameras.between(here, there)
        moved.append((cameras.K[there], np.einsum("nij,nj->ni", turn, rays), shift))
    low, high = depth_bounds
    spans = [
        _project(K, ray + high[:, None] * t) - _project(K, ray + low[:, None] * t)
        for K, ray, t in moved
    ]
    num_depths = int(np.clip(np.ceil(max(map(_longest, spans)) / _STEP_PX) + 1, 2, _MAX_DEPTHS))
    share = np.linspace(0, 1, num_depths)
    q = (low[:, None] + (high - low)[:, None] * share)[..., None]  # [n, D, 1]
    return [_project(K[:, None], ray[:, None] + q * t[:, None]) for K, ray, t in moved]


def _longest(steps: F64) -> float:
    length = np.linalg.norm(steps, axis=-1)
    return float(np.max(length[np.isfinite(length)], initial=0.0))


def _project(K: F64, points: F64) -> F64:
    """xy_px [..., 2] of points [..., 3] in cameras K [..., 3, 3]; NaN behind the camera."""
    z = np.where(points[..., 2:] > _AHEAD, points[..., 2:], np.nan)
    return points[..., :2] / z * K[..., [0, 1], [0, 1]] + K[..., :2, 2]


def _mismatch(gray: U8, frame: NDArray[np.integer], xy_px: F64, patch: F32) -> F64:
    """Variance of the difference from patches [n, S] at places [n, D, 2], [n, D].

    A difference in brightness does not count; infinite out of the image.
    """
    height, width = gray.shape[1:]
    places = xy_px.reshape(-1, 2)
    inside = ((places >= 0) & (places < (width, height))).all(axis=1)
    found = np.full(len(places), np.inf)
    owner = np.arange(len(places)) // xy_px.shape[1]
    for t in np.unique(frame):
        there = np.flatnonzero(inside & (frame[owner] == t))
        for start in range(0, len(there), _CHUNK):
            part = there[start : start + _CHUNK]
            found[part] = (_patches(gray[t], places[part]) - patch[owner[part]]).var(axis=1)
    return found.reshape(xy_px.shape[:2])


def _patches_at(gray: U8, frame: NDArray[np.integer], xy_px: F64) -> F32:
    """Patches [n, S] about the places [n, 2] in the frames [n]."""
    patches = np.empty((len(xy_px), (2 * _REACH + 1) ** 2), np.float32)
    for t in np.unique(frame):
        patches[frame == t] = _patches(gray[t], xy_px[frame == t])
    return patches


def _patches(image: U8, xy_px: F64) -> F32:
    """Patches [k, S] about the places [k, 2]; OpenCV counts pixel centres from 0."""
    across = np.arange(-_REACH, _REACH + 1, dtype=np.float32) * np.float32(_SPACING_PX)
    corner = xy_px.astype(np.float32) - np.float32(0.5)
    x = corner[:, :1] + np.tile(across, len(across))
    y = corner[:, 1:] + np.repeat(across, len(across))
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _across_share(patch: F32, steps: F64) -> F64:
    """How far the steps [n, 2, 2] change what is seen in patches [n, S]: 1 across an edge, 0 along.

    d' G d / (d' d g) with the patch's structure tensor G and its larger eigenvalue g.
    """
    side = 2 * _REACH + 1
    square = patch.reshape(-1, side, side).astype(np.float64)
    slopes = [np.asarray(np.gradient(square, axis=axis), np.float64) for axis in (2, 1)]
    g = np.stack(slopes, axis=-1).reshape(len(patch), -1, 2)
    tensor = np.einsum("nsi,nsj->nij", g, g) + 1e-9 * np.eye(2)
    changed = np.einsum("nei,nij,nej->n", steps, tensor, steps)
    most = np.linalg.eigvalsh(tensor)[:, 1] * np.einsum("nei,nei->n", steps, steps)
    return np.asarray(changed / np.maximum(most, 1e-12), np.float64)
