"""Movers tracked by their corners: where they go and how their image grows."""

import cv2
import numpy as np
import pytest

from camvid.artifacts import F64, U8, U16
from camvid.depth.growth import follow

MIDDLE = np.array([80.0, 60.0])


def image() -> U8:
    noise = np.random.default_rng(1).integers(0, 256, (120, 160), np.uint8)
    return np.asarray(cv2.equalizeHist(cv2.GaussianBlur(noise, (0, 0), 2)), np.uint8)


def warped(maps: list[F64]) -> list[U8]:
    return [np.asarray(cv2.warpAffine(image(), m, (160, 120)), np.uint8) for m in maps]


def labelled() -> U16:
    object_id = np.zeros((120, 160), np.uint16)
    object_id[40:80, 50:110] = 7
    return object_id


def grown(width: float, height: float) -> F64:
    """About the middle of the image."""
    linear = np.diag([width, height])
    return np.column_stack([linear, MIDDLE - linear @ MIDDLE])


def test_a_mover_is_followed_by_fractions_of_a_pixel() -> None:
    step = np.array([0.6, -0.3])
    gray = warped([np.column_stack([np.eye(2), step * t]) for t in range(6)])
    found = follow(gray, [labelled()] * 6, 7)
    np.testing.assert_allclose(found.path_px[0], MIDDLE)
    np.testing.assert_allclose(found.path_px, MIDDLE + step * np.arange(6)[:, None], atol=0.1)
    np.testing.assert_allclose(found.log_growth, 0, atol=0.01)


@pytest.mark.parametrize("width", [1.0, 0.9], ids=["nearing", "turning too"])
def test_it_grows_by_its_height(width: float) -> None:
    sizes = 1.01 ** np.arange(8)
    narrowing = np.linspace(1, width, 8)  # as what turns on its feet does
    gray = warped([grown(s * w, s) for s, w in zip(sizes, narrowing, strict=True)])
    found = follow(gray, [labelled()] * 8, 7)
    np.testing.assert_allclose(np.cumsum(found.log_growth), np.log(sizes[1:]), atol=0.01)
    assert (found.spread < 0.004).all()  # uprights agree, whatever happens across


def test_while_it_is_not_seen_nothing_is_said() -> None:
    ids = [labelled()] * 8
    ids[3] = np.zeros_like(ids[3])
    found = follow(warped([grown(1.01**t, 1.01**t) for t in range(8)]), ids, 7)
    assert np.isfinite(found.path_px[[2, 3, 5]]).all()
    assert np.isnan(found.log_growth).tolist() == [False, False, False, True, False, False, False]


def test_what_is_nowhere_is_not_tracked() -> None:
    found = follow([image()] * 6, [labelled()] * 6, 8)
    assert np.isnan(found.path_px).all()
    assert np.isnan(found.log_growth).all()
