"""Feature tracks of a picture that jumps further than Lucas-Kanade can follow."""

import cv2
import numpy as np

from camvid.models.feature_tracks import FeatureTrackOptions, feature_tracks
from camvid.models.features.sift import Sift

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


def test_pictures_without_features_have_no_tracks():
    rgb = np.full((3, 80, 100, 3), 77, np.uint8)
    nowhere_hidden = np.zeros(rgb.shape[:3], np.uint16)
    tracks = feature_tracks(rgb, nowhere_hidden, Sift(), FeatureTrackOptions())
    assert tracks.xy_px.shape == (3, 0, 2)
