"""What seems fixed to the image but moves after all is part of the scene."""

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8, Bool
from camvid.overlay.background import BackgroundMotion
from camvid.overlay.find import find_overlay
from camvid.overlay.own_motion import unexplained_change

SIZE = (270, 480)  # height, width
NUM, FPS, STEP = 48, 24.0, 3
SPEED_PX = 4.0  # of the background, each frame
BOX = np.s_[95:165, 200:280]


def texture(seed: int, height: int, width: int) -> U8:
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for scale in (2, 5, 12, 40):
        noise = rng.normal(size=(height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * scale**0.5
    return np.clip(128 + 32 * total / total.std(), 0, 255).astype(np.uint8)


def followed(drift_px: float, growth: float, turn_deg: float) -> U8:
    """[T, H, W, 3]: a patch in the middle that moves so much a frame, before a wall that passes."""
    wall, patch = texture(0, 500, 1000), texture(5, *SIZE)
    alpha = np.zeros(SIZE, np.float32)
    alpha[BOX] = 1
    images: list[U8] = []
    for t in range(NUM):
        shift = np.array([[1, 0, -20 - SPEED_PX * t], [0, 1, -90 - 20 * np.sin(t / 7)]])
        seen = cv2.warpAffine(wall, shift, SIZE[::-1]).astype(np.float32)
        own = cv2.getRotationMatrix2D((240, 130), turn_deg * t, (1 + growth) ** t)
        own[0, 2] += drift_px * t
        share = cv2.warpAffine(alpha, own, SIZE[::-1])[..., None]
        mixed = share * cv2.warpAffine(patch, own, SIZE[::-1]) + (1 - share) * seen
        noise = np.random.default_rng(t).normal(0, 1.5, mixed.shape)
        images.append(np.clip(mixed + noise, 0, 255).astype(np.uint8))
    return np.stack(images)


def passing() -> list[BackgroundMotion]:
    homography = np.array([[1, 0, -SPEED_PX * STEP], [0, 1, 0], [0, 0, 1.0]])
    return [BackgroundMotion(t, homography, None, 0.5) for t in range(0, NUM - STEP, STEP)]


def left_over(rgb: U8, edges: Bool) -> float:
    gray = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in rgb])
    return min(unexplained_change(edges, gray, passing(), STEP))


def patch_pixels() -> Bool:
    mask = np.zeros(SIZE, bool)
    mask[BOX] = True
    return mask


@pytest.mark.parametrize(
    ("drift_px", "growth", "turn_deg"), [(0.12, 0, 0), (0, 0.003, 0), (0, 0, 0.25)]
)
def test_a_mover_that_the_camera_follows_is_no_overlay(
    drift_px: float, growth: float, turn_deg: float
) -> None:
    rgb = followed(drift_px, growth, turn_deg)
    assert left_over(rgb, patch_pixels()) < 0.7
    assert not find_overlay(rgb, FPS).mask[BOX].any()


def test_what_stands_still_is_an_overlay() -> None:
    rgb = followed(0, 0, 0)
    assert left_over(rgb, patch_pixels()) > 0.95
    assert find_overlay(rgb, FPS).fixed[BOX].mean() > 0.9


def test_what_goes_with_the_background_is_explained_by_it() -> None:
    rgb = followed(0, 0, 0)
    wall = np.zeros(SIZE, bool)
    wall[200:220, 100:300] = True
    assert left_over(rgb, wall) < 0.4
