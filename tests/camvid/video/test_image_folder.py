"""Folders of numbered images: which series, in which order, at which times, how displayed."""

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.decode import read_frames
from camvid.video.image_folder.series import image_series
from camvid.video.probe import probe
from tests.camvid.video.test_decode import corner_colours, moving, quadrants

NUM = 12


def touch(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def check_times(folder: Path, names: Sequence[str], times_s: Sequence[float], fps: float) -> None:
    """The folder's images are these, at these times, and nothing is left out."""
    series = image_series(str(touch(folder, names)), 24)
    assert [path.name for path in series.paths] == list(names)
    np.testing.assert_allclose(series.times_s, times_s, atol=1e-6)
    assert series.fps == pytest.approx(fps, rel=1e-4)
    assert series.left_out == ()


EVEN = np.arange(NUM) / 24


@pytest.mark.parametrize(
    "pattern",
    [
        "{:010d}.png",  # KITTI
        "{:05d}.jpg",  # DAVIS
        "frame{}.png",
        "frame_{:04d}_320x180.jpg",
        "frame-{:06d}.color.png",  # 7-Scenes
        "cam2_{}.png",
        "{}_of_0099.jpg",
        "shot01.{:04d}.png",
        "2011_09_26_drive_0001_sync_{:010d}.png",
        "20240101_120102_{:04d}.jpg",
        "Screenshot ({}).png",
        "IMG_{:04d}[1].jpg",
    ],
)
def test_counted_names(tmp_path: Path, pattern: str) -> None:
    check_times(tmp_path, [pattern.format(i + 1) for i in range(NUM)], EVEN, 24)


def test_a_number_that_runs_on_over_parts_is_the_index(tmp_path: Path) -> None:
    check_times(tmp_path, [f"part{1 + i // 6}_{i:04d}.jpg" for i in range(NUM)], EVEN, 24)


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".png"])
def test_suffixes_may_alternate(tmp_path: Path, suffix: str) -> None:
    names = [f"f{i:04d}{'.jpg' if i % 2 else suffix}" for i in range(NUM)]
    check_times(tmp_path, names, EVEN, 24)


@pytest.mark.parametrize("stride", [2, 5, 10])
def test_every_nth_image_is_no_hole(tmp_path: Path, stride: int) -> None:
    check_times(tmp_path, [f"{1 + stride * i:06d}.jpg" for i in range(NUM)], EVEN, 24)


def test_a_hole_in_the_numbers_is_a_hole_in_time(tmp_path: Path) -> None:
    numbers = [*range(0, 20), *range(30, 48)]
    check_times(tmp_path, [f"{i:04d}.jpg" for i in numbers], np.array(numbers) / 24, 24)


def test_every_second_image_with_a_hole(tmp_path: Path) -> None:
    numbers = [0, 2, 4, 6, 12, 14, 16]
    check_times(tmp_path, [f"{i}.jpg" for i in numbers], np.array(numbers) / 48, 24)


SECONDS = [98.175304, 98.2113, 98.75, 99.0, 99.05, 99.1, 100.000001]  # a hole within


@pytest.mark.parametrize(
    "name",
    [
        lambda s: f"{1305031100 + int(s)}.{s % 1 * 1e6:06.0f}.jpg",  # TUM RGB-D
        lambda s: f"{s:.6f}.png".zfill(14),
        lambda s: f"41048190_{s:.6f}.png".replace("_98", "_098").replace("_99", "_099"),  # ARKit
        lambda s: f"{int(1403636500e9 + round(s * 1e6) * 1e3)}.png",  # EuRoC: ns
        lambda s: f"n015-2018-07-24-11-22-45+0800__CAM__{1532402800_000000 + round(s * 1e6)}.jpg",
        lambda s: f"{1305031100 + int(s)}_{round(s % 1 * 1e9):09d}.png",  # ROS
        lambda s: f"frame_{round(s * 1e6):012d}us.png",
        lambda s: f"IMG_20240101_12{int(s) // 60:02d}{int(s) % 60:02d}_{s % 1 * 1e6:06.0f}.jpg",
        lambda s: f"2024-01-01T12-{int(s) // 60:02d}-{s % 60:09.6f}Z.jpg",
        lambda s: f"clip_00_{int(s) // 60:02d}_{int(s) % 60:02d}_{s % 1 * 1e6:06.0f}.png",
    ],
)
def test_names_that_hold_times(tmp_path: Path, name) -> None:
    times = np.array(SECONDS) - SECONDS[0]
    fps = 1 / np.median(np.diff(times))
    check_times(tmp_path, [name(s) for s in SECONDS], times, float(fps))


