"""Movers followed by their corners: where they go and how they grow."""

import cv2
import numpy as np
import pytest

from camvid.artifacts import F64, U8, U16
from camvid.depth.following import FollowOptions, follow

OPTIONS = FollowOptions()
MIDDLE = np.array([80.0, 60.0])


def picture() -> U8:
    noise = np.random.default_rng(1).integers(0, 256, (120, 160), np.uint8)
    return np.asarray(cv2.equalizeHist(cv2.GaussianBlur(noise, (0, 0), 2)), np.uint8)


def warped(maps: list[F64]) -> list[U8]:
    return [np.asarray(cv2.warpAffine(picture(), m, (160, 120)), np.uint8) for m in maps]


def labelled() -> U16:
    object_id = np.zeros((120, 160), np.uint16)
    object_id[40:80, 50:110] = 7
    return object_id


def grown(width: float, height: float) -> F64:
    """About the middle of the picture."""
    linear = np.diag([width, height])
    return np.column_stack([linear, MIDDLE - linear @ MIDDLE])


def test_a_mover_is_followed_by_fractions_of_a_pixel() -> None:
    step = np.array([0.6, -0.3])
    gray = warped([np.column_stack([np.eye(2), step * t]) for t in range(6)])
    found = follow(gray, [labelled()] * 6, 7, OPTIONS)
    np.testing.assert_allclose(found.path_px[0], MIDDLE)
    np.testing.assert_allclose(found.path_px, MIDDLE + step * np.arange(6)[:, None], atol=0.1)
    np.testing.assert_allclose(found.growth, 1, atol=0.01)


@pytest.mark.parametrize("width", [1.0, 0.9], ids=["nearing", "turning too"])
def test_it_grows_by_its_height(width: float) -> None:
    sizes = 1.01 ** np.arange(8)
    narrowing = np.linspace(1, width, 8)  # as what turns on its feet does
    gray = warped([grown(s * w, s) for s, w in zip(sizes, narrowing, strict=True)])
    found = follow(gray, [labelled()] * 8, 7, OPTIONS)
    np.testing.assert_allclose(found.growth, sizes, rtol=0.01)


def test_while_it_is_not_seen_it_is_as_large_as_before() -> None:
    ids = [labelled()] * 8
    ids[3] = np.zeros_like(ids[3])
    found = follow(warped([grown(1.01**t, 1.01**t) for t in range(8)]), ids, 7, OPTIONS)
    assert np.isfinite(found.path_px[[2, 3, 5]]).all()
    np.testing.assert_allclose(found.growth[3], 1.01**3, rtol=0.01)
    assert found.growth[4] == found.growth[3]


def test_what_is_nowhere_is_not_followed() -> None:
    found = follow([picture()] * 6, [labelled()] * 6, 8, OPTIONS)
    assert np.isnan(found.path_px).all()
    np.testing.assert_array_equal(found.growth, 1)
