"""What is found in folders, and what is reported of the rest."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.format import ContainerFormat

from camvid.video.find import find_videos
from camvid.video.scan import VIDEO_SUFFIXES
from tests.camvid.video.test_decode import moving, write_video

# FFmpeg's demuxers of video, and those of their suffixes that are sound or images.
DEMUXERS = (
    "mov matroska avi flv asf mpegts mpeg rm ogg nut mxf gif dv h264 hevc vvc m4v h261 obu mjpeg"
    " vc1 vc1test cavsvideo avs2 avs3 yuv4mpegpipe dhav ifv ivr usm vivo xmv moflex ty kux"
)
NOT_VIDEO = frozenset("m4a m4b isma heic heif avif mka mks ogg avs mpo".split())


def test_every_suffix_that_ffmpeg_knows_for_videos_is_found() -> None:
    known = {s for name in DEMUXERS.split() for s in ContainerFormat(name, "r").extensions}
    assert {f".{suffix}" for suffix in known - NOT_VIDEO} <= VIDEO_SUFFIXES


@pytest.mark.parametrize(
    "name",
    "a.h264 a.hevc a.264 a.265 a.gif a.vob a.m2v a.divx a.3g2 a.asf a.insv a.f4v a.VOB".split(),
)
def test_videos_of_rarer_suffixes_are_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_videos([str(tmp_path)]) == [str(tmp_path / name)]


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "avi", "mpegts", "vob", "h264", "flv"])
def test_a_video_under_another_name_is_reported(
    tmp_path: Path, container: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "good.mp4", moving(3))
    suffix = {"mpegts": "ts"}.get(container, container)
    codec = "mpeg2video" if container == "vob" else "libx264"
    made = Path(write_video(tmp_path / f"x.{suffix}", moving(3), codec=codec, options={"g": "12"}))
    made.rename(tmp_path / "dQw4w9WgXcQ.part")
    (tmp_path / "notes.doc").write_text("GIF and ftyp are words of this text")
    assert find_videos([str(tmp_path)]) == [str(tmp_path / "good.mp4")]
    assert "files that may be videos (name one itself to have it read), 1 in all" in caplog.text
    assert "dQw4w9WgXcQ.part" in caplog.text


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("a.mp4", "b"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "c.mp4").touch()
    assert find_videos([str(tmp_path)]) == [str(tmp_path / "c.mp4")]


def write_images(folder: Path, name: str = "{:05d}.jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(3):
        cv2.imwrite(str(folder / name.format(i)), np.full((8, 8, 3), 80 * i, np.uint8))


def test_masks_and_depth_beside_the_images_are_no_videos(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("JPEGImages/480p/bear", "Annotations/480p/bear", "tum/rgb", "tum/depth"):
        write_images(tmp_path / name)
    write_images(tmp_path / "scene/out", "depth_{:04d}.png")
    found = [str(Path(path).relative_to(tmp_path)) for path in find_videos([str(tmp_path)])]
    assert found == ["JPEGImages/480p/bear", "tum/rgb"]
    assert "have it read), 3 in all" in caplog.text
    depth = str(tmp_path / "tum/depth")
    assert find_videos([depth]) == [depth]  # named on purpose


def test_posters_of_films_are_no_series(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"film{i}.mp4").touch()
    write_images(tmp_path, "film{}.jpg")
    assert [Path(path).suffix for path in find_videos([str(tmp_path)])] == [".mp4"] * 3


def test_a_folder_that_may_not_be_read_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.geteuid() == 0:
        pytest.skip("needs a user other than root")
    (tmp_path / "a.mp4").touch()
    (tmp_path / "closed").mkdir(mode=0)
    assert find_videos([str(tmp_path)]) == [str(tmp_path / "a.mp4")]
    assert "closed: passed over" in caplog.text


def test_the_videos_of_our_own_reports_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mp4", "runs/1/report/clips/b.mp4", "runs/1/run.toml", "runs/1/clips/00/c.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_videos([str(tmp_path)]) == [str(tmp_path / "a.mp4")]
    assert "passed over folders that camvid wrote itself, 1 in all" in caplog.text