def test_whole_milliseconds_are_times(tmp_path: Path) -> None:
    times_ms = [0, 33, 67, 100, 133, 167, 200]
    series = image_series(str(touch(tmp_path, [f"{ms:06d}.jpg" for ms in times_ms])), 30)
    np.testing.assert_allclose(series.times_s, np.array(times_ms) / 33 / 30)


def test_a_count_of_its_own_in_each_second_gives_the_order_alone(tmp_path: Path) -> None:
    names = [f"IMG_20240101_12010{i // 6}_{i % 6 + 1:03d}.jpg" for i in range(NUM)]
    check_times(tmp_path, names, EVEN, 24)


def chosen(folder: Path) -> tuple[str, int]:
    series = image_series(str(folder), 24)
    return series.paths[0].name, len(series.paths)


@pytest.mark.parametrize("other", ["depth", "mask", "normal", "ir", "thumb"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_go_before_depth_and_masks(tmp_path: Path, other: str, suffix: str) -> None:
    touch(tmp_path, [f"rgb_{i:04d}.png" for i in range(NUM)])
    touch(tmp_path, [f"{other}_{i:04d}{suffix}" for i in range(NUM + 3)])
    assert chosen(tmp_path) == ("rgb_0000.png", NUM)
    assert image_series(str(tmp_path), 24).left_out == (f"{NUM + 3} of {other}_*{suffix}",)


def test_replica_and_nerf_folders(tmp_path: Path) -> None:
    touch(tmp_path, [f"frame{i:06d}.jpg" for i in range(NUM)])
    touch(tmp_path, [f"depth{i:06d}.png" for i in range(NUM)])
    assert chosen(tmp_path) == ("frame000000.jpg", NUM)
    for i in range(NUM):
        touch(tmp_path, [f"{i:06d}_leftDepth.png", f"r_{i}_depth_0001.png"])
    assert chosen(tmp_path) == ("frame000000.jpg", NUM)


def write(folder: Path, name: str, images: Sequence[np.ndarray]) -> None:
    for i, image in enumerate(images):
        bgr = image[..., ::-1] if image.ndim == 3 else image
        cv2.imwrite(str(folder / name.format(i)), bgr)


def test_pixels_tell_images_from_depth_and_label_maps(tmp_path: Path) -> None:
    images = moving(NUM)
    write(tmp_path, "b_{:04d}.png", images)
    write(tmp_path, "a_{:04d}.png", [rgb[..., 0].astype(np.uint16) * 40 for rgb in images] * 2)
    write(tmp_path, "{:04d}.png", [(rgb[..., 0] > 99) * np.uint8(255) for rgb in images])
    write(tmp_path, "c_{:04d}.png", [rgb[..., 0] for rgb in images])
    assert chosen(tmp_path) == ("b_0000.png", NUM)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("left_{:04d}.png", "right_{:04d}.png"), r"left_\*.png \(12\) and right_\*.png \(12\)"),
        (("cam1_{}.png", "cam2_{}.png"), r"cam1_\*.png \(12\) and cam2_\*.png \(12\)"),
        (("{:04d}.png", "{:04d}.bmp"), r"\*.bmp \(12\) and \*.png \(12\)"),
    ],
)
def test_series_that_tie_are_named(tmp_path: Path, names: tuple[str, str], labels: str) -> None:
    for name in names:
        write(tmp_path, name, moving(NUM))
    with pytest.raises(VideoError, match=labels + "; give each a folder of its own") as caught:
        probe(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_of_one_series_in_two_sizes_the_larger_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "frame_{:04d}_96x64.png", moving(NUM))
    write(tmp_path, "frame_{:04d}_192x128.png", moving(NUM, 192, 128))
    assert chosen(tmp_path) == ("frame_0000_192x128.png", NUM)


