"""Small videos made in a second: a still camera before a texture, over which a square moves."""

from pathlib import Path

import cv2
import numpy as np

from camvid.scenes.movie import write_video

FPS = 24.0


def write_moving_square(path: Path, num_frames: int = 40, seed: int = 0) -> Path:
    """A clip of kind `video`: the camera is fixed, the square is not."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(0, 255, (45, 80, 3), np.uint8), (320, 180))
    square = cv2.resize(rng.integers(0, 255, (12, 12, 3), np.uint8), (48, 48))
    rgb = np.repeat(ground[None], num_frames, axis=0)
    for t in range(num_frames):
        rgb[t, 60:108, 20 + 4 * t : 68 + 4 * t] = square
    write_video(path, rgb, FPS)
    return path


def write_bad_inputs(folder: Path) -> dict[str, str]:
    """What people have beside their videos -> the status of its row."""
    rng = np.random.default_rng(1)
    write_moving_square(folder / "one_frame.mp4", num_frames=1)
    (folder / "garbage.mp4").write_bytes(rng.integers(0, 255, 4096, np.uint8).tobytes())
    (folder / "empty.mp4").touch()
    (folder / "notes.md").write_text("no video at all\n")
    whole = write_moving_square(folder / "whole.mp4", seed=2).read_bytes()
    (folder / "whole.mp4").unlink()
    (folder / "cut_off.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "a_folder.mp4").mkdir()
    return {
        "one_frame.mp4": "rejected",
        "garbage.mp4": "failed",
        "empty.mp4": "failed",
        "notes.md": "failed",
        "cut_off.mp4": "failed",
        "a_folder.mp4": "failed",
    }
