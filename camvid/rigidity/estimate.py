"""What each track says by itself, under known cameras: does it move?"""

from dataclasses import replace

import numpy as np

from camvid.artifacts import F32, F64, NAN, U8, U16, Bool, PointTracks, Rigidity
from camvid.rigidity.cameras import ClipCameras
from camvid.rigidity.depth_bounds import inverse_depth_bounds
from camvid.rigidity.evidence import (
    NUM_COSINES,
    Compressed,
    Spectrum,
    compress,
    log_likelihood,
    refit_noise,
)
from camvid.rigidity.image_evidence import image_evidence, soft_gray
from camvid.rigidity.observations import TrackObservations, track_observations
from camvid.rigidity.posterior import MISLED, UNMASKED
from camvid.rigidity.static_points import StaticPoints, fit_static_points
from camvid.tracking.tracks import tracks_of

_ROUNDS = 3  # of noise and posterior in turn; from the third on nothing changes by 1 %
_NOISE_STEPS = 3  # of EM in each round, with expanded parameters: plain EM takes a hundred
_SURE = 0.9  # P(static) of a track that says how deep the scene is
_MIN_NUMBERS = 4  # observed of a track beyond those that its static point takes up
_FIRST_GUESS_PX = 0.2  # noise, white and slow, that EM begins with: about that of a good track
_MAX_LOG_RATIO = 30.0  # odds of 1e13: a numerical guard
_SLOWEST = 0.02  # of the longer side per second: below it, motion is not worth the name
_NUM_SPEEDS = 7  # each twice the one before
_RAMP = 0.4  # about 4 / pi^2: the first cosine of what runs from end to end of its path


def estimate_rigidity(
    tracks: PointTracks,
    owner: U16,
    cameras: ClipCameras,
    size_px: tuple[int, int],
    fps: float,
    rgb: U8 | None = None,
) -> Rigidity:
    """What each of the N tracks says by itself: the evidence that `posterior` takes.

    Args:
        owner: object [N] that each track lies on, 0 for what no mask holds.
        cameras: those of a reconstruction.
        size_px: (width, height) of the images.
        rgb: images [T, H, W, 3], which are asked about the tracks that stray; None: they are not.
    """
    side_px = max(size_px)
    observations = track_observations(tracks, cameras)
    if not len(observations.track):
        unknown = np.full(len(owner), NAN)
        slow_px = np.full(NUM_COSINES, NAN)
        return Rigidity(
            log_ratio=unknown,
            image_ratio=unknown,
            unexplained=unknown,
            white_px=NAN,
            slow_px=slow_px,
        )
    points = fit_static_points(observations, cameras)
    compressed = compress(observations, points)
    known = compressed.num >= _MIN_NUMBERS
    motion = _motion_variances(compressed, side_px, fps)
    unexplained = _unexplained(observations, points, compressed, size_px, fps)
    noise, static = _fit_noise(compressed, motion, known & (owner == 0))
    bounds = np.zeros(len(known)), np.zeros(len(known))
    if cameras.extent > 0:
        sure = known & (static > _SURE) & ~points.at_bound
        bounds = inverse_depth_bounds(observations, points, owner, sure, side_px)
        points = fit_static_points(observations, cameras, bounds)
        compressed = compress(observations, points)
    ratio = np.where(known, _log_ratio(compressed, noise, motion), NAN)
    image_ratio = np.full(len(known), NAN)
    if rgb is not None:
        stray = known & (ratio > 0)
        image_ratio = image_evidence(soft_gray(rgb), observations, points, cameras, bounds, stray)
    return Rigidity(
        log_ratio=ratio,
        image_ratio=image_ratio,
        unexplained=np.where(known, unexplained, NAN),
        white_px=noise.white_px,
        slow_px=noise.slow_px,
    )


