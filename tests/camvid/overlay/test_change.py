"""Another video before a scene that stands still."""

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.overlay.change import changing_boxes
from camvid.overlay.find import find_overlay

SIZE = (270, 480)  # height, width
NUM, FPS = 36, 24.0


def texture(seed: int) -> U8:
    rng = np.random.default_rng(seed)
    total = np.zeros((500, 1000), np.float32)
    for scale in (2, 5, 12, 40):
        noise = rng.normal(size=(500 // scale + 2, 1000 // scale + 2)).astype(np.float32)
        total += cv2.resize(noise, (1000, 500), interpolation=cv2.INTER_CUBIC) * scale**0.5
    return np.clip(128 + 32 * total / total.std(), 0, 255).astype(np.uint8)


def seen(seed: int, speed_px: float, drift_px: float = 0.0) -> U8:
    """Images [T, H, W] of a wall before a camera that slides so fast; it may grow brighter."""
    wall, rng = texture(seed), np.random.default_rng(seed)
    images: list[U8] = []
    for t in range(NUM):
        shift = np.array([[1, 0, -20 - speed_px * t], [0, 1, -90]], np.float32)
        image = cv2.warpAffine(wall, shift, SIZE[::-1]) + drift_px * t
        images.append(np.clip(image + rng.normal(0, 1.5, SIZE), 0, 255).astype(np.uint8))
    return np.stack(images)


def with_inset(gray: U8, x: int, y: int, width: int, height: int) -> U8:
    out = gray.copy()
    out[:, y : y + height, x : x + width] = seen(7, 5.0)[:, :height, :width]
    return out


@pytest.mark.parametrize("box", [(20, 20, 120, 70), (340, 180, 120, 70), (150, 60, 180, 140)])
@pytest.mark.parametrize(("speed_px", "drift_px"), [(0, 0), (0.02, 0), (0, 0.8)])
def test_a_box_in_which_all_changes_is_an_inset(
    box: tuple[int, int, int, int], speed_px: float, drift_px: float
) -> None:
    x, y, width, height = box
    found = changing_boxes(with_inset(seen(0, speed_px, drift_px), *box))
    assert found[y + 4 : y + height - 4, x + 4 : x + width - 4].mean() > 0.95
    found[max(y - 8, 0) : y + height + 8, max(x - 8, 0) : x + width + 8] = False
    assert not found.any()


def test_it_is_part_of_the_overlay() -> None:
    rgb = np.repeat(with_inset(seen(0, 0), 20, 20, 120, 70)[..., None], 3, axis=-1)
    found = find_overlay(rgb, FPS)
    assert found.inset[24:86, 24:136].mean() > 0.95
    assert not found.fixed.any()


def test_a_box_that_slides_through_the_image_is_none() -> None:
    """What it sweeps over is a box, too, but changes the less the nearer to the ends of its way."""
    out, mover = seen(0, 0), texture(9)
    for t in range(NUM):
        out[t, 100:180, 40 + 6 * t : 120 + 6 * t] = mover[100:180, 200:280]
    assert not changing_boxes(out).any()


def test_a_mover_and_a_passing_scene_are_none() -> None:
    out = seen(0, 0)
    for t in range(NUM):
        cv2.circle(out[t], (200 + 3 * t, 140), 40, 250, -1)
    assert not changing_boxes(out).any()
    assert not changing_boxes(seen(0, 6.0)).any()
