"""What every point tracker must do, on a rendered scene whose motion is known.

One object turns and grows about a point, so that half a pixel off, or x and y swapped, shows; the
background stands still; another object comes late.
"""

import cv2
import numpy as np

from camvid.artifacts import Bool, Frames, MaskedObject, ObjectMasks, PointTracks
from camvid.models.protocols import PointTracker

HEIGHT, WIDTH = 121, 163  # odd, and no multiple of anything
CENTRE_PX = np.array([62.0, 55.0])  # what the turning object turns about
TURN_DEG, GROWTH = 1.0, 1.01  # per frame
TURNING, LATE, LATE_FRAME = 7, 9, 10
NUM_FRAMES = 26
MAX_ON_OBJECT_PX = 2  # a patch that an object begins to cover is still mostly background
MAX_MEDIAN_ERROR_PX = 0.1  # half a pixel off would make it 0.3 by the last frame


def turned(xy_px: np.ndarray, num_frames: np.ndarray | int) -> np.ndarray:
    """Where points [..., 2] of the turning object are so many frames later."""
    angle = np.deg2rad(TURN_DEG) * np.asarray(num_frames)
    scale = GROWTH ** np.asarray(num_frames)
    x, y = np.moveaxis(xy_px - CENTRE_PX, -1, 0)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1) + CENTRE_PX


def scene(num_frames: int = NUM_FRAMES) -> tuple[Frames, ObjectMasks]:
    """Images and masks; red is 128 or more on the turning object and nowhere else."""
    back, front, late = (_texture(seed) for seed in range(3))
    back[..., 0] //= 2
    late[..., 0] //= 2
    front[..., 0] = front[..., 0] // 2 + 128
    square = np.zeros((HEIGHT, WIDTH), np.uint8)
    square[31:79, 38:86] = 1
    rgb = np.empty((num_frames, HEIGHT, WIDTH, 3), np.uint8)
    object_id = np.zeros((num_frames, HEIGHT, WIDTH), np.uint16)
    for t in range(num_frames):
        rgb[t] = back
        if t >= LATE_FRAME:
            rgb[t, 70:110, 112:152] = late[:40, :40]
            object_id[t, 70:110, 112:152] = LATE
        own = _warped(square, t, cv2.INTER_NEAREST) > 0
        rgb[t][own] = _warped(front, t, cv2.INTER_CUBIC)[own]
        object_id[t][own] = TURNING
    red = rgb[..., 0]
    rgb[..., 0] = np.where(object_id == TURNING, np.maximum(red, 128), np.minimum(red, 127))
    objects = (MaskedObject(TURNING, "turning", 1.0), MaskedObject(LATE, "late", 1.0))
    return Frames(rgb=rgb), ObjectMasks(object_id=object_id, objects=objects)


def check_tracker(tracker: PointTracker) -> None:
    """Every clause of the contract."""
    frames, masks = scene()
    tracks = tracker.track(frames, masks)
    _check_form(tracks, masks)
    _check_places(tracks)
    _check_regions(tracks, masks)
    again = tracker.track(frames, masks)
    np.testing.assert_array_equal(again.xy_px, tracks.xy_px)
    np.testing.assert_array_equal(again.visible, tracks.visible)
    _check_short_and_flat(tracker)


def _check_form(tracks: PointTracks, masks: ObjectMasks) -> None:
    """A track starts on what it is labelled by, is not seen before, and stays where last seen."""
    index = np.arange(len(tracks.object_id))
    start = tracks.xy_px[tracks.query_frame, index]
    column, row = np.floor(start).astype(int).T
    np.testing.assert_array_equal(
        masks.object_id[tracks.query_frame, row, column], tracks.object_id
    )
    assert tracks.visible[tracks.query_frame, index].all()
    frame = np.arange(NUM_FRAMES)[:, None]
    assert not (tracks.visible & (frame < tracks.query_frame)).any()
    hidden = ~tracks.visible[1:] & (frame[1:] > tracks.query_frame)
    assert hidden.any()
    stays = (tracks.xy_px[1:] == tracks.xy_px[:-1]).all(axis=2)
    assert stays[hidden].all()


def _check_places(tracks: PointTracks) -> None:
    """The turning object's points turn, all others stand still; each has tracks to the end."""
    index = np.arange(len(tracks.object_id))
    start = tracks.xy_px[tracks.query_frame, index]
    since = np.arange(NUM_FRAMES)[:, None] - tracks.query_frame
    for label, min_tracks in ((TURNING, 12), (LATE, 12), (0, 20)):
        own = tracks.object_id == label
        still = np.broadcast_to(start[own], (NUM_FRAMES, own.sum(), 2))
        truth = turned(start[own], since[:, own]) if label == TURNING else still
        error = np.linalg.norm(tracks.xy_px[:, own] - truth, axis=2)
        seen = tracks.visible[:, own]
        assert seen[-1].sum() >= min_tracks, label
        assert np.median(error[seen]) < MAX_MEDIAN_ERROR_PX, label
        assert np.median(error[-1][seen[-1]]) < 2 * MAX_MEDIAN_ERROR_PX, label
    assert tracks.query_frame[tracks.object_id == LATE].min() >= LATE_FRAME
    assert (tracks.query_frame[tracks.object_id == TURNING] == 0).sum() >= 12


def _check_regions(tracks: PointTracks, masks: ObjectMasks) -> None:
    """No background track is carried off by an object, and none lies outside the image."""
    frame, index = np.nonzero(tracks.visible & (tracks.object_id == 0))
    xy_px = tracks.xy_px[frame, index]
    assert (xy_px >= 0).all()
    assert (xy_px < [WIDTH, HEIGHT]).all()
    column, row = np.floor(xy_px).astype(int).T
    kernel = np.ones((2 * MAX_ON_OBJECT_PX + 1,) * 2, np.uint8)
    inner = [cv2.erode((ids > 0).astype(np.uint8), kernel) > 0 for ids in masks.object_id]
    assert not np.stack(inner)[frame, row, column].any()


def _check_short_and_flat(tracker: PointTracker) -> None:
    for num_frames in (1, 2):
        tracks = tracker.track(*scene(num_frames))
        assert tracks.xy_px.shape[0] == num_frames
    flat = Frames(rgb=np.full((5, HEIGHT, WIDTH, 3), 90, np.uint8))
    nothing = ObjectMasks(object_id=np.zeros((5, HEIGHT, WIDTH), np.uint16), objects=())
    tracks = tracker.track(flat, nothing)
    assert tracks.xy_px.shape == (5, 0, 2)


def longest_run(seen: Bool) -> int:
    """The most frames in a row of [T] that are True."""
    longest = run = 0
    for one in seen:
        run = run + 1 if one else 0
        longest = max(longest, run)
    return longest


def _texture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.8)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def _warped(image: np.ndarray, t: int, interpolation: int) -> np.ndarray:
    """The image of frame 0 as it is in frame t; OpenCV counts pixel centres from 0."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    there = turned(corners + 0.5, t) - 0.5
    matrix = np.column_stack([there[1] - there[0], there[2] - there[0], there[0]])
    return cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=interpolation)
