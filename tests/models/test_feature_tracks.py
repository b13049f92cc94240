"""Feature tracks of an image that jumps further than Lucas-Kanade can follow."""

import cv2
import numpy as np

from camvid.models.features.sift import Sift
from camvid.models.poses.feature_tracks import (
    FeatureTrackOptions,
    feature_tracks,
    keyframe_tracks,
)
from camvid.tracking.tracks import join_tracks

SHIFT = np.array([41, 13])


def jumping(num_frames: int = 4) -> np.ndarray:
    noise = np.random.default_rng(3).uniform(0, 255, (400, 500)).astype(np.float32)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    corners = [(t * SHIFT).tolist() for t in range(num_frames)]
    gray = np.stack([wide.astype(np.uint8)[y : y + 240, x : x + 320] for x, y in corners])
    return np.repeat(gray[..., None], 3, axis=3)


def test_features_are_chained_over_large_jumps_and_never_lie_on_a_mover():
    rgb = jumping()
    region = np.zeros(rgb.shape[:3], np.uint16)
    region[:, 100:180, 60:200] = 65535
    tracks = feature_tracks(rgb, region, Sift(), FeatureTrackOptions())
    assert tracks.visible.shape[1] > 50
    frame, track = np.nonzero(tracks.visible)
    xy_px = tracks.xy_px[frame, track]
    column, row = np.floor(xy_px).astype(int).T
    assert (region[frame, row, column] == 0).all()
    in_first_frame = xy_px + frame[:, None] * SHIFT
    anchor = tracks.xy_px[tracks.query_frame, np.arange(len(tracks.query_frame))]
    anchor = anchor + tracks.query_frame[:, None] * SHIFT
    error = np.linalg.norm(in_first_frame - anchor[track], axis=1)
    assert np.quantile(error, 0.95) < 0.5
    assert tracks.visible[tracks.query_frame, np.arange(len(tracks.query_frame))].all()


def test_images_without_features_have_no_tracks():
    rgb = np.full((3, 80, 100, 3), 77, np.uint8)
    nowhere_hidden = np.zeros(rgb.shape[:3], np.uint16)
    tracks = feature_tracks(rgb, nowhere_hidden, Sift(), FeatureTrackOptions())
    assert tracks.xy_px.shape == (3, 0, 2)


def test_features_of_keyframes_are_found_again_after_a_look_elsewhere():
    there = jumping(4)
    elsewhere = np.random.default_rng(5).integers(0, 255, there[:1].shape, dtype=np.uint8)
    rgb = np.concatenate([there[:2], elsewhere, there[2:4]])
    region = np.zeros(rgb.shape[:3], np.uint16)
    keyframes = np.array([0, 1, 2, 4], np.int32)
    tracks = keyframe_tracks(rgb, region, keyframes, Sift(), FeatureTrackOptions())
    assert tracks.visible[[0, 1, 4]].all(axis=0).sum() > 50
    assert not tracks.visible[3].any()
    assert tracks.visible[2].mean() < 0.05
    step = tracks.xy_px[4] - tracks.xy_px[0]
    both = tracks.visible[0] & tracks.visible[4]
    np.testing.assert_allclose(np.median(step[both], axis=0), -3 * SHIFT, atol=0.1)


def test_joined_tracks_keep_their_observations():
    rgb = jumping()
    region = np.zeros(rgb.shape[:3], np.uint16)
    tracks = feature_tracks(rgb, region, Sift(), FeatureTrackOptions())
    twice = join_tracks(tracks, tracks)
    num_tracks = tracks.visible.shape[1]
    assert twice.visible.shape == (4, 2 * num_tracks)
    np.testing.assert_array_equal(twice.xy_px[:, num_tracks:], tracks.xy_px)
    np.testing.assert_array_equal(twice.query_frame[:num_tracks], tracks.query_frame)
