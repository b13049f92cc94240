"""One frame's depth from the measurements of several."""

import numpy as np
import pytest

from camvid.artifacts import F64, Bool
from camvid.depth.fusion import Measured, fuse, robust_mean
from camvid.depth.views import PixelMap, Views, pixel_centres

HEIGHT, WIDTH, STEP_M = 30, 40, 0.1
K = np.array([[40.0, 0, 20], [0, 40.0, 15], [0, 0, 1]])


def sliding(num_frames: int) -> Views:
    """A camera that goes STEP_M to the right with every frame."""
    cameras = np.repeat(np.eye(3, 4)[None], num_frames, 0)
    cameras[:, 0, 3] = -STEP_M * np.arange(num_frames)
    gray = [np.zeros((HEIGHT, WIDTH), np.uint8)] * num_frames
    return Views(gray, np.tile(K, (num_frames, 1, 1)), cameras)


def wall(inv_depth: float, known: Bool | None = None, sigma: float = 0.02) -> Measured:
    everywhere = np.full((HEIGHT, WIDTH), inv_depth, np.float32)
    found = Measured(everywhere, np.full_like(everywhere, sigma))
    return found if known is None else found.where(known)


def test_what_one_frame_missed_is_told_by_others() -> None:
    known = np.ones((HEIGHT, WIDTH), bool)
    known[:, :15] = False
    found = fuse(sliding(3), {0: wall(0.5), 1: wall(0.5, known), 2: wall(0.5)}, 1, 3)
    assert (found.inv_depth[:, 3:-3] > 0).all()
    np.testing.assert_allclose(found.inv_depth[:, 3:-3], 0.5, rtol=1e-5)
    assert found.sigma[5, 5] > found.sigma[5, 20]  # fewer have a say there


def test_the_majority_wins_and_dissent_is_told() -> None:
    measured = {0: wall(0.5), 1: wall(0.8), 2: wall(0.5)}
    found = fuse(sliding(3), measured, 1, 3)
    agreed = fuse(sliding(3), {**measured, 1: wall(0.5)}, 1, 3)
    np.testing.assert_allclose(found.inv_depth[:, 5:-5], 0.5, rtol=1e-5)
    assert found.sigma[15, 20] > agreed.sigma[15, 20]


def test_the_surer_frame_wins() -> None:
    found = fuse(sliding(2), {0: wall(0.5, sigma=0.3), 1: wall(0.8, sigma=0.01)}, 1, 3)
    np.testing.assert_allclose(found.inv_depth[:, 5:-5], 0.8, rtol=1e-5)


def test_nearest_things_are_seen() -> None:
    """A post in front of a wall, measured one frame away, covers the wall where it is seen now."""
    there = np.full((HEIGHT, WIDTH), 0.25, np.float32)
    there[:, 20:23] = 1.0
    measured = {0: Measured(there, np.full_like(there, 0.02))}
    found = fuse(sliding(2), measured, 1, 3)
    shifted = 20 - round(K[0, 0] * STEP_M)
    np.testing.assert_allclose(found.inv_depth[:, shifted : shifted + 3], 1.0, rtol=1e-5)


def test_nothing_is_known_without_frames_or_a_camera() -> None:
    views = sliding(2)
    views.cam_from_world[1] = np.nan
    for found in (fuse(views, {}, 0, 3), fuse(views, {0: wall(0.5)}, 1, 3)):
        assert not found.inv_depth.any()
        assert np.isinf(found.sigma).all()


def test_the_nearest_frames_are_asked() -> None:
    measured = {0: wall(0.5), 1: wall(0.5), 5: wall(0.9, sigma=0.005)}
    np.testing.assert_allclose(fuse(sliding(6), measured, 0, 2).inv_depth[:, 5:-5], 0.5, rtol=1e-5)


def test_pixels_are_mapped_between_cameras_that_zoom() -> None:
    """Against projection in full: another K, a turn and a step."""
    other_K: F64 = K * np.array([[1.5, 1, 1], [1, 1.5, 1], [1, 1, 1]])
    angle = 0.1
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    pose = np.column_stack([turn, [0.2, -0.1, 0.05]])
    seen = PixelMap.of(K, other_K, pose)
    x, y = pixel_centres((HEIGHT, WIDTH))
    depth = 2.5
    point = depth * np.linalg.inv(K) @ [x[7], y[4, 0], 1.0]
    expected = other_K @ (pose[:, :3] @ point + pose[:, 3])
    far = np.array([part[4, 7] for part in seen.at_infinity((HEIGHT, WIDTH))])
    np.testing.assert_allclose((far + seen.e / depth) * depth, expected, rtol=1e-5)


def test_the_mean_of_many_is_surer_and_outliers_do_not_shift_it() -> None:
    rng = np.random.default_rng(0)
    values = [wall(float(v)) for v in 0.5 * (1 + 0.01 * rng.normal(size=9))]
    found, alone = robust_mean([*values, wall(1.0), wall(0.2)]), robust_mean(values[:1])
    assert found.inv_depth[3, 3] == pytest.approx(0.5, rel=0.01)
    assert robust_mean(values).sigma[3, 3] < 0.5 * alone.sigma[3, 3]
