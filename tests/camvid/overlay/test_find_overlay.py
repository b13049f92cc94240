"""What is fixed to the image is found, whatever it is; what only seems to be is left alone."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8, Bool
from camvid.overlay.find import find_overlay
from camvid.overlay.regions import Overlay

SIZE = (270, 480)  # height, width
NUM = 48
FPS = 24.0


def wall(seed: int = 0) -> U8:
    """A wide image with texture of all scales, as walls and streets have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((700, 1400, 3), np.float32)
    for scale in (2, 5, 12, 40):
        noise = rng.normal(size=(700 // scale + 2, 1400 // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(noise, (1400, 700), interpolation=cv2.INTER_CUBIC) * scale**0.5
    return np.clip(128 + 32 * total / total.std(), 0, 255).astype(np.uint8)


def view(image: U8, x: float, y: float, seed: int) -> U8:
    """What a camera at (x, y) before the image sees, with its noise."""
    shift = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
    seen = cv2.warpAffine(image, shift, SIZE[::-1], flags=cv2.INTER_LINEAR)
    noise = np.random.default_rng(seed).normal(0, 1.5, seen.shape)
    return np.clip(seen + noise, 0, 255).astype(np.uint8)


def slide(speed_px: float = 7.0, seed: int = 0) -> U8:
    """[T, H, W, 3] of a camera that slides past a wall, a little up and down."""
    image = wall(seed)
    return np.stack(
        [view(image, 20 + speed_px * t, 200 + 25 * np.sin(t / 7), t) for t in range(NUM)]
    )


def box(rgb: U8, x: int, y: int, width: int, height: int) -> Bool:
    where = np.zeros(rgb.shape[1:3], bool)
    where[y : y + height, x : x + width] = True
    return where


def with_text(rgb: U8, words: list[str], at: tuple[int, int], frames: range) -> U8:
    out = rgb.copy()
    for t in frames:
        for k, line in enumerate(words):
            where = (at[0], at[1] + 28 * k)
            for colour, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
                cv2.putText(out[t], line, where, cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, width)
    return out


def logo(rgb: U8, alpha: float) -> tuple[U8, Bool]:
    patch = np.full((50, 110, 3), (30, 60, 160), np.uint8)
    cv2.putText(patch, "TV7", (12, 38), cv2.FONT_HERSHEY_DUPLEX, 1.3, (250, 250, 250), 2)
    out = rgb.astype(np.float32)
    out[:, 16:66, 350:460] = alpha * patch + (1 - alpha) * out[:, 16:66, 350:460]
    return out.astype(np.uint8), box(rgb, 350, 16, 110, 50)


def opaque_logo(rgb: U8) -> tuple[U8, Bool]:
    return logo(rgb, 1.0)


def glass_logo(rgb: U8) -> tuple[U8, Bool]:
    return logo(rgb, 0.5)


def subtitle_of_a_second(rgb: U8) -> tuple[U8, Bool]:
    words = ["I have never seen", "anything like that"]
    return with_text(rgb, words, (90, 210), range(8, 34)), box(rgb, 94, 196, 200, 46)


def running_clock(rgb: U8) -> tuple[U8, Bool]:
    out = rgb.copy()
    for t, frame in enumerate(out):
        cv2.putText(
            frame, f"12:34:{t // 24:02d}:{t % 24:02d}", (20, 40), 0, 0.8, (255, 255, 255), 2
        )
    return out, box(rgb, 22, 24, 150, 16)


def flat_hood(rgb: U8) -> tuple[U8, Bool]:
    mask = np.zeros(SIZE, np.uint8)
    cv2.ellipse(mask, (240, 300), (260, 95), 0, 0, 360, 1, -1)
    out = rgb.copy()
    out[:, mask > 0] = (70, 74, 80)
    return out, cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0


def round_image(rgb: U8) -> tuple[U8, Bool]:
    mask = np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (240, 135), 140, 1, -1)
    out = rgb.copy()
    out[:, mask == 0] = 0
    return out, cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0


@pytest.fixture(scope="module")
def scene() -> U8:
    return slide()


def find(rgb: U8) -> Overlay:
    return find_overlay(rgb, FPS)


@pytest.mark.parametrize(
    "put",
    [opaque_logo, glass_logo, subtitle_of_a_second, running_clock, flat_hood, round_image],
)
def test_overlays_are_found_where_they_are(scene: U8, put: Callable[[U8], tuple[U8, Bool]]) -> None:
    rgb, where = put(scene)
    found = find(rgb)
    assert not found.inset.any()
    assert found.fixed[where].mean() > 0.9
    near = cv2.dilate(where.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
    assert found.fixed[~near].mean() < 0.005


def test_another_video_in_the_image_is_an_inset(scene: U8) -> None:
    other = slide(speed_px=-3.0, seed=5)
    rgb = scene.copy()
    rgb[:, 15:110, 20:190] = other[:, 60:155, 100:270]
    found = find(rgb)
    assert found.inset[25:100, 30:180].mean() > 0.9
    assert not found.inset[130:].any()


def test_half_of_a_split_screen_is_an_inset(scene: U8) -> None:
    rgb = np.concatenate([scene[:, :, :240], slide(-4.0, seed=7)[:, :, :240]], axis=2)
    assert 0.4 < find(rgb).inset.mean() < 0.55


def test_a_scene_without_an_overlay_has_none(scene: U8) -> None:
    assert not find(scene).mask.any()


def test_nothing_is_an_overlay_while_the_camera_stands_still() -> None:
    image = wall()
    rgb, _ = opaque_logo(np.stack([view(image, 100, 100, t) for t in range(NUM)]))
    assert not find(rgb).mask.any()


def test_a_large_mover_before_a_still_camera_makes_no_overlay_of_the_rest() -> None:
    image, mover = wall(), wall(9)
    rgb = np.stack([view(image, 100, 100, t) for t in range(NUM)])
    for t in range(NUM):
        rgb[t, 40:250, 60 + 3 * t : 260 + 3 * t] = mover[300:510, 200:400]
    assert not find(rgb).mask.any()


def test_a_hand_that_shakes_shows_no_overlay() -> None:
    """The way to and fro is long, and leaves edges where they are."""
    image, rng = wall(), np.random.default_rng(3)
    rgb = np.stack([view(image, *(100 + rng.normal(0, 2.5, 2)), t) for t in range(NUM)])
    assert find(rgb).mask.mean() < 0.002


def test_a_bare_sky_is_no_overlay() -> None:
    """Nothing changes in it, but its edge goes with the scene."""
    image = wall()
    image[:300] = (200, 215, 235)
    rgb = np.stack([view(image, 20 + 7 * t, 200 + 25 * np.sin(t / 7), t) for t in range(NUM)])
    assert find(rgb).mask.mean() < 0.002


def test_a_single_frame_has_no_overlay(scene: U8) -> None:
    assert not find(scene[:1]).mask.any()
