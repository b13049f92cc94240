"""What files beside a real clip say of it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.errors import ConfigError
from camvid.evaluation.truth import Labels, find_truths, match_truth, read_truth

LINE = "0.1 1 2 3 0 0 0 1\n"


def write_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.full((4, 4), 255, np.uint8))


def test_every_kind_of_truth_makes_a_folder_one(tmp_path: Path) -> None:
    write_images(tmp_path / "tight" / "masks", ["00000.png"])
    for name, file in (("posed", "groundtruth_tum.txt"), ("told", "labels.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    (tmp_path / "nothing").mkdir()
    assert sorted(find_truths(tmp_path)) == ["posed", "tight", "told"]


def test_images_of_masks_are_no_clip_of_that_truth(tmp_path: Path) -> None:
    truths = {"goat": tmp_path / "goat"}
    assert match_truth("real/goat/frames", truths) == tmp_path / "goat"
    assert match_truth("real/goat/video.mp4", truths) == tmp_path / "goat"
    assert match_truth("real/goat", truths) == tmp_path / "goat"
    for name in ("masks", "mask", "depth"):
        assert match_truth(f"real/goat/{name}", truths) is None


def test_masks_are_those_of_the_images_of_the_same_name(tmp_path: Path) -> None:
    write_images(tmp_path / "frames", ["8.jpg", "9.jpg", "10.jpg", "11.jpg"])
    write_images(tmp_path / "masks", ["9.png", "11.png"])
    truth = read_truth(tmp_path)
    assert {k: path.name for k, path in truth.masks.items()} == {1: "9.png", 3: "11.png"}
    assert truth.cam_from_world is None
    write_images(tmp_path / "other" / "frames", ["1.jpg"])
    write_images(tmp_path / "other" / "masks", ["2.png"])
    with pytest.raises(ConfigError, match=r"masks/2\.png must be named as a frame in frames/"):
        read_truth(tmp_path / "other")


def test_masks_beside_a_video_count_from_its_first_frame(tmp_path: Path) -> None:
    write_images(tmp_path / "masks", ["m10.png", "m9.png", "m1.png"])
    names = [path.name for _, path in sorted(read_truth(tmp_path).masks.items())]
    assert names == ["m1.png", "m9.png", "m10.png"]


def test_calibration_as_numbers_or_as_a_matrix(tmp_path: Path) -> None:
    (tmp_path / "groundtruth_tum.txt").write_text(LINE * 3)
    (tmp_path / "K.json").write_text(json.dumps({"fx": 700, "fy": 701, "cx": 600, "cy": 180}))
    focal_px = read_truth(tmp_path).focal_px_at(np.array([0, 2], np.int32))
    assert focal_px is not None
    assert focal_px.tolist() == [700, 700]
    (tmp_path / "K.json").unlink()
    assert read_truth(tmp_path).focal_px_at(np.zeros(1, np.int32)) is None
    matrix = [[9.0, 0, 4], [0, 9, 3], [0, 0, 1]]
    (tmp_path / "camera.json").write_text(json.dumps({"K": matrix}))
    truth = read_truth(tmp_path)
    assert truth.K_per_frame is not None
    np.testing.assert_allclose(truth.K_per_frame[0], matrix)


def test_a_trajectory_too_short_for_the_video_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "street"
    folder.mkdir()
    (folder / "groundtruth_tum.txt").write_text("# timestamp tx ty tz qx qy qz qw\n" + LINE * 3)
    truth = read_truth(folder)
    assert truth.cameras_at(np.array([0, 2], np.int32)) is not None
    with pytest.raises(ConfigError, match=r"truth of street .* has 3 and frame 3 is asked for"):
        truth.cameras_at(np.array([0, 3], np.int32))
    (folder / "groundtruth_tum.txt").write_text("1 2 3\n")
    with pytest.raises(ConfigError, match="8 numbers a line, got 3"):
        read_truth(folder)


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"kind": "4d", "camera": "moving"}')
    assert read_truth(tmp_path).labels == Labels(kind="4d", camera="moving")
    path.write_text('{"camera": "fixed"}')
    assert read_truth(tmp_path).labels == replace(Labels(), camera="fixed")
    path.write_text('{"kind": "5d"}')
    with pytest.raises(ConfigError, match=r'"kind" in labels\.json must be one of .* got .5d.'):
        read_truth(tmp_path)
    path.write_text('{"camera": "drunk"}')
    with pytest.raises(ConfigError, match='"camera" in labels'):
        read_truth(tmp_path)
