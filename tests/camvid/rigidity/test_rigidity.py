"""Points of which it is known whether they move, seen by cameras of every kind."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from camvid.artifacts import (
    F64,
    NAN,
    MaskedObject,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.geometry import img_from_cam, transform_points
from camvid.objects import Origin
from camvid.rigidity.cameras import ClipCameras, cameras_of
from camvid.rigidity.estimate import estimate_rigidity
from camvid.rigidity.evidence import NUM_COSINES, Spectrum, compress, log_likelihood, refit_noise
from camvid.rigidity.observations import track_observations
from camvid.rigidity.posterior import MASKED, Posterior, posterior, priors_of
from camvid.rigidity.static_points import fit_static_points
from camvid.tracking.tracks import join_tracks

T, SIZE_PX, FPS = 36, (480, 270), 24.0
K = np.array([[400.0, 0, 240], [0, 400, 135], [0, 0, 1]])
NOISE_PX = 0.15
SCENE, CRATE, WALKER, LEADER = 0, 1, 2, 3
OBJECTS = (
    MaskedObject(CRATE, "crate", 1.0, Origin.SALIENT),
    MaskedObject(WALKER, "walker", 1.0, Origin.SALIENT_MOVING),
    MaskedObject(LEADER, "car", 1.0, Origin.SALIENT_MOVING),
)


@dataclass
class World:
    """Points on a wall and a floor, on a crate before it, and on what moves."""

    pose: F64  # [T, 3, 4]
    tracks: PointTracks
    owner: np.ndarray


def make(pose: F64, *, leads: bool = False, seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    time_s = np.arange(T) / FPS
    wall = np.column_stack([rng.uniform(-9, 9, (400, 2)) * [1, 0.5], np.full(400, 8.0)])
    floor = np.column_stack([rng.uniform(-4, 4, 200), np.full(200, 1.5), rng.uniform(3.5, 8, 200)])
    crate = rng.uniform(-0.5, 0.5, (60, 3)) + [-1.0, 1.0, 5.0]
    walker = rng.uniform(-0.4, 0.4, (60, 3)) + [0.5, 0.5, 4.5]
    step = np.column_stack([0.6 * time_s, 0 * time_s, -0.3 * time_s])  # m
    parts = [(SCENE, wall, 0 * step), (SCENE, floor, 0 * step), (CRATE, crate, 0 * step)]
    parts += [(WALKER, walker, step)]
    if leads:  # keeps its distance to the camera, as a car ahead does
        camera = -np.einsum("tji,tj->ti", pose[..., :3], pose[..., 3])
        parts += [(LEADER, rng.uniform(-0.4, 0.4, (60, 3)) + [1.8, 0.2, 5.0], camera - camera[:1])]
    owner = np.concatenate([np.full(len(points), label) for label, points, _ in parts])
    xy_px, visible = [], []
    for t in range(T):
        world = np.concatenate([points + moved[t] for _, points, moved in parts])
        seen, depth = img_from_cam(K, transform_points(pose[t], world))
        inside = (depth > 0.1) & (seen >= 0).all(axis=1) & (seen < SIZE_PX).all(axis=1)
        xy_px.append(seen + rng.normal(0, NOISE_PX, seen.shape))
        visible.append(inside)
    tracks = PointTracks(
        xy_px=np.array(xy_px, np.float32),
        visible=np.array(visible),
        object_id=np.zeros(len(owner), np.uint16),
        query_frame=np.zeros(len(owner), np.int32),
    )
    return World(pose, tracks, owner.astype(np.uint16))


def travelling() -> F64:
    pose = np.tile(np.eye(3, 4), (T, 1, 1))
    pose[:, 0, 3] = -np.linspace(0, 1.2, T)
    return pose


def turning() -> F64:
    pose = np.tile(np.eye(3, 4), (T, 1, 1))
    for t, angle in enumerate(np.radians(np.linspace(0, 12, T))):
        turn = np.array([[1.0, 0, 1], [0, 1, 0], [-1, 0, 1]])
        pose[t, :, :3] = np.where(turn == 0, 0, turn) * [
            [np.cos(angle), 0, np.sin(angle)],
            [0, 1, 0],
            [np.sin(angle), 0, np.cos(angle)],
        ]
    return pose


def rate(world: World, cameras: ClipCameras) -> Posterior:
    found = estimate_rigidity(world.tracks, world.owner, cameras, SIZE_PX, FPS)
    return posterior(found, world.owner, priors_of(OBJECTS))


def K_of_all() -> F64:
    return np.broadcast_to(K, (T, 3, 3))


@pytest.mark.parametrize("path", [travelling, turning, lambda: np.tile(np.eye(3, 4), (T, 1, 1))])
def test_tells_movers_from_what_is_static(path):
    world = make(path())
    found = rate(world, ClipCameras(K_of_all(), world.pose))
    assert found.objects[WALKER].moves > 0.99
    assert found.objects[CRATE].moves < 0.05
    assert found.objects[SCENE].moves < 0.01
    known = np.isfinite(found.track_moves)
    assert (found.track_moves[known & (world.owner == WALKER)] > 0.9).mean() > 0.95
    assert (found.track_moves[known & (world.owner != WALKER)] > 0.5).mean() < 0.01


def test_noise_is_that_of_the_clip():
    world = make(travelling())
    cameras = ClipCameras(K_of_all(), world.pose)
    found = estimate_rigidity(world.tracks, world.owner, cameras, SIZE_PX, FPS)
    assert found.white_px == pytest.approx(NOISE_PX, rel=0.15)
    assert found.slow_px.max() < NOISE_PX / 2


def test_noise_is_that_of_what_is_static_where_much_of_the_rest_moves():
    """No mask holds them: a third of the tracks that the noise is estimated from drifts."""
    world = make(travelling())
    drifts = np.random.default_rng(3).random(len(world.owner)) < 0.35
    moved = world.tracks.xy_px.copy()
    moved[:, drifts] += np.arange(T)[:, None, None] * np.array([0.5, 1.0])
    tracks = replace(world.tracks, xy_px=moved.astype(np.float32))
    cameras = ClipCameras(K_of_all(), world.pose)
    all_alike = np.zeros_like(world.owner)
    found = estimate_rigidity(tracks, all_alike, cameras, SIZE_PX, FPS)
    static = (world.owner != WALKER) & ~drifts & np.isfinite(found.log_ratio)
    assert found.white_px == pytest.approx(NOISE_PX, rel=0.15)
    assert (found.log_ratio[drifts & np.isfinite(found.log_ratio)] > 0).mean() > 0.9
    assert (found.log_ratio[static] < 0).mean() > 0.9


def test_an_unknown_camera_is_judged_by_the_homographies_of_its_background():
    world = make(turning())
    unknown = Reconstruction.without_trajectory(
        "unknown", T, quality=ReconstructionQuality(), reasons=()
    )
    found = rate(world, cameras_of(unknown, world.tracks, world.owner, SIZE_PX))
    assert found.objects[WALKER].moves > 0.99
    assert found.objects[CRATE].moves < 0.1


def test_where_no_track_spans_two_frames_each_side_is_judged_by_itself():
    world = make(turning())
    before = replace(world.tracks, visible=world.tracks.visible & (np.arange(T) < T // 2)[:, None])
    after = replace(world.tracks, visible=world.tracks.visible & (np.arange(T) >= T // 2)[:, None])
    world = World(world.pose, join_tracks(before, after), np.tile(world.owner, 2))
    unknown = Reconstruction.without_trajectory(
        "unknown", T, quality=ReconstructionQuality(), reasons=()
    )
    cameras = cameras_of(unknown, world.tracks, world.owner, SIZE_PX)
    pairs = np.array([[0, 1], [T // 2 - 1, T // 2], [T // 2, T - 1]], np.int32)
    np.testing.assert_array_equal(cameras.in_one_component(pairs), [True, False, True])
    moves = rate(world, cameras).track_moves
    first = np.arange(len(moves)) < len(moves) // 2
    for side in (first, ~first):
        assert np.nanmean(moves[side & (world.owner == WALKER)]) > 0.9
        assert np.nanmean(moves[side & (world.owner == SCENE)]) < 0.05


def test_what_keeps_its_distance_cannot_be_static_behind_what_it_hides():
    world = make(travelling(), leads=True)
    found = rate(world, ClipCameras(K_of_all(), world.pose))
    leader = world.owner == LEADER
    assert found.objects[LEADER].moves > 0.99
    cameras = ClipCameras(K_of_all(), world.pose)
    far = fit_static_points(track_observations(world.tracks, cameras), cameras)
    # Without the bound, a static point at infinity explains it perfectly.
    assert np.median(far.inverse_depth[leader]) == pytest.approx(0, abs=0.01)
    assert found.objects[CRATE].moves < 0.05


def test_without_cameras_nothing_is_said():
    world = make(travelling())
    found = rate(world, ClipCameras(K_of_all(), np.full((T, 3, 4), NAN)))
    assert np.isnan(found.track_moves).all()
    assert found.objects[WALKER].num_tracks == 0
    assert found.objects[WALKER].moves == MASKED[Origin.SALIENT_MOVING]


def test_a_mask_over_two_things_shows_in_the_share_that_moves():
    world = make(travelling())
    world.owner[np.isin(world.owner, [CRATE, WALKER])] = WALKER
    found = rate(world, ClipCameras(K_of_all(), world.pose))
    assert 0.35 < found.objects[WALKER].share < 0.65


def test_the_marginal_likelihood_is_that_of_the_full_covariance():
    world = make(travelling())
    cameras = ClipCameras(K_of_all(), world.pose)
    observations = track_observations(world.tracks, cameras)
    points = fit_static_points(observations, cameras)
    seen = compress(observations, points)
    noise = Spectrum(0.2, np.full(NUM_COSINES, 0.1))
    motion = np.full((len(seen.num), NUM_COSINES), 4.0)
    gained = log_likelihood(seen, noise, motion) - log_likelihood(seen, noise)
    track = int(np.flatnonzero((world.owner == WALKER) & (seen.num == 2 * T - 3))[0])
    own = observations.track == track
    basis = np.cos(np.pi * np.arange(1, NUM_COSINES + 1) * (np.arange(T)[:, None] + 0.5) / T)
    design = np.kron(basis, np.eye(2))
    place = points.jacobian_px[own].reshape(-1, 3)
    residual = points.residual_px[own].ravel()

    def log_t(variance: float) -> float:
        scale = 1 / np.linalg.norm(place, axis=0)
        covariance = variance * design @ design.T + 0.2**2 * np.eye(2 * T)
        covariance += 1e6 * 0.2**2 * (place * scale) @ (place * scale).T
        square = residual @ np.linalg.solve(covariance, residual)
        return float(
            -0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * (2 * T - 3 + 4) * np.log1p(square / 4)
        )

    assert gained[track] == pytest.approx(log_t(4.01) - log_t(0.01), rel=1e-3, abs=0.05)


def test_refitting_finds_slow_noise():
    world = make(travelling())
    cameras = ClipCameras(K_of_all(), world.pose)
    rng = np.random.default_rng(1)
    drift = rng.normal(0, 0.5, (2, len(world.owner)))  # px, of one slow swing
    swing = np.cos(np.pi * (np.arange(T) + 0.5) / T * 3)
    xy_px = world.tracks.xy_px + np.einsum("t,in->tni", swing, drift).astype(np.float32)
    tracks = PointTracks(
        xy_px=xy_px,
        visible=world.tracks.visible,
        object_id=world.tracks.object_id,
        query_frame=world.tracks.query_frame,
    )
    observations = track_observations(tracks, cameras)
    seen = compress(observations, fit_static_points(observations, cameras))
    whole = (world.owner == SCENE) & (seen.num == 2 * T - 3)
    noise = Spectrum(0.2, np.full(NUM_COSINES, 0.2))
    for _ in range(20):
        noise = refit_noise(seen, noise, whole.astype(float))
    assert noise.slow_px[2] == pytest.approx(0.5, rel=0.2)
    assert noise.white_px == pytest.approx(NOISE_PX, rel=0.1)


def test_an_image_that_stands_still_has_no_noise_and_no_motion():
    world = make(np.tile(np.eye(3, 4), (T, 1, 1)))
    still = np.repeat(world.tracks.xy_px[:1], T, axis=0)
    tracks = replace(world.tracks, xy_px=still, visible=np.repeat(world.tracks.visible[:1], T, 0))
    cameras = ClipCameras(K_of_all(), world.pose)
    found = estimate_rigidity(tracks, world.owner, cameras, SIZE_PX, FPS)
    assert (found.log_ratio[np.isfinite(found.log_ratio)] < 0).all()
