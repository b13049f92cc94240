"""Tracks of images that are warped by a known motion."""

import cv2
import numpy as np
import pytest

from camvid.tracking.lucas_kanade import NEVER_SEED, LucasKanadeOptions, track_regions

OPTIONS = LucasKanadeOptions(max_background_tracks=150, max_object_tracks=40)
HEIGHT, WIDTH = 120, 160


def texture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return cv2.normalize(smooth, None, 20, 235, cv2.NORM_MINMAX).astype(np.uint8)


def motion(t: int) -> np.ndarray:
    """2x3: where the pixels of frame 0 (centres from 0) are in frame t."""
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0.2 * t, 1 + 0.002 * t)
    turn[:, 2] += [1.3 * t, -0.6 * t]
    return turn


def warped(num_frames: int) -> np.ndarray:
    still = texture(0)
    size = (WIDTH, HEIGHT)
    frames = [
        cv2.warpAffine(still, motion(t), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        for t in range(num_frames)
    ]
    return np.stack(frames)


def no_objects(gray: np.ndarray) -> np.ndarray:
    return np.zeros(gray.shape, np.uint16)


def test_tracks_follow_the_true_motion_without_drift():
    gray = warped(12)
    tracks = track_regions(gray, no_objects(gray), OPTIONS)
    first = tracks.query_frame == 0
    last = tracks.visible[-1] & first
    assert last.sum() > 20
    start = tracks.xy_px[0, last] - 0.5
    truth = start @ motion(11)[:, :2].T + motion(11)[:, 2] + 0.5
    error = np.linalg.norm(tracks.xy_px[-1, last] - truth, axis=1)
    assert np.median(error) < 0.1
    assert np.quantile(error, 0.9) < 0.3


def test_corners_lie_on_our_pixel_centres():
    gray = np.full((4, 60, 60), 30, np.uint8)
    gray[:, 20:40, 20:40] = 220  # a square whose corners are the pixel corners (20 | 40, 20 | 40)
    options = LucasKanadeOptions(max_background_tracks=4, min_corner_quality=0.3)
    tracks = track_regions(gray, no_objects(gray), options)
    nearest = np.abs(tracks.xy_px[0][:, None] - [[20, 20], [20, 40], [40, 20], [40, 40]])
    assert nearest.max(axis=2).min(axis=1).max() <= 2.0
    assert tracks.xy_px[0].mean(axis=0) == pytest.approx([30, 30], abs=0.01)


def test_every_region_gets_its_own_budget_and_hidden_pixels_get_none():
    gray = np.repeat(texture(1)[None], 4, axis=0)
    region = no_objects(gray)
    region[:, 10:50, 10:50], region[:, 60:110, 60:110] = 7, NEVER_SEED
    tracks = track_regions(gray, region, OPTIONS)
    assert set(tracks.object_id.tolist()) == {0, 7}
    assert 5 < (tracks.object_id == 7).sum() <= OPTIONS.max_object_tracks
    column, row = np.floor(tracks.xy_px[0]).astype(int).T
    np.testing.assert_array_equal(region[0, row, column], tracks.object_id)


def test_a_track_does_not_end_where_its_region_does():
    gray = np.repeat(texture(2)[None], 12, axis=0)
    region = no_objects(gray)
    region[:6] = 3
    tracks = track_regions(gray, region, OPTIONS)
    on_object = (tracks.object_id == 3) & tracks.visible[0]
    assert on_object.sum() > 10
    assert tracks.visible[:, on_object].all()


def test_tracks_survive_one_unreadable_frame():
    gray = warped(8)
    gray[4] = 128
    tracks = track_regions(gray, no_objects(gray), OPTIONS)
    through = tracks.visible[3] & tracks.visible[5]
    assert through.sum() > 20
    assert not tracks.visible[4].any()


def test_tracks_outlive_frames_that_are_blurred():
    gray = warped(8)
    for t in (1, 3, 5):
        gray[t] = cv2.GaussianBlur(gray[t], (21, 1), 4)
    tracks = track_regions(gray, no_objects(gray), OPTIONS)
    first = tracks.query_frame == 0
    through = first & tracks.visible[6]
    assert through.sum() > 20
    assert tracks.visible[1, through].mean() > 0.5
    start = tracks.xy_px[0, through] - 0.5
    truth = start @ motion(6)[:, :2].T + motion(6)[:, 2] + 0.5
    assert np.median(np.linalg.norm(tracks.xy_px[6, through] - truth, axis=1)) < 0.1


def test_flat_images_have_no_tracks():
    gray = np.full((5, 60, 80), 90, np.uint8)
    tracks = track_regions(gray, no_objects(gray), OPTIONS)
    assert tracks.xy_px.shape == (5, 0, 2)


def test_the_number_of_threads_does_not_matter(monkeypatch: pytest.MonkeyPatch):
    gray = np.tile(warped(6), 2)  # side by side
    options = LucasKanadeOptions(max_background_tracks=1500, min_background_distance_px=2)
    monkeypatch.setenv("CAMVID_THREADS", "1")
    alone = track_regions(gray, no_objects(gray), options)
    monkeypatch.setenv("CAMVID_THREADS", "4")
    together = track_regions(gray, no_objects(gray), options)
    assert (alone.visible.sum(axis=1) > 620).any()  # more than one task
    np.testing.assert_array_equal(alone.xy_px, together.xy_px)
    np.testing.assert_array_equal(alone.visible, together.visible)


def test_region_must_have_the_images_shape():
    gray = warped(3)
    with pytest.raises(ValueError, match="must agree in shape"):
        track_regions(gray, no_objects(gray)[:2], OPTIONS)
