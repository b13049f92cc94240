"""Frames that repeat the one before are left out, and no others."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from camvid.models.shots.pyscenedetect import PySceneDetect
from camvid.video.decode import read_frames
from camvid.video.repeats import sample_of
from tests.camvid.video.test_decode import write_video

WALL = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (24, 80, 3), np.uint8), (640, 192)
)  # smooth, so that a codec keeps it


def sliding(offsets: Sequence[int]) -> list[np.ndarray]:
    return [np.ascontiguousarray(WALL[:, x : x + 256]) for x in offsets]


@pytest.mark.parametrize("crf", ["18", "32"])
@pytest.mark.parametrize("shown", [(2,), (1, 1, 1, 2), (2, 3)])  # times that each frame is shown
def test_film_in_faster_video_is_read_as_it_was_taken(
    tmp_path: Path, shown: tuple[int, ...], crf: str
) -> None:
    times = [shown[k % len(shown)] for k in range(30)]
    offsets = np.repeat(6 * np.arange(30), times).tolist()
    uri = write_video(tmp_path / "v.mp4", sliding(offsets), rate=60, options={"crf": crf})
    frames = list(read_frames(uri))
    first = np.cumsum([0, *times[:-1]])
    # Before anything has moved, nothing says that the second frame repeats the first.
    assert [f.source_frame_index for f in frames if f.source_frame_index >= times[0]] == list(
        first[1:]
    )
    assert frames[-1].timestamp_s == pytest.approx(first[-1] / 60)
    assert "repeated frames left out" in frames[-1].processing
    assert len(PySceneDetect().detect(read_frames(uri, max_side_px=256))) == 1


def test_a_pause_of_the_camera_is_no_hole(tmp_path: Path) -> None:
    offsets = [*range(0, 90, 6), *[84] * 20, *range(84, 180, 6)]
    frames = list(read_frames(write_video(tmp_path / "v.mp4", sliding(offsets))))
    gaps = np.diff([f.source_frame_index for f in frames])
    assert gaps.max() <= 4
    assert len(frames) >= len(offsets) - 3
    assert {f.stretch for f in frames} == {0}


def test_a_still_camera_keeps_its_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 2, (20, 192, 256, 3))
    rgb = [np.clip(WALL[:, :256] + n, 0, 255).astype(np.uint8) for n in noise]
    assert len(list(read_frames(write_video(tmp_path / "noise.mp4", rgb)))) == 20
    assert len(list(read_frames(write_video(tmp_path / "still.mp4", sliding([0] * 20))))) == 20


def test_images_in_a_folder_repeat_too(tmp_path: Path) -> None:
    for k, rgb in enumerate(sliding(np.repeat(6 * np.arange(12), 2).tolist())):
        cv2.imwrite(str(tmp_path / f"{k:04d}.png"), rgb)
    assert len(list(read_frames(str(tmp_path)))) == 13  # the second frame, as above


def test_a_sample_is_of_the_same_brightness_at_any_depth() -> None:
    frame = av.VideoFrame.from_ndarray(sliding([40])[0], format="rgb24")
    usual = sample_of(frame.reformat(format="yuv420p"))
    deep = sample_of(frame.reformat(format="yuv420p10le"))
    assert usual.std() > 20
    assert np.abs(usual.astype(int) - deep).max() <= 2
    assert sample_of(frame).shape[0] == usual.shape[0]
