"""Images out: values, a video that plays back, a sheet that marks what was given."""

from pathlib import Path

import cv2
import numpy as np

from camvid.genxd.video_out import contact_sheet, to_rgb, write_mp4, write_png
from camvid.scenes.movie import read_video


def test_values_are_rounded_and_clipped() -> None:
    values = np.array([-2, -1, 0, 0.5, 1, 2], np.float32)
    images = np.broadcast_to(values[:, None, None, None], (6, 3, 2, 4)).copy()
    images[5, 0] = -1
    rgb = to_rgb(images)
    assert rgb.shape == (6, 2, 4, 3)
    assert rgb[:, 0, 0, 1].tolist() == [0, 0, 128, 191, 255, 255]
    assert rgb[5, 0, 0].tolist() == [0, 255, 255]


def test_a_video_comes_back(tmp_path: Path) -> None:
    rgb = np.zeros((5, 64, 128, 3), np.uint8)
    for index, image in enumerate(rgb):
        image[:, 20 * index : 20 * index + 40] = (250, 120, 10)
    write_mp4(tmp_path / "out" / "a.mp4", rgb)
    back = read_video(tmp_path / "out" / "a.mp4")
    assert back.shape == rgb.shape
    assert np.abs(back.astype(int) - rgb).mean() < 8


def test_the_sheet_holds_all_frames_in_reading_order(tmp_path: Path) -> None:
    rgb = np.stack([np.full((16, 24, 3), 20 * index, np.uint8) for index in range(5)])
    sheet = contact_sheet(rgb, (False, False, False, False, True), num_columns=3)
    assert sheet.shape == (2 * 22, 3 * 30, 3)
    centres = [sheet[22 * (i // 3) + 11, 30 * (i % 3) + 15].tolist() for i in range(5)]
    assert centres == [[20 * i] * 3 for i in range(5)]
    assert sheet[22, 30].tolist() == [255, 176, 0]
    assert sheet[0, 0].tolist() == sheet[43, 89].tolist() == [255, 255, 255]
    write_png(tmp_path / "sheet.png", sheet)
    assert np.array_equal(cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1], sheet)