def test_decimals_that_are_regular(tmp_path: Path) -> None:
    for fps in (2, 25, 100):
        folder = tmp_path / str(fps)
        folder.mkdir()
        check_times(folder, [f"{i / fps:.2f}.png" for i in range(250)], np.arange(250) / fps, fps)


def test_a_glob_chooses_between_series(tmp_path: Path) -> None:
    write(tmp_path, "left_{}.png", moving(NUM))
    write(tmp_path, "right_{}.JPG", [quadrants()] * NUM)
    source = str(tmp_path / "left_*.png")
    assert probe(source).num_frames == NUM
    for frame, rgb in zip(read_frames(source), moving(NUM), strict=True):
        np.testing.assert_array_equal(frame.rgb, rgb)
    assert probe(str(tmp_path / "right_*.jpg")).num_frames == NUM
    assert probe(str(tmp_path / "right_*.*")).num_frames == NUM


def test_what_is_left_out_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "{:04d}.png", moving(NUM))
    write(tmp_path, "old_{}.png", moving(2))
    touch(tmp_path, ["cover.png", "01.png"])
    assert probe(str(tmp_path)).num_frames == NUM
    left_out = "2 of old_*.png; 2 without a number of their own (01.png, cover.png)"
    assert f"images left out: {left_out}" in caplog.text


def test_tum_names_through_probe_and_reading(tmp_path: Path) -> None:
    times = 1305031102.9 + np.arange(NUM) / 30
    for time_s, rgb in zip(times, moving(NUM), strict=True):
        cv2.imwrite(str(tmp_path / f"{time_s:.6f}.png"), rgb[..., ::-1])
    video = probe(str(tmp_path))
    assert video.num_frames == NUM
    assert video.fps == pytest.approx(30, rel=1e-3)
    assert video.duration_s == pytest.approx(NUM / 30, rel=1e-3)
    frames = list(read_frames(str(tmp_path)))
    np.testing.assert_allclose([f.timestamp_s for f in frames], times - times[0], atol=1e-5)
    assert all(np.array_equal(f.rgb, rgb) for f, rgb in zip(frames, moving(NUM), strict=True))


def test_the_same_images_at_another_pace_are_another_video(tmp_path: Path) -> None:
    for name, step in (("even", 1), ("holes", 7)):
        (tmp_path / name).mkdir()
        for i, rgb in enumerate(moving(4)):
            cv2.imwrite(str(tmp_path / name / f"{i if i < 3 else i * step}.png"), rgb)
    assert probe(str(tmp_path / "even")).video_id != probe(str(tmp_path / "holes")).video_id


def test_times_that_differ_by_their_rounding_alone_are_another_video(tmp_path: Path) -> None:
    """Frames are stored with their times: copies that share an identity must share every byte."""
    counted, named = tmp_path / "counted", tmp_path / "named"
    counted.mkdir()
    named.mkdir()
    write(counted, "{:04d}.png", list(moving(6)))
    for k, file in enumerate(sorted(counted.iterdir())):
        (named / f"{1305031102.0 + round(k / 24, 6):.6f}.png").write_bytes(file.read_bytes())
    first, second = (probe(str(tmp_path / name), image_fps=24.0) for name in ("counted", "named"))
    assert first.fps == pytest.approx(second.fps, rel=1e-4)
    assert first.video_id != second.video_id


