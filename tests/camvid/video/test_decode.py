"""Probing and decoding, on small videos written here and on the odd ones in shared/clips."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.errors import VideoError
from camvid.video.decode import read_frames, read_with_previews
from camvid.video.probe import probe
from tests.factories import CLIPS


def clip(name: str) -> str:
    path = CLIPS / name
    if not path.exists():
        pytest.skip(f"needs ../shared/clips/{name}")
    return str(path)


def quadrants(width: int = 96, height: int = 64) -> U8:
    """Red, green / blue, white: tells every turn and mirror from every other."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (220, 20, 20)
    rgb[: height // 2, width // 2 :] = (20, 200, 20)
    rgb[height // 2 :, : width // 2] = (20, 20, 220)
    rgb[height // 2 :, width // 2 :] = 235
    return rgb


def write_video(
    path: Path,
    frames: Sequence[U8],
    *,
    pts: Sequence[int] | None = None,
    rate: int = 24,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> str:
    """Encodes frames [H, W, 3]; `pts` counts in 1/rate seconds."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {"crf": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, rate)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = pts[i] if pts else i
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def moving(num_frames: int, width: int = 96, height: int = 64) -> list[U8]:
    """A textured image that slides by two pixels a frame."""
    texture = np.random.default_rng(0).integers(0, 255, (height // 4, width, 3), np.uint8)
    large = cv2.resize(texture, (width * 4, height), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(large[:, 2 * i : 2 * i + width]) for i in range(num_frames)]


def corner_colours(rgb: U8) -> list[str]:
    """The colour of each quadrant, in reading order."""
    height, width = rgb.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    colours = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "white": 235}
    return [
        min(colours, key=lambda name: float(np.abs(rgb[place] - np.array(colours[name])).sum()))
        for place in places
    ]


def test_a_plain_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(30))
    video = probe(path)
    assert (video.width_px, video.height_px, video.num_frames) == (96, 64, 30)
    assert video.fps == 24
    assert video.duration_s == pytest.approx(30 / 24, abs=1e-3)
    assert video.video_id == video.sha256[:16] == probe(path).video_id
    frames = list(read_frames(path))
    assert [frame.source_frame_index for frame in frames] == list(range(30))
    np.testing.assert_allclose(
        [frame.timestamp_s for frame in frames], np.arange(30) / 24, atol=1e-6
    )
    errors = [np.abs(frames[7].rgb.astype(int) - rgb).mean() for rgb in moving(30)]
    assert np.argmin(errors) == 7


@pytest.mark.parametrize(
    ("rotation", "colours"),
    [
        (90, ["green", "white", "red", "blue"]),
        (-90, ["blue", "red", "white", "green"]),
        (180, ["white", "blue", "green", "red"]),
    ],
)
def test_the_display_matrix_turns_the_image(
    tmp_path: Path, rotation: int, colours: list[str]
) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants()] * 3, rotation=rotation)
    size = (64, 96) if rotation != 180 else (96, 64)
    assert (probe(path).width_px, probe(path).height_px) == size
    assert corner_colours(next(read_frames(path)).rgb) == colours


def test_anamorphic_pixels_are_stretched(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants()] * 3, aspect=Fraction(4, 3))
    assert (probe(path).width_px, probe(path).height_px) == (128, 64)
    assert corner_colours(next(read_frames(path)).rgb) == ["red", "green", "blue", "white"]


def test_a_rounded_pixel_aspect_does_not_blur(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants()] * 3, aspect=Fraction(639, 640))
    assert probe(path).width_px == 96


@pytest.mark.parametrize(
    ("pix_fmt", "size"), [("yuv444p", (95, 63)), ("yuv420p10le", (96, 64)), ("yuv422p", (96, 63))]
)
def test_other_pixel_formats(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mkv", [quadrants(*size)] * 3, pix_fmt=pix_fmt)
    rgb = next(read_frames(path)).rgb
    assert rgb.shape == (size[1], size[0], 3)
    assert rgb.dtype == np.uint8
    assert corner_colours(rgb) == ["red", "green", "blue", "white"]


def test_uneven_times_and_a_late_start_are_kept(tmp_path: Path) -> None:
    pts = [12, 13, 14, 20, 30, 31, 45]
    path = write_video(tmp_path / "a.mkv", moving(7), pts=pts)
    seen = np.array([frame.timestamp_s for frame in read_frames(path)])
    np.testing.assert_allclose(np.diff(seen), np.diff(pts) / 24, atol=2e-3)
    assert probe(path).num_frames == 7


def test_max_fps_leaves_frames_out_and_keeps_their_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(60), rate=60)
    kept = list(read_frames(path, max_fps=30))
    assert [frame.source_frame_index for frame in kept] == list(range(0, 60, 2))
    assert len(list(read_frames(path, max_fps=61))) == 60
    assert len(list(read_frames(path, max_fps=50))) == 30  # never closer than 1/50 s


def test_previews_come_with_the_frames_that_another_reading_gives(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(60), rate=60)
    both = list(read_with_previews(path, preview_side_px=64, max_fps=30))
    small, kept = [preview for preview, _ in both], [frame for _, frame in both if frame]
    for found, alone in (
        (small, list(read_frames(path, max_side_px=64))),
        (kept, list(read_frames(path, max_fps=30))),
    ):
        assert [frame.timestamp_s for frame in found] == [frame.timestamp_s for frame in alone]
        np.testing.assert_array_equal([f.rgb for f in found], [f.rgb for f in alone])


def test_reading_from_the_middle_gives_the_same_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(48), options={"g": "10", "bf": "2"})
    whole = {frame.timestamp_s: frame.rgb for frame in read_frames(path)}
    late = list(read_frames(path, start_s=1.25))
    assert late[0].timestamp_s <= 1.25
    assert len(late) < 30
    assert all(np.array_equal(whole[frame.timestamp_s], frame.rgb) for frame in late)


def test_a_broken_tail_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(write_video(tmp_path / "a.mkv", moving(60), options={"g": "10"}))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    num_frames = len(list(read_frames(str(path))))
    assert 10 < num_frames < 50
    assert probe(str(path)).num_frames >= num_frames


def test_garbage_in_the_middle_is_left_out_alike_every_time(tmp_path: Path) -> None:
    path = Path(write_video(tmp_path / "a.mkv", moving(120, 320, 180), options={"g": "12"}))
    data = bytearray(path.read_bytes())
    for i in range(1, 6):
        middle = len(data) * i // 7
        data[middle : middle + 900] = bytes(range(90)) * 10
    path.write_bytes(data)
    frames = list(read_frames(str(path)))
    assert 60 < len(frames) < 120
    assert (np.diff([frame.timestamp_s for frame in frames]) > 0).all()
    for _ in range(2):
        again = read_frames(str(path))
        assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(frames, again, strict=True))


def test_a_folder_of_images_is_a_video(tmp_path: Path) -> None:
    for i, rgb in enumerate(moving(12)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rgb[..., ::-1])
    video = probe(str(tmp_path), image_fps=12)
    assert (video.width_px, video.height_px) == (96, 64)
    assert (video.fps, video.num_frames, video.duration_s) == (12, 12, 1.0)
    frames = list(read_frames(str(tmp_path), image_fps=12))
    np.testing.assert_allclose([frame.timestamp_s for frame in frames], np.arange(12) / 12)
    assert all(np.array_equal(a.rgb, b) for a, b in zip(frames, moving(12), strict=True))


def test_images_of_different_sizes_are_no_video(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), quadrants())
    cv2.imwrite(str(tmp_path / "1.png"), quadrants(80, 64))
    with pytest.raises(VideoError, match=r"one size, found 96x64 and 80x64 \(1.png\)"):
        list(read_frames(str(tmp_path)))


def test_an_address_is_fetched_and_keeps_its_name(tmp_path: Path) -> None:
    import fsspec  # pyright: ignore[reportMissingTypeStubs]

    path = Path(write_video(tmp_path / "a.mp4", moving(12)))
    address = "memory://videos/a.mp4"
    with fsspec.open(address, "wb") as file:
        file.write(path.read_bytes())
    video = probe(address)
    assert video.uri == address
    assert video.sha256 == probe(str(path)).sha256
    assert len(list(read_frames(address))) == 12
    with pytest.raises(VideoError, match=r"memory://videos/b.mp4: .* cannot be read"):
        probe("memory://videos/b.mp4")


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b"hello " * 99, "no video"), (None, "nothing at that path")],
)
def test_what_is_no_video_is_one_line_naming_the_file(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=found) as caught:
        probe(str(path))
    assert str(caught.value).startswith(f"{path}: must be a video")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("empty", "an empty file"),
        ("not_a_video", "no video"),
        ("truncated", "truncated"),
        ("audio_only", "no video stream, only audio"),
    ],
)
def test_unreadable_clips(name: str, found: str) -> None:
    path = clip(f"path_derived/{name}.mp4")
    with pytest.raises(VideoError, match=found) as caught:
        probe(path)
    assert name in str(caught.value)


def test_the_rotated_bear_is_the_bear_turned() -> None:
    bear = next(read_frames(clip("dyn_bear/video.mp4"))).rgb
    turned = next(read_frames(clip("path_derived/rotation_metadata_90.mp4"))).rgb
    np.testing.assert_array_equal(turned, np.rot90(bear))


def test_the_variable_rate_keeps_its_uneven_times() -> None:
    times = [f.timestamp_s for f in read_frames(clip("path_derived/variable_frame_rate.mp4"))]
    gaps = np.diff(times)
    np.testing.assert_allclose(gaps[:19], 1 / 30, atol=1e-3)
    np.testing.assert_allclose(gaps[20:], 0.1, atol=1e-3)


def test_odd_444_decodes() -> None:
    frames = list(read_frames(clip("path_derived/odd_637x359_yuv444.mp4")))
    assert len(frames) == 82
    assert frames[0].rgb.shape == (358, 636, 3)  # what the file really holds
