"""What rests in the image while the scene passes is overlay, by its tracks."""

import numpy as np

from camvid.artifacts import NAN, MaskedObject, ObjectMasks, PointTracks, Rigidity
from camvid.objects import Origin
from camvid.overlay.at_rest import as_overlay, objects_at_rest
from camvid.overlay.masks import overlay_of, without_overlay

NUM, FPS = 48, 24.0
HEIGHT, WIDTH = 120, 160
TEXT, FOLLOWED, FAR = 1, 2, 3  # objects: subtitles, a mover that the camera follows, a far house
PLACES = {TEXT: (20, 90), FOLLOWED: (70, 40), FAR: (120, 20)}
SIZE = 20


def masks() -> ObjectMasks:
    object_id = np.zeros((NUM, HEIGHT, WIDTH), np.uint16)
    for label, (x, y) in PLACES.items():
        object_id[:, y : y + SIZE, x : x + SIZE] = label
    objects = tuple(MaskedObject(label, "moving", 1.0, Origin.MOVING) for label in PLACES)
    return ObjectMasks(object_id=object_id, objects=objects)


def tracks(pass_px: float) -> PointTracks:
    """Twelve tracks on each object and sixty on a background that goes so far each frame."""
    rng, t = np.random.default_rng(0), np.arange(NUM)[:, None]
    paths = [
        np.array(PLACES[label]) + rng.uniform(4, SIZE - 4, (12, 2)) + np.zeros((NUM, 12, 2))
        for label in PLACES
    ]
    paths[1] += (1.5 * np.sin(t / 9))[..., None]
    back = rng.uniform((0, 0), (WIDTH, 15), (60, 2)) + np.stack([pass_px * t, 0 * t], axis=-1)
    xy_px = np.concatenate([*paths, back], axis=1) + rng.normal(0, 0.03, (NUM, 96, 2))
    visible = np.ones((NUM, 96), bool)
    visible[:8, :12] = False  # the text comes later
    return PointTracks(
        xy_px=xy_px.astype(np.float32),
        visible=visible,
        object_id=np.zeros(96, np.uint16),
        query_frame=np.zeros(96, np.int32),
    )


def rigidity() -> Rigidity:
    """No static point explains text and mover; one at infinity explains the house."""
    log_ratio = np.repeat([9.0, 9.0, -9.0, -9.0], [12, 12, 12, 60])
    unknown = np.full(96, NAN)
    return Rigidity(
        log_ratio=log_ratio,
        image_ratio=unknown,
        unexplained=unknown,
        white_px=0.1,
        slow_px=np.zeros(8),
    )


def test_text_rests_and_a_mover_that_the_camera_follows_does_not() -> None:
    assert objects_at_rest(masks(), tracks(0.8), rigidity(), FPS) == (TEXT,)


def test_nothing_is_told_of_a_scene_that_hardly_passes() -> None:
    assert objects_at_rest(masks(), tracks(0.02), rigidity(), FPS) == ()


def test_such_an_object_is_overlay() -> None:
    found = as_overlay(masks(), (TEXT,))
    assert np.array_equal(overlay_of(found), found.object_id == TEXT)
    assert [o.object_id for o in without_overlay(found).objects] == [FOLLOWED, FAR]