def jpegs(folder: Path, num: int) -> list[Path]:
    paths = [folder / f"{i:04d}.jpg" for i in range(num)]
    for path, rgb in zip(paths, moving(num, 320, 180), strict=True):
        cv2.imwrite(str(path), rgb)
    return paths


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "smeared", "gone", "folder"])
def test_a_damaged_image_is_a_hole_in_time(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = jpegs(tmp_path, NUM)[5]
    data = path.read_bytes()
    middle, noise = len(data) // 2, np.random.default_rng(0).bytes(400)
    path.unlink()
    if damage == "gone":
        path.symlink_to("nowhere.jpg")
    elif damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "garbage": b"hello " * 99,
                "truncated": data[:middle],
                "smeared": data[:middle] + noise + data[middle + 400 :],
            }[damage]
        )
    kept = [*range(5), *range(6, NUM)]
    frames = list(read_frames(str(tmp_path)))
    np.testing.assert_allclose([f.timestamp_s for f in frames], np.array(kept) / 24)
    assert f"1 of {NUM} images left out, not decodable: 0005.jpg" in caplog.text
    video = probe(str(tmp_path))
    assert (video.num_frames, video.duration_s) == (NUM - 1, pytest.approx(NUM / 24))


@pytest.mark.parametrize("first", [0, 7])
def test_a_few_images_of_another_size_are_left_out(
    tmp_path: Path, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    paths = jpegs(tmp_path, 20)
    cv2.imwrite(str(paths[first]), quadrants(64, 36))
    assert probe(str(tmp_path)).num_frames == 19
    assert probe(str(tmp_path)).width_px == 320
    assert f"1 of 20 images left out, of another size: 64x36 ({paths[first].name})" in caplog.text


def test_a_mix_of_sizes_is_an_error(tmp_path: Path) -> None:
    for path in jpegs(tmp_path, 20)[::5]:
        cv2.imwrite(str(path), quadrants(64, 36))
    with pytest.raises(VideoError, match=r"one size, found \d+x\d+ and \d+x\d+ \(000\d.jpg\)"):
        probe(str(tmp_path))


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF segment that says how to turn it."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def test_exif_turns_every_image(tmp_path: Path) -> None:
    for i in range(NUM):
        upright = quadrants()[..., ::-1]
        lying = np.ascontiguousarray(np.rot90(upright)) if i % 2 else upright
        data = cv2.imencode(".jpg", lying)[1].tobytes()
        (tmp_path / f"{i}.jpg").write_bytes(with_orientation(data, 6 if i % 2 else 1))
    frames = list(read_frames(str(tmp_path)))
    assert len(frames) == NUM
    assert {frame.rgb.shape for frame in frames} == {(64, 96, 3)}
    for frame in frames:
        assert corner_colours(frame.rgb) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("depth", ["grey", "grey16", "colour16", "alpha"])
def test_other_kinds_of_png(tmp_path: Path, depth: str) -> None:
    def stored(rgb: U8) -> np.ndarray:
        bgr = rgb[..., ::-1]
        if depth == "alpha":
            opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
            opaque[:, :48] = 0
            return np.concatenate([bgr, opaque], axis=2)
        image = rgb[..., 0] if depth.startswith("grey") else bgr
        return image.astype(np.uint16) * 257 if depth.endswith("16") else image

    for i, rgb in enumerate(moving(4)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), stored(rgb))
    for frame, rgb in zip(read_frames(str(tmp_path)), moving(4), strict=True):
        wanted = np.repeat(rgb[..., :1], 3, axis=2) if depth.startswith("grey") else rgb.copy()
        if depth == "alpha":
            wanted[:, :48] = 0
        np.testing.assert_array_equal(frame.rgb, wanted)


def test_a_glob_in_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="must be a folder that can be read, No such file"):
        probe(str(tmp_path / "gone/left_*.png"))


def test_no_numbered_image_is_one_line(tmp_path: Path) -> None:
    touch(tmp_path, ["cover.png", "notes.txt"])
    with pytest.raises(VideoError, match="found a folder without numbered images"):
        probe(str(tmp_path))
