"""Relative depth must find its scale and shift among outliers, and never invent near pixels."""

import numpy as np
import pytest

from camvid.artifacts import F32, Reconstruction, ReconstructionQuality
from camvid.depth import alignment
from camvid.depth.alignment import (
    align_depth,
    fit_inverse_depth,
    fit_paper_medians,
    observed_depths,
)
from camvid.geometry import cam_from_img

HEIGHT, WIDTH = 48, 64
K = np.array([[60.0, 0, WIDTH / 2], [0, 60.0, HEIGHT / 2], [0, 0, 1]])
SCALE, SHIFT = 0.4, 0.02


def scene(points_per_frame: list[int], seed: int = 0) -> tuple[F32, Reconstruction]:
    """Relative inverse depth [T, H, W] in [0, 1] under still cameras, and exact sparse points."""
    rng = np.random.default_rng(seed)
    num_frames = len(points_per_frame)
    rows = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None]
    relative = np.repeat((0.1 + 0.9 * rows * np.ones((1, WIDTH), np.float32))[None], num_frames, 0)
    frame = np.repeat(np.arange(num_frames), points_per_frame).astype(np.int32)
    xy_px = rng.uniform([0, 0], [WIDTH, HEIGHT], (len(frame), 2)).astype(np.float32)
    seen = relative[frame, xy_px[:, 1].astype(int), xy_px[:, 0].astype(int)].astype(np.float64)
    points = cam_from_img(K, xy_px, 1 / (SCALE * seen + SHIFT))
    return relative, Reconstruction(
        camera="moving",
        K=K,
        cam_from_world=np.repeat(np.eye(3, 4)[None], num_frames, 0),
        registered=np.ones(num_frames, bool),
        points_world=points.astype(np.float32),
        point_rgb=np.zeros((len(points), 3), np.uint8),
        observation_frame=frame,
        observation_point=np.arange(len(points), dtype=np.int32),
        observation_xy_px=xy_px,
        quality=ReconstructionQuality(),
    )


@pytest.mark.parametrize("seed", range(5))
def test_fit_survives_noise_and_outliers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    relative = rng.uniform(0, 1, 300)
    inv_depth = SCALE * relative + SHIFT + rng.normal(0, 0.004, 300)
    wrong = rng.random(300) < 0.3
    inv_depth[wrong] = rng.uniform(0.2, 1.5, int(wrong.sum()))  # one-sided: they pull the mean
    fit = fit_inverse_depth(relative, inv_depth)
    assert fit is not None
    assert fit.scale == pytest.approx(SCALE, rel=0.03)
    assert fit.shift == pytest.approx(SHIFT, abs=0.005)


def test_fit_never_turns_depth_over() -> None:
    relative = np.linspace(0, 1, 50)
    assert fit_inverse_depth(relative, 1 - relative) is None


def test_aligned_depth_is_exact_without_noise() -> None:
    relative, reconstruction = scene([80, 80, 80])
    maps = align_depth(relative, reconstruction)
    assert maps.source == "mono"
    assert maps.valid.all()
    np.testing.assert_allclose(maps.scale, SCALE, rtol=1e-3)
    np.testing.assert_allclose(maps.depth, 1 / (SCALE * relative + SHIFT), rtol=2e-3)
    assert (maps.residual < 1e-3).all()
    assert (maps.confidence > 250).all()


def test_beyond_infinity_is_invalid_not_near() -> None:
    relative, reconstruction = scene([80])
    relative[0, :5] = -0.2  # scale * -0.2 + shift < 0
    maps = align_depth(relative, reconstruction)
    assert not maps.valid[0, :5].any()
    assert (maps.depth[0, :5] == 0).all()
    assert (maps.confidence[0, :5] == 0).all()
    assert maps.valid[0, 5:].all()


def test_frames_with_few_points_borrow() -> None:
    relative, reconstruction = scene([80, 3, 0, 80])
    maps = align_depth(relative, reconstruction)
    np.testing.assert_allclose(maps.scale, SCALE, rtol=1e-3)
    assert maps.valid.all()
    assert np.isnan(maps.residual[2])
    assert maps.confidence[2].max() < maps.confidence[0].min()


def test_frames_out_of_reach_are_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "_MAX_BORROW_FRAMES", 2)
    relative, reconstruction = scene([80, 0, 0, 0])
    maps = align_depth(relative, reconstruction)
    assert maps.valid.any(axis=(1, 2)).tolist() == [True, True, True, False]


def test_residual_measures_the_misfit() -> None:
    relative, reconstruction = scene([200])
    rng = np.random.default_rng(1)
    bent = (relative * np.exp(rng.normal(0, 0.1, relative.shape))).astype(np.float32)
    maps = align_depth(bent, reconstruction)
    assert 0.03 < maps.residual[0] < 0.12


def test_paper_medians_are_a_named_choice() -> None:
    fit = fit_paper_medians(np.array([0.2, 0.4, 0.6]), np.array([2.0, 4.0, 6.5]))
    assert fit is not None
    assert (fit.scale, fit.shift) == pytest.approx((10.0, 0.0))
    relative, reconstruction = scene([200])
    maps = align_depth(relative, reconstruction, "paper_medians")
    near, far = maps.depth[0, -1].mean(), maps.depth[0, 0].mean()
    assert near < far  # raw inverse depth in that formula would order depth backwards


def test_no_trajectory_gives_no_depth() -> None:
    relative, _ = scene([10])
    fixed = Reconstruction.without_trajectory(
        "fixed", 1, quality=ReconstructionQuality(), reasons=()
    )
    assert align_depth(relative, fixed).source == "none"


def test_observed_depths_follow_the_cameras() -> None:
    _, reconstruction = scene([5, 0, 7])
    observed = observed_depths(reconstruction)
    assert [len(sparse.depth) for sparse in observed] == [5, 0, 7]
    points = reconstruction.points_world[5:]
    np.testing.assert_allclose(observed[2].depth, points[:, 2], rtol=1e-6)
