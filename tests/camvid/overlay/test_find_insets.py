"""Other videos in the image are found however they are laid out; what scenes have is left alone."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.overlay.find import find_overlay
from camvid.overlay.regions import Overlay

SIZE = (270, 480)  # height, width
NUM = 48
FPS = 24.0


def texture(seed: int, contrast: float = 32.0, mean: float = 128.0) -> U8:
    """A wide image with texture of all scales, as walls and streets have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((700, 1400, 3), np.float32)
    for scale in (2, 5, 12, 40):
        noise = rng.normal(size=(700 // scale + 2, 1400 // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(noise, (1400, 700), interpolation=cv2.INTER_CUBIC) * scale**0.5
    return np.clip(mean + contrast * total / total.std(), 0, 255).astype(np.uint8)


def slide(seed: int, speed_px: float = 7.0, bob_px: float = 0.0, image: U8 | None = None) -> U8:
    """[T, H, W, 3] of a camera that slides past a wall, and up and down."""
    wall = texture(seed) if image is None else image
    frames: list[U8] = []
    for t in range(NUM):
        x, y = 400 - speed_px * (NUM / 2 - t), 200 + bob_px * np.sin(t / 7)
        shift = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
        seen = cv2.warpAffine(wall, shift, SIZE[::-1], flags=cv2.INTER_LINEAR)
        noise = np.random.default_rng((seed, t)).normal(0, 1.5, seen.shape)
        frames.append(np.clip(seen + noise, 0, 255).astype(np.uint8))
    return np.stack(frames)


def resized(rgb: U8, width: int, height: int) -> U8:
    return np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA) for f in rgb])


def small_inset(scene: U8, other: U8) -> U8:
    out = scene.copy()
    out[:, 185:253, 345:465] = resized(other, 120, 68)
    return out


def rounded_inset(scene: U8, other: U8) -> U8:
    """A third of the width, with rounded corners."""
    shape = np.zeros((90, 160), np.uint8)
    cv2.rectangle(shape, (14, 0), (145, 89), 1, -1)
    cv2.rectangle(shape, (0, 14), (159, 75), 1, -1)
    for x, y in ((14, 14), (145, 14), (14, 75), (145, 75)):
        cv2.circle(shape, (x, y), 14, 1, -1)
    out = scene.copy()
    out[:, 165:255, 15:175][:, shape > 0] = resized(other, 160, 90)[:, shape > 0]
    return out


def bordered_inset(scene: U8, other: U8) -> U8:
    out = scene.copy()
    out[:, 13:85, 338:462] = 20
    out[:, 15:83, 340:460] = resized(other, 120, 68)
    return out


def side_by_side(scene: U8, other: U8) -> U8:
    return np.concatenate([scene[:, :, :240], other[:, :, 100:340]], axis=2)


def side_by_side_with_a_gap(scene: U8, other: U8) -> U8:
    gap = np.zeros((NUM, SIZE[0], 6, 3), np.uint8)
    return np.concatenate([scene[:, :, :237], gap, other[:, :, 100:337]], axis=2)


def one_above_the_other(scene: U8, other: U8) -> U8:
    return np.concatenate([scene[:, :135], other[:, 100:235]], axis=1)


def three_side_by_side(scene: U8, other: U8) -> U8:
    return np.concatenate([scene[:, :, :160], other[:, :, 160:320], scene[:, :, 300:460]], axis=2)


def upright_before_itself_blurred(scene: U8, _: U8) -> U8:
    """As phones' videos are shown: blurred sides of the same video."""
    out = np.stack([cv2.GaussianBlur(frame, (0, 0), 10) for frame in scene])
    out[:, :, 164:316] = resized(scene, 480, 270)[:, :, 100:252]
    return out


def find(rgb: U8) -> Overlay:
    return find_overlay(rgb, FPS)


@pytest.mark.parametrize(
    ("put", "share"),
    [
        (small_inset, 0.05),
        (rounded_inset, 0.08),
        (bordered_inset, 0.05),
        (side_by_side, 0.45),
        (side_by_side_with_a_gap, 0.45),
        (one_above_the_other, 0.45),
        (three_side_by_side, 0.3),
        (upright_before_itself_blurred, 0.3),
    ],
)
def test_another_video_is_found(put: Callable[[U8, U8], U8], share: float) -> None:
    """Both cameras go along level lines, so that level borders are passed by nothing."""
    found = find(put(slide(1), slide(2, speed_px=-4.0)))
    assert found.inset.mean() > share


def test_a_dull_inset_is_found() -> None:
    """Of its edges nothing stands out: that nothing crosses them tells."""
    scene = slide(1, image=texture(1, contrast=9))
    other = slide(2, speed_px=-4.0, image=texture(2, contrast=9))
    assert find(small_inset(scene, other)).inset.mean() > 0.04


def test_a_horizon_in_a_level_pan_parts_no_screen() -> None:
    """Sky and sea are unlike, on a line that stays; but they move as one."""
    image = texture(3)
    image[:340] = texture(4, mean=190)[:340]
    assert not find(slide(5, image=image)).inset.any()


def test_ground_that_rises_below_a_horizon_parts_no_screen() -> None:
    """It moves up and down, the less the nearer to the horizon, and never across it."""
    far, near = slide(6, speed_px=5.0), texture(7)
    y, x = np.mgrid[0:130, 0 : SIZE[1]].astype(np.float32)
    out = far.copy()
    for t in range(NUM):
        scale = 1 + 0.3 * np.sin(t / 7)
        seen = cv2.remap(near, 300 + 5 * t + x, 200 + y * scale, cv2.INTER_LINEAR)
        out[t, 140:] = seen
    assert not find(out).inset.any()


def test_a_mover_that_the_camera_follows_is_no_inset() -> None:
    scene, mover = slide(8, bob_px=10.0), texture(9)
    out = scene.copy()
    rng = np.random.default_rng(0)
    for t in range(NUM):
        x, y = 200 + round(3 * np.sin(t / 5)), 90 + int(rng.integers(-1, 2))
        cv2.ellipse(out[t], (x, y), (60, 40), 0, 0, 360, (90, 90, 90), -1)
        shape = np.zeros(SIZE, np.uint8)
        cv2.ellipse(shape, (x, y), (60, 40), 0, 0, 360, 1, -1)
        out[t][shape > 0] = np.roll(mover[200:470, 300:780], (y, x), (0, 1))[shape > 0]
    assert not find(out).inset.any()


@pytest.mark.parametrize("seed", range(11, 14))
def test_a_scene_has_none(seed: int) -> None:
    assert not find(slide(seed, speed_px=3.0, bob_px=15.0)).mask.any()