def held_to_depths(
    rigidity: Rigidity,
    tracks: PointTracks,
    cameras: ClipCameras,
    depth_range: tuple[F32, F32],
    size_px: tuple[int, int],
    fps: float,
) -> Rigidity:
    """The same, with the static points of objects held to the range that their depth is known in.

    What moves along the epipolar lines looks like a static point of another depth.

    Args:
        depth_range: least and largest depth [T, N] of each track; NaN where it is not known.
    """
    on_object = np.isfinite(rigidity.log_ratio) & (tracks.object_id > 0)
    index = np.flatnonzero(on_object)
    observations = track_observations(tracks_of(tracks, on_object), cameras)
    if not len(observations.track) or not cameras.extent > 0:
        return rigidity
    points = fit_static_points(observations, cameras)
    at = observations.frame, index[observations.track]
    far, near = (observations.median(points.depth_ratio / d[at]) for d in reversed(depth_range))
    outside = (points.inverse_depth < far) | (points.inverse_depth > near)
    if not outside.any():
        return rigidity
    index, far, near = index[outside], far[outside], near[outside]
    observations = track_observations(tracks_of(tracks, index), cameras)
    compressed = compress(observations, fit_static_points(observations, cameras, (far, near)))
    motion = _motion_variances(compressed, max(size_px), fps)
    noise = Spectrum(rigidity.white_px, rigidity.slow_px)
    ratio = rigidity.log_ratio.copy()
    ratio[index] = np.maximum(ratio[index], _log_ratio(compressed, noise, motion))
    return replace(rigidity, log_ratio=ratio)


def _unexplained(
    observations: TrackObservations,
    points: StaticPoints,
    compressed: Compressed,
    size_px: tuple[int, int],
    fps: float,
) -> F64:
    """Speed [N] in image sides (x by the width, y by the height) a second, by what strays.

    What moves evenly for a time strays from its own middle by a quarter of its path on average.
    """
    stray = np.linalg.norm(points.residual_px / size_px, axis=1)
    count = np.maximum(observations.per_track, 2)
    seconds = compressed.duration / fps * count / (count - 1)
    return 4 * observations.sum(stray[:, None])[:, 0] / count / seconds


def _fit_noise(compressed: Compressed, motion: list[F64], background: Bool) -> tuple[Spectrum, F64]:
    """The clip's noise, and P(static) [N] of the background's tracks, by turns; 0 of others.

    Up to half may lie on movers that no mask holds, and must not pass for noise of the rest: it
    begins with the better half, and what strays says nothing of the noise.
    """
    noise = Spectrum(_FIRST_GUESS_PX, np.full(NUM_COSINES, _FIRST_GUESS_PX))
    variance = compressed.square_px2 / np.maximum(compressed.num, 1)
    half = np.median(variance[background]) if background.any() else 0.0
    static = (background & (variance <= half)).astype(np.float64)
    for _ in range(_ROUNDS):
        for _ in range(_NOISE_STEPS):
            noise = refit_noise(compressed, noise, static)
        # Of a track that moves or is misled.
        odds = np.log(UNMASKED + MISLED) + _log_ratio(compressed, noise, motion)
        static = np.where(background, 1 / (1 + np.exp(odds)), 0.0)
    return noise, static


def _motion_variances(compressed: Compressed, side_px: int, fps: float) -> list[F64]:
    """Of the cosines' amplitudes [N, K] in px^2, for each speed v: (0.4 v duration / k^2)^2.

    A point at constant velocity has amplitudes of 4 / pi^2 v duration / k^2 for odd k. Even ones
    may be as large.
    """
    k = np.arange(1, NUM_COSINES + 1)
    speeds = _SLOWEST * 2.0 ** np.arange(_NUM_SPEEDS) * side_px / fps
    return [(v * _RAMP * compressed.duration[:, None] / k**2) ** 2 for v in speeds]


def _log_ratio(compressed: Compressed, noise: Spectrum, motion: list[F64]) -> F64:
    """[N] log likelihood of a smooth motion of any of the speeds, over that of none."""
    each = np.stack([log_likelihood(compressed, noise, variance) for variance in motion])
    moving = np.logaddexp.reduce(each, axis=0) - np.log(len(motion))
    ratio = moving - log_likelihood(compressed, noise)
    return np.clip(ratio, -_MAX_LOG_RATIO, _MAX_LOG_RATIO)
