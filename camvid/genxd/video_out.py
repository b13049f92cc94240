"""Sampled frames as files: a video, and all frames on one sheet."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import U8, Bool
from camvid.scenes.movie import write_video

_BORDER_PX = 3
_GIVEN_RGB = (255, 176, 0)


def to_rgb(images: NDArray[np.floating]) -> U8:
    """Images [..., 3, H, W] in [-1, 1] as rgb [..., H, W, 3]."""
    scaled = np.clip(np.rint((np.moveaxis(images, -3, -1) + 1) * 127.5), 0, 255)
    return np.ascontiguousarray(scaled, np.uint8)


def write_mp4(path: Path, rgb: U8, fps: float = 8.0) -> None:
    """Frames [F, H, W, 3] as H.264 that browsers play."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, rgb, fps)


def contact_sheet(rgb: U8, is_given: Sequence[bool] | Bool = (), *, num_columns: int = 6) -> U8:
    """All frames [F, H, W, 3] in rows, in reading order; given ones have an orange border."""
    num_frames, height, width = rgb.shape[:3]
    columns = min(num_columns, num_frames)
    rows = -(-num_frames // columns)
    cell_hw = (height + 2 * _BORDER_PX, width + 2 * _BORDER_PX)
    sheet = np.full((rows * cell_hw[0], columns * cell_hw[1], 3), 255, np.uint8)
    for index, image in enumerate(rgb):
        row, column = divmod(index, columns)
        y, x = row * cell_hw[0], column * cell_hw[1]
        if index < len(is_given) and is_given[index]:
            sheet[y : y + cell_hw[0], x : x + cell_hw[1]] = _GIVEN_RGB
        y, x = y + _BORDER_PX, x + _BORDER_PX
        sheet[y : y + height, x : x + width] = image
    return sheet


def write_png(path: Path, rgb: U8) -> None:
    """One image [H, W, 3]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))
    if not done:
        raise ValueError(f"a {rgb.shape} image could not be written as PNG")
    path.write_bytes(data.tobytes())
