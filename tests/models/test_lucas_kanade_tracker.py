"""Keypoints must go where their object goes."""

import cv2
import numpy as np

from camvid.artifacts import Frames, MaskedObject, ObjectMasks
from camvid.models.trackers.lucas_kanade import LucasKanadeTracker

HEIGHT, WIDTH, SIDE = 120, 160, 48


def clip(num_frames: int) -> tuple[Frames, ObjectMasks]:
    """A textured square that moves (2, 1) px a frame over a textured still background."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT + SIDE, WIDTH, 3), np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    rgb = np.repeat(texture[None, :HEIGHT], num_frames, 0)
    object_id = np.zeros((num_frames, HEIGHT, WIDTH), np.uint16)
    for t in range(num_frames):
        place = np.s_[t, 20 + t : 20 + t + SIDE, 30 + 2 * t : 30 + 2 * t + SIDE]
        rgb[place] = texture[HEIGHT:, :SIDE]
        object_id[place] = 7
    return Frames(rgb=rgb), ObjectMasks(object_id=object_id, objects=(MaskedObject(7, "box", 1.0),))


def test_tracks_follow_their_object() -> None:
    frames, masks = clip(8)
    tracks = LucasKanadeTracker().track(frames, masks)
    for label, step in ((7, (2, 1)), (0, (0, 0))):
        own = tracks.object_id == label
        assert own.sum() >= 10
        both = tracks.visible[1:, own] & tracks.visible[:-1, own]
        moved = np.diff(tracks.xy_px[:, own], axis=0)[both]
        np.testing.assert_allclose(np.median(moved, axis=0), step, atol=0.02)


def test_tracks_start_on_what_they_are_labelled_by() -> None:
    frames, masks = clip(8)
    tracks = LucasKanadeTracker().track(frames, masks)
    x, y = tracks.xy_px[tracks.query_frame, np.arange(len(tracks.object_id))].astype(int).T
    assert (masks.object_id[tracks.query_frame, y, x] == tracks.object_id).all()


def test_one_frame_gives_no_track_that_could_move() -> None:
    frames, masks = clip(1)
    tracks = LucasKanadeTracker().track(frames, masks)
    assert tracks.xy_px.shape[0] == 1
    assert tracks.visible.shape == tracks.xy_px.shape[:2]
