"""Parallax and motion, told apart without a camera."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.artifacts import PointTracks
from camvid.motion.epipolar import off_epipolar_lines
from camvid.motion.objects import LIMITS
from tests.camvid.motion.test_measure import Scene

LIMIT = LIMITS.min_off_epipolar_ratio
SECONDS = np.arange(24) / 24


def tracks(velocity: tuple[float, float, float], *, depth: bool = True, k1: float = 0.0):
    """A camera that travels past points at many depths, or on a wall, and past one thing."""
    rng = np.random.default_rng(0)
    away = rng.uniform(4, 12, 300) if depth else np.full(300, 8.0)
    scene = np.column_stack([rng.uniform(-4, 4, 300), rng.uniform(-2, 2, 300), away])
    thing = rng.uniform(-0.4, 0.4, (30, 3)) + [0, 0, 3.5]
    xy_px = []
    for t in SECONDS:
        moved = np.concatenate([scene, thing + np.multiply(velocity, t)])
        ray = (moved - [1.5 * t, 0.1 * t, 0])[:, :2] / moved[:, 2:]
        ray = ray * (1 + k1 * (ray**2).sum(axis=1, keepdims=True))
        xy_px.append(500 * ray + [400, 100] + rng.normal(0, 0.1, ray.shape))  # cropped, too
    return PointTracks(
        xy_px=np.array(xy_px, np.float32),
        visible=np.ones((len(SECONDS), 330), bool),
        object_id=np.repeat([0, 1], [300, 30]).astype(np.uint16),
        query_frame=np.zeros(330, np.int32),
    )


@pytest.mark.parametrize("k1", [0.0, -0.1])
@pytest.mark.parametrize("depth", [True, False])
def test_parallax_of_a_cropped_or_distorted_image_is_no_motion(depth: bool, k1: float) -> None:
    assert off_epipolar_lines(tracks((0, 0, 0), depth=depth, k1=k1), 1, SECONDS) < LIMIT


def test_what_leaves_the_lines_moves() -> None:
    assert off_epipolar_lines(tracks((0.3, 0.8, 0)), 1, SECONDS) > 2 * LIMIT


def test_too_few_tracks_say_nothing() -> None:
    few = tracks((0.3, 0.8, 0))
    alone = replace(few, visible=few.visible & (few.object_id == 1))
    assert off_epipolar_lines(alone, 1, SECONDS) == 0


def test_an_unknown_camera_has_no_confidence_in_what_may_be_parallax() -> None:
    scene = Scene(camera="unknown", camera_speed=0.5, object_speed=(0.0, 0.0, 0.0), solved=False)
    report = scene.measure()
    assert report.motion_strength > 0.002
    assert report.confidence == 0
    assert "min_off_epipolar_ratio" in {reason.name for reason in report.reasons}
    turning = replace(scene, camera="rotating").measure()
    assert turning.confidence > 0.5
