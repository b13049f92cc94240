"""Insets that are no rectangles are found; what ordinary footage has of closed curves is not."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from camvid.artifacts import F32, U8
from camvid.overlay.find import find_overlay
from camvid.overlay.regions import Overlay

SIZE = (270, 480)  # height, width
NUM = 40
FPS = 24.0


def texture(seed: int, contrast: float = 32.0, mean: float = 128.0) -> U8:
    """A wide image with texture of all scales, as walls and streets have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((700, 1400, 3), np.float32)
    for scale in (2, 5, 12, 40):
        noise = rng.normal(size=(700 // scale + 2, 1400 // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(noise, (1400, 700), interpolation=cv2.INTER_CUBIC) * scale**0.5
    return np.clip(mean + contrast * total / total.std(), 0, 255).astype(np.uint8)


def slide(seed: int, speed_px: float = 6.0, bob_px: float = 20.0, image: U8 | None = None) -> U8:
    """[T, H, W, 3] of a camera that slides past a wall, and up and down."""
    wall = texture(seed) if image is None else image
    frames: list[U8] = []
    for t in range(NUM):
        x, y = 400 - speed_px * (NUM / 2 - t), 200 + bob_px * np.sin(t / 6)
        shift = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
        seen = cv2.warpAffine(wall, shift, SIZE[::-1], flags=cv2.INTER_LINEAR)
        noise = np.random.default_rng((seed, t)).normal(0, 1.5, seen.shape)
        frames.append(np.clip(seen + noise, 0, 255).astype(np.uint8))
    return np.stack(frames)


def ellipse(x: int, y: int, width: int, height: int) -> F32:
    """[H, W] 1 within."""
    image = np.zeros(SIZE, np.float32)
    cv2.ellipse(image, (x, y), (width // 2, height // 2), 0, 0, 360, 1, -1, cv2.LINE_AA)
    return image


def rounded(x: int, y: int, width: int, height: int, radius: int) -> F32:
    """[H, W] 1 within a rectangle about (x, y)."""
    inner = np.zeros(SIZE, np.uint8)
    left, top = x - width // 2, y - height // 2
    inner[top + radius : top + height - radius, left + radius : left + width - radius] = 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(inner, disc), np.float32)


def put(scene: U8, other: U8, share: F32) -> U8:
    """The other where the share [H, W] is 1."""
    mixed = scene * (1 - share[..., None]) + other * share[..., None]
    return mixed.astype(np.uint8)


def circle(scene: U8, other: U8) -> U8:
    return put(scene, other, ellipse(400, 70, 110, 110))


def small_circle(scene: U8, other: U8) -> U8:
    return put(scene, other, ellipse(60, 210, 70, 70))


def circle_in_a_ring(scene: U8, other: U8) -> U8:
    white = np.full_like(scene, 250)
    return circle(put(scene, white, ellipse(400, 70, 116, 116)), other)


def soft_circle(scene: U8, other: U8) -> U8:
    soft = cv2.GaussianBlur(ellipse(90, 190, 130, 130), (0, 0), 2.5)
    return put(scene, other, np.asarray(soft, np.float32))


def flat_ellipse(scene: U8, other: U8) -> U8:
    return put(scene, other, ellipse(380, 200, 150, 90))


def rounded_with_a_shadow(scene: U8, other: U8) -> U8:
    shape = rounded(100, 70, 140, 80, 20)
    shadow = cv2.GaussianBlur(np.roll(shape, (4, 3), (0, 1)), (0, 0), 5)
    dark = put(scene, np.zeros_like(scene), np.asarray(0.6 * shadow, np.float32))
    return put(dark, other, shape)


def small_images(rgb: U8) -> U8:
    return np.stack([cv2.resize(f, (320, 180), interpolation=cv2.INTER_AREA) for f in rgb])


def find(rgb: U8) -> Overlay:
    return find_overlay(rgb, FPS)


@pytest.fixture(scope="module")
def scene() -> U8:
    return slide(1)


@pytest.fixture(scope="module")
def other() -> U8:
    return slide(2, speed_px=-4.0, bob_px=12.0)


@pytest.mark.parametrize(
    ("made", "area"),
    [
        (circle, 0.073),
        (small_circle, 0.03),
        (circle_in_a_ring, 0.073),
        (soft_circle, 0.102),
        (flat_ellipse, 0.082),
        (rounded_with_a_shadow, 0.086),
    ],
)
def test_another_video_is_found(
    made: Callable[[U8, U8], U8], area: float, scene: U8, other: U8
) -> None:
    assert 0.75 * area < find(made(scene, other)).inset.mean() < 1.4 * area


def test_another_video_is_found_in_small_images(scene: U8, other: U8) -> None:
    assert 0.05 < find(small_images(circle(scene, other))).inset.mean() < 0.11


def test_a_round_logo_stands_still_and_is_no_inset(scene: U8) -> None:
    picture = np.broadcast_to(texture(3)[:270, :480], scene.shape)
    found = find(circle(scene, picture))
    assert not found.inset.any()
    assert found.fixed.mean() > 0.05


def test_a_round_window_in_a_wall_is_none() -> None:
    """Its outline goes with the wall, though what is seen through it moves otherwise."""
    wall, far = texture(4, mean=150), slide(5, speed_px=1.5, bob_px=4.0)
    cv2.circle(wall, (640, 335), 60, (0, 0, 0), -1)
    cv2.circle(wall, (640, 335), 66, (230, 230, 230), 8)
    scene = slide(4, image=wall)
    through = (scene.max(axis=3, keepdims=True) < 12).astype(np.float32)
    seen = (scene * (1 - through) + far * through).astype(np.uint8)
    assert not find(seen).inset.any()


def test_the_side_window_of_a_car_is_none(scene: U8) -> None:
    """The street is seen through both panes, within a frame that stands still."""
    shape = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(shape, [np.array([(40, 20), (330, 20), (350, 190), (10, 190)], np.int32)], 1)
    cv2.fillPoly(shape, [np.array([(372, 30), (479, 45), (479, 195), (390, 190)], np.int32)], 1)
    frame = np.broadcast_to(texture(6, contrast=8, mean=50)[:270, :480], scene.shape)
    found = find(put(frame.copy(), scene, shape.astype(np.float32)))
    assert found.fixed.mean() > 0.2
    assert found.inset.mean() < 0.005
