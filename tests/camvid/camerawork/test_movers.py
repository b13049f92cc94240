"""Which way objects go through the image, told from parallax and from the camera's turns."""

import numpy as np
import pytest

from camvid.artifacts import MaskedObject, MotionReport, PointTracks
from camvid.camerawork.movers import find_movers


def tracks_of(own_step: tuple[float, float], camera_step: tuple[float, float]) -> PointTracks:
    """20 frames; the background slides by the camera's step, near parts of it up to twice."""
    rng = np.random.default_rng(1)
    near = rng.uniform(1, 2, (60, 1))
    step = np.concatenate([near * camera_step, np.tile(np.add(own_step, camera_step), (9, 1))])
    xy = rng.uniform(100, 200, (69, 2)) + np.arange(20)[:, None, None] * step
    return PointTracks(
        xy_px=xy.astype(np.float32),
        visible=np.ones((20, 69), bool),
        object_id=np.repeat([0, 1], [60, 9]).astype(np.uint16),
        query_frame=np.zeros(69, np.int32),
    )


@pytest.mark.parametrize(
    ("own", "camera", "way"),
    [
        ((5, 0), (0, 0), "from left to right"),
        ((-5, 1), (0, 0), "from right to left"),
        ((1, -5), (0, 0), "upwards"),
        ((0, 5), (3, 0), "downwards"),
        ((5, 0), (-5, 0), "from left to right"),  # a pan keeps it in the middle of the image
        ((4, 0), (5, 0), ""),  # faster than most of the background, but not than its nearest
        ((0.3, 0), (0, 0), ""),
    ],
)
def test_ways(
    own: tuple[float, float], camera: tuple[float, float], way: str, motion: MotionReport
) -> None:
    objects = (MaskedObject(1, "dog", 0.9),)
    (mover,) = find_movers(objects, tracks_of(own, camera), motion, 640, 0.003)
    assert mover.way == way


def test_what_does_not_move_is_not_named(motion: MotionReport) -> None:
    objects = (MaskedObject(1, "dog", 0.9),)
    assert find_movers(objects, tracks_of((5, 0), (0, 0)), motion, 640, 0.5) == ()
