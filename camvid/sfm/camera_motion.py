"""Cameras that have no path to find: fixed, rotating about their centre, or zooming.

Structure from motion with a free focal length returns a confident but invented path for an exact
pan, so such clips are recognised from their tracks before any mapping. A homography does not tell
them apart (a plane fools it); what one rotation and focal length per frame leave of the flow does.

How much they may leave is measured on the same tracks. A point that any camera sees, wherever it
goes, lies on an epipolar line; its distance from that line is noise, whatever its depth. Parallax
runs along the line. So where the flow that is left is no longer than a few times that noise, depth
does not show. A walk straight ahead spreads the image as a zoom does, but near things more than
far ones, and so is told from it.
"""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, CameraKind, PointTracks
from camvid.sfm.epipolar import fundamental_matrix
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.observations import cells_of
from camvid.sfm.rotating_camera import RotatingCamera, solve_rotating_camera
from camvid.sfm.rotations import bearings, best_rotation, errors_px

GRID = (6, 6)  # cells by which the cover of tracks is judged
_HOPELESS = 3.0  # times the limit: rotations of single pairs, of a rough focal length, so far off
_NORMAL_65 = 0.935  # the quantile 0.65 of |x| for normal x, in standard deviations

MAX_FIXED_FLOW_PX = 0.5  # median flow of a fixed camera, at the widest spacing
_RESIDUAL_QUANTILE = 0.65  # of the tracks of a pair: the rest may be movers
_MAX_ROTATION_RESIDUAL_TO_NOISE = 5.0  # what a rotation may leave (lenses distort) ...
_MAX_ZOOM_RESIDUAL_TO_NOISE = 2.4  # ... and what a zoom may: a walk ahead comes near
MIN_NOISE_PX = 0.1  # no tracker is surer than that
_MAX_NOISE_PX = 1.5  # inliers of the epipolar geometry
_MIN_ROTATING_FRACTION = 0.8  # of the frame pairs, for a clip may pan and then walk
_MIN_ZOOM = 0.04  # change of focal length from which a camera is called zooming
_MIN_PAIR_TRACKS = 60  # tracks that a frame pair must share
_MAX_PAIR_TRACKS = 250  # of more, some are drawn
_MIN_PAIR_COVERAGE = 0.5  # of the image's cells with tracks: a patch is always flat
_NUM_PAIRS = 10  # about so many over the clip, as single ones may fail the share asked for
_NUM_HYPOTHESES = 40  # rotations tried per pair and focal length


class CameraMotion(NamedTuple):
    """What the flow between distant frames says about the camera."""

    camera: CameraKind  # "moving" means: not degenerate, worth mapping
    flow_px: float  # largest median flow of a pair
    residual_px: float  # of the pair that a rotating camera explains worst
    limit_px: float  # on that residual
    rotating: RotatingCamera | None  # of a moving camera, what comes nearest, if anything does

    @property
    def residual_flow_fraction(self) -> float:
        """Of the flow, what a rotating camera leaves."""
        return self.residual_px / self.flow_px


class Pair(NamedTuple):
    """Tracks that two frames share."""

    i: int
    j: int
    first: F64  # [n, 2] px from the principal point, in frame i
    second: F64  # [n, 2] in frame j


def classify_camera(
    tracks: PointTracks, size_px: tuple[int, int], lens: LensPrior = USUAL_LENS
) -> CameraMotion:
    """Names the camera's motion from tracks of mostly static points.

    Up to a third of the tracks of a pair of frames may lie on movers.
    """
    pairs = widest_pairs(tracks, size_px)
    if not pairs:
        return CameraMotion("unknown", np.nan, np.nan, np.nan, None)
    flow = np.array([np.median(np.linalg.norm(p.second - p.first, axis=1)) for p in pairs])
    flow_px = float(flow.max())
    if flow_px <= MAX_FIXED_FLOW_PX:
        return CameraMotion("fixed", flow_px, np.nan, np.nan, None)
    noise = np.array([noise_px(pair) for pair in pairs])
    limit = _MAX_ROTATION_RESIDUAL_TO_NOISE * noise
    nearest: RotatingCamera | None = None
    residual, focal_px = _best_rotations(pairs, max(size_px))
    if _explained(residual, _HOPELESS * limit):
        found = solve_rotating_camera(tracks, size_px, lens, focal_px=focal_px, zooms=False)
        turned = _rotating_residuals(pairs, found)
        if _explained(turned, limit):
            return _motion("rotating", flow_px, turned, limit, found)
        nearest, residual = found, turned
    found = solve_rotating_camera(tracks, size_px, lens, focal_px=focal_px, zooms=True)
    zoomed = _rotating_residuals(pairs, found)
    zoom_limit = _MAX_ZOOM_RESIDUAL_TO_NOISE * noise
    zooms = found is not None and np.ptp(np.log(found.zoom[found.solved])) >= _MIN_ZOOM
    if zooms and _explained(zoomed, zoom_limit):
        return _motion("zooming", flow_px, zoomed, zoom_limit, found)
    return _motion("moving", flow_px, residual, limit, nearest)


