"""The embedded shot detector, on made transitions between made scenes and on real clips."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.errors import ConfigError
from camvid.models.shots.pyscenedetect import PySceneDetect, PySceneDetectOptions
from camvid.video.cut import PREVIEW_SIDE_PX
from camvid.video.decode import read_frames
from tests.factories import CLIPS

SINGLE_SHOTS = (
    "dyn_backpack_stairs dyn_bear dyn_bmx_trees_masks dyn_boy_walking_genai dyn_dog_grass"
    " dyn_paragliding fixed_dog_fetch fixed_vtest_pedestrians gt_7scenes_redkitchen_translate"
    " static_greatwall still_apple syn_orbit_movers syn_orbit_static_scene syn_rotate_movers"
).split()


def clip(name: str) -> str:
    path = CLIPS / name
    if not path.exists():
        pytest.skip(f"needs ../shared/clips/{name}")
    return str(path)


def detect(path: str) -> list[tuple[float, float]]:
    return PySceneDetect().detect(read_frames(path, max_side_px=PREVIEW_SIDE_PX))


def scene(seed: int, num_frames: int, *, step_px: int = 1) -> U8:
    """A coloured texture with detail at every scale, sliding sideways, [T, 90, 160, 3]."""
    rng = np.random.default_rng(seed)
    large = np.full((90, 1600, 3), rng.uniform(60, 190, 3), np.float32)
    for cell_px, strength in ((90, 90), (30, 45), (10, 22)):
        cells = rng.uniform(-1, 1, (max(2, 90 // cell_px), 1600 // cell_px, 3)).astype(np.float32)
        large += strength * cv2.resize(cells, (1600, 90), interpolation=cv2.INTER_CUBIC)
    whole = np.clip(large, 0, 255).astype(np.uint8)
    return np.stack([whole[:, step_px * i : step_px * i + 160] for i in range(num_frames)])


def dissolve(before: U8, after: U8, length: int) -> U8:
    """Joins two scenes; `length` frames lie strictly between pure and pure."""
    share = (np.arange(1, length + 1) / (length + 1))[:, None, None, None]
    mixed = (1 - share) * before[-length:] + share * after[:length]
    return np.concatenate([before[:-length], mixed.round().astype(np.uint8), after[length:]])


def detect_frames(folder: Path, frames: U8) -> list[tuple[int, int]]:
    """Shots as frame numbers, of frames written as a folder of images at 24 per second."""
    for i, rgb in enumerate(frames):
        cv2.imwrite(str(folder / f"{i:05d}.jpg"), rgb[..., ::-1])
    shots = PySceneDetect().detect(read_frames(str(folder)))
    return [(round(start_s * 24), round(end_s * 24)) for start_s, end_s in shots]


def test_hard_cuts_are_found_to_the_frame(tmp_path: Path) -> None:
    frames = np.concatenate([scene(0, 40), scene(1, 30), scene(2, 50)])
    assert detect_frames(tmp_path, frames) == [(0, 40), (40, 70), (70, 120)]


@pytest.mark.parametrize("length", [7, 11, 15, 23, 40])
def test_the_images_of_a_dissolve_belong_to_no_shot(tmp_path: Path, length: int) -> None:
    frames = dissolve(scene(0, 80), scene(1, 80), length)
    shots = detect_frames(tmp_path, frames)
    assert len(shots) == 2
    fade_start, fade_end = 80 - length, 80
    slack = 2 + length // 6  # the first and last images of a long fade are nearly pure
    assert abs(shots[0][1] - fade_start) <= slack
    assert abs(shots[1][0] - fade_end) <= slack
    assert shots[1][1] == len(frames)


def test_a_fade_through_black_ends_one_shot_and_starts_another(tmp_path: Path) -> None:
    black = np.zeros((14, 90, 160, 3), np.uint8)
    frames = dissolve(dissolve(scene(0, 60), np.concatenate([black, black]), 11), scene(1, 60), 11)
    shots = detect_frames(tmp_path, frames)
    lit = [(a, b) for a, b in shots if frames[a:b].mean() > 50]
    assert len(lit) == 2
    assert lit[0][1] <= 52
    assert lit[1][0] >= len(frames) - 52


@pytest.mark.parametrize("step_px", [1, 4, 16])
def test_pans_are_one_shot(tmp_path: Path, step_px: int) -> None:
    assert len(detect_frames(tmp_path, scene(3, 80, step_px=step_px))) == 1


def test_a_change_of_light_is_one_shot(tmp_path: Path) -> None:
    gain = (0.7 + 0.3 * np.sin(np.arange(72) / 8))[:, None, None, None]
    frames = (scene(4, 72) * gain).round().astype(np.uint8)
    assert len(detect_frames(tmp_path, frames)) == 1


def test_a_single_image_is_one_shot(tmp_path: Path) -> None:
    assert detect_frames(tmp_path, scene(0, 1)) == [(0, 1)]


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"min_cut_ratio must be above 1, got 0\.5"):
        PySceneDetectOptions(min_cut_ratio=0.5)


def test_four_known_shots() -> None:
    shots = detect(clip("path_derived/four_shots_known_cuts.mp4"))
    edges = [(round(start_s * 24), round(end_s * 24)) for start_s, end_s in shots]
    assert len(edges) == 4
    assert edges[0] == (0, 48)
    assert edges[1] == (48, 120)
    assert 178 <= edges[2][1] <= 182
    assert 190 <= edges[3][0] <= 194
    assert edges[3][1] == 252


def test_a_film_of_six_shots() -> None:
    shots = detect(clip("path_cuts_bikes/video.mp4"))
    assert [round(start_s * 25) for start_s, _ in shots] == [0, 30, 76, 137, 187, 242]


@pytest.mark.parametrize("name", SINGLE_SHOTS)
def test_single_shots_are_not_cut(name: str) -> None:
    assert len(detect(clip(f"{name}/video.mp4"))) == 1
