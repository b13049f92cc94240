"""Lenses that distort, and principal points off the middle, become a pinhole's images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.imports.footage import rectifier
from camvid.imports.posed import PosedVideo, pinhole

SIZE = 640, 360


def posed(distortion: tuple[float, ...] = (0, 0, 0, 0), cx: float = 320.0) -> PosedVideo:
    K = pinhole(*(np.full(3, value) for value in (530.0, 540.0, cx, 180.0)))
    return PosedVideo(
        source=Path("a.npz"),
        footage=(Path("a.mp4"),),
        times_s=np.arange(3) / 24,
        K=K,
        size_px=SIZE,
        cam_from_world=np.tile(np.eye(3, 4), (3, 1, 1)),
        distortion=np.array(distortion, np.float64),
    )


@pytest.mark.parametrize(
    ("distortion", "cx"),
    [((-0.2, 0.03, 0.001, -0.002), 320.0), ((0.1, 0, 0, 0), 320.0), ((0, 0, 0, 0), 300.0)],
)
def test_rectified_pixels_come_from_where_the_lens_put_them(
    distortion: tuple[float, ...], cx: float
) -> None:
    source = posed(distortion, cx)
    how = rectifier(source, SIZE)
    width, height = how.size_px
    K = how.K[0]
    assert (K[0, 0], K[0, 2], K[1, 2]) == (K[1, 1], width / 2, height / 2)
    assert min(width / SIZE[0], height / SIZE[1]) > 0.8
    x, y = how.map_of(0)
    at = np.array([[3, 5], [height - 1, width - 1], [height // 2, 20]])
    rays = np.column_stack([at[:, ::-1] + 0.5, np.ones(3)]) @ np.linalg.inv(K).T
    expected, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), source.K[0], source.distortion)
    found = np.stack([x[at[:, 0], at[:, 1]], y[at[:, 0], at[:, 1]]], axis=-1) + 0.5
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-3)


def test_a_pinhole_in_the_middle_stays_as_it_is() -> None:
    source = posed()
    source.K[:, 1, 1] = 530.0
    how = rectifier(source, SIZE)
    rgb = np.arange(360 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(360, 640, 3)
    assert how(rgb, 0) is rgb
    assert how.size_px == SIZE