def _motion(
    camera: CameraKind, flow_px: float, residual: F64, limit: F64, rotating: RotatingCamera | None
) -> CameraMotion:
    worst = int(np.argmax(np.where(np.isfinite(residual), residual / limit, -1.0)))
    return CameraMotion(camera, flow_px, float(residual[worst]), float(limit[worst]), rotating)


def _explained(residual: F64, limit: F64) -> bool:
    return float(np.mean(residual <= limit)) >= _MIN_ROTATING_FRACTION


def widest_pairs(tracks: PointTracks, size_px: tuple[int, int]) -> list[Pair]:
    """Frame pairs over the whole clip, each as far apart as enough tracks, well spread, reach."""
    visible = tracks.visible
    center = np.array(size_px) / 2
    rng = np.random.default_rng(0)
    last = len(visible) - 1
    pairs: dict[tuple[int, int], Pair] = {}
    for start in np.unique(np.linspace(0, last, _NUM_PAIRS + 1).astype(int)):
        cell = cells_of(tracks.xy_px[start], size_px, GRID)
        needed = _MIN_PAIR_COVERAGE * len(np.unique(cell[visible[start]]))
        for other in sorted(range(len(visible)), key=lambda j: -abs(j - start)):
            common = np.flatnonzero(visible[start] & visible[other])
            if len(common) < _MIN_PAIR_TRACKS or other == start:
                continue
            if len(np.unique(cell[common])) >= needed:
                i, j = min(start, other), max(start, other)
                drawn = rng.permutation(common)[:_MAX_PAIR_TRACKS]
                both = tracks.xy_px[[i, j]][:, drawn].astype(np.float64) - center
                pairs[i, j] = Pair(int(i), int(j), both[0], both[1])
                break
    return list(pairs.values())


def noise_px(pair: Pair) -> float:
    """Standard deviation of the distances to epipolar lines: what no camera motion explains."""
    found = fundamental_matrix(pair.first, pair.second, _MAX_NOISE_PX)
    if found is None:
        return MIN_NOISE_PX
    ones = np.ones((len(pair.first), 1))
    lines = np.hstack([pair.first, ones]) @ found[0].T  # in the second image
    off = (np.hstack([pair.second, ones]) * lines).sum(axis=1)
    distance = np.abs(off) / np.maximum(np.linalg.norm(lines[:, :2], axis=1), 1e-30)
    deviation = np.quantile(distance, _RESIDUAL_QUANTILE) / _NORMAL_65
    return max(float(deviation), MIN_NOISE_PX)


def _best_rotations(pairs: list[Pair], long_side_px: int) -> tuple[F64, float]:
    """Residual [pairs] in px under the one focal length that suits all pairs best."""
    coarse = long_side_px * np.geomspace(0.35, 4.0, 10)
    focal = _best_focal(pairs, coarse)
    focal = _best_focal(pairs, focal * np.geomspace(0.85, 1.18, 5))
    return np.array([_rotation_residual(p, focal) for p in pairs]), focal


def _best_focal(pairs: list[Pair], focals: F64) -> float:
    costs = [np.mean([_rotation_residual(p, float(f)) for p in pairs]) for f in focals]
    return float(focals[int(np.argmin(costs))])


def _rotation_residual(pair: Pair, focal_px: float) -> float:
    """Quantile of the residuals in px under the rotation that makes it least."""
    first = bearings(pair.first, focal_px)
    rotation = best_rotation(
        first, pair.second, focal_px, quantile=_RESIDUAL_QUANTILE, num_hypotheses=_NUM_HYPOTHESES
    )
    error = errors_px(rotation[None], first, pair.second, focal_px)[0]
    return float(np.quantile(error, _RESIDUAL_QUANTILE))


def _rotating_residuals(pairs: list[Pair], found: RotatingCamera | None) -> F64:
    """The same quantile [pairs] under cameras solved over the whole clip; inf where they are not.

    Most tracks of a pair had no part in solving them.
    """
    residual = np.full(len(pairs), np.inf)
    if found is None:
        return residual
    for n, (i, j, first, second) in enumerate(pairs):
        if not (found.solved[i] and found.solved[j]):
            continue
        start, end = (float(found.K[0, 0] * found.zoom[t]) for t in (i, j))
        turn = found.rotation[j] @ found.rotation[i].T
        error = errors_px(turn[None], bearings(first, start), second, end)[0]
        residual[n] = np.quantile(error, _RESIDUAL_QUANTILE)
    return residual
