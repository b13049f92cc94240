"""RealEstate10K's text as the trainers read it: CameraCtrl and AC3D, VideoX-Fun."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from camvid.scenes.movie import read_video
from camvid.store import ClipStore
from tests.exports.exporting import assert_same_cameras, export, views


def read_poses(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """timestamps in microseconds, normalised fx fy cx cy, world to camera: as documented."""
    lines = path.read_text().splitlines()[1:]  # the first is an address
    rows = np.array([[float(word) for word in line.strip().split(" ")] for line in lines])
    assert rows.shape[1] == 19
    assert not rows[:, 5:7].any()
    return rows[:, 0], rows[:, 1:5], rows[:, 7:].reshape(-1, 3, 4)


@pytest.fixture(scope="module")
def folder(run: ClipStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("re10k") / "out"
    done = export(run, out, "realestate10k", fps=12, frames=21, width_px=256, height_px=144)
    assert [clip.status for clip in done] == ["ok", "ok"]
    return out


def test_cameractrl_reads_it(run: ClipStore, folder: Path) -> None:
    clips = json.loads((folder / "annotations.json").read_text())
    expected = views(run, fps=12, frames=21, width_px=256, height_px=144)
    for clip, view in zip(clips, expected, strict=True):
        assert set(clip) == {"clip_name", "clip_path", "pose_file", "caption"}
        video = read_video(folder / clip["clip_path"])
        assert video.shape == (21, 144, 256, 3)
        off = np.abs(video.astype(int) - np.stack(list(view.frames()))).mean()
        assert off < 6  # grey levels, most of it from halved colour; another frame is 15 off
        microseconds, intrinsics, cameras = read_poses(folder / clip["pose_file"])
        np.testing.assert_allclose(microseconds, 1e6 * view.timestamps_s, atol=1)
        fx_fy_cx_cy = view.K[:, [0, 1, 0, 1], [0, 1, 2, 2]]
        np.testing.assert_allclose(intrinsics * [256, 144, 256, 144], fx_fy_cx_cy, atol=1e-6)
        assert_same_cameras(cameras, view)


def test_videox_fun_reads_it(folder: Path) -> None:
    for line in json.loads((folder / "videox_fun.json").read_text()):
        assert set(line) == {"file_path", "control_file_path", "text", "type"}
        assert (line["type"], line["text"]) == ("video", "")
        assert line["control_file_path"].lower().endswith(".txt")
        assert all((folder / line[key]).exists() for key in ("file_path", "control_file_path"))


def test_the_csv_has_every_clip(folder: Path) -> None:
    with (folder / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["4d", "3d"]
    assert (rows[0]["motion_strength"], rows[0]["from_source"]) == ("0.02", "True")
