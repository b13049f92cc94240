"""Cutting shots into clips: which frames, which crop, and which clips are not wanted."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from camvid.artifacts import U8
from camvid.errors import ConfigError
from camvid.video import decode, kept
from camvid.video.container import open_video
from camvid.video.cut import CutClip, CutOptions, cut
from camvid.video.decode import read_frames
from camvid.video.probe import probe
from tests.factories import CLIPS


def clip(name: str) -> str:
    path = CLIPS / name
    if not path.exists():
        pytest.skip(f"needs ../shared/clips/{name}")
    return str(path)


def write_video(path: Path, frames: Sequence[U8], *, rate: int = 24, crf: int = 12) -> str:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def moving(num_frames: int, width: int = 192, height: int = 128, lightest: int = 255) -> list[U8]:
    """A textured grey image that slides by two pixels a frame."""
    cells = np.random.default_rng(0).integers(0, lightest, (height // 8, width), np.uint8)
    large = cv2.resize(cells, (width * 8, height), interpolation=cv2.INTER_LINEAR)
    return [
        np.repeat(large[:, 2 * i : 2 * i + width, None], 3, axis=2).copy()
        for i in range(num_frames)
    ]


def padded(frames: Sequence[U8], *, rows: int = 0, columns: int = 0) -> list[U8]:
    return [np.pad(rgb, ((rows, rows), (columns, columns), (0, 0))) for rgb in frames]


def cut_whole(path: str, options: CutOptions | None = None) -> list[CutClip]:
    video = probe(path)
    return list(cut(video, [(0.0, video.duration_s)], options or CutOptions(min_side_px=32)))


def reason(piece: CutClip) -> str:
    return piece.rejected.reason.name if piece.rejected else ""


def test_clips_hold_the_frames_of_their_span(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(96))
    video = probe(path)
    pieces = list(cut(video, [(0.0, 2.0), (2.25, 4.0)], CutOptions(min_side_px=32)))
    assert [list(piece.clip.source_frame_index) for piece in pieces] == [
        list(range(48)),
        list(range(54, 96)),
    ]
    assert all(len(piece.jpegs) == piece.clip.num_frames for piece in pieces)
    assert [reason(piece) for piece in pieces] == ["", ""]
    assert (pieces[1].clip.start_s, pieces[1].clip.end_s) == (2.25, 4.0)
    decoded = cv2.imdecode(np.frombuffer(pieces[1].jpegs[3], np.uint8), cv2.IMREAD_COLOR)
    true = next(f.rgb for f in read_frames(path) if f.source_frame_index == 57)
    assert decoded is not None
    assert np.abs(decoded[..., ::-1].astype(int) - true).mean() < 2


def test_long_shots_become_equal_pieces(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(120))
    options = CutOptions(min_clip_s=0.5, max_clip_s=2.0, min_side_px=32)
    pieces = cut_whole(path, options)
    assert [piece.clip.num_frames for piece in pieces] == [40, 40, 40]
    together = np.concatenate([piece.clip.source_frame_index for piece in pieces])
    np.testing.assert_array_equal(together, np.arange(120))


def test_the_same_input_gives_the_same_clips_to_the_byte(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(48))
    first, second = cut_whole(path), cut_whole(path)
    assert first[0].jpegs == second[0].jpegs
    assert first[0].clip.clip_id == second[0].clip.clip_id
    assert len(first[0].clip.clip_id) == 16
    video = probe(path)
    other = next(cut(video, [(0.0, 1.75)], CutOptions()))
    assert other.clip.clip_id != first[0].clip.clip_id


def test_fast_video_is_thinned_and_large_video_shrunk(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(120), rate=60)
    piece = cut_whole(path, CutOptions(max_side_px=96, min_side_px=32))[0]
    assert (piece.clip.width_px, piece.clip.height_px) == (96, 64)
    assert list(piece.clip.source_frame_index) == list(range(0, 120, 2))
    np.testing.assert_allclose(np.diff(piece.clip.timestamps_s), 1 / 30, atol=1e-4)
    decoded = cv2.imdecode(np.frombuffer(piece.jpegs[0], np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (64, 96, 3)


@pytest.mark.parametrize(("rows", "columns"), [(24, 0), (0, 40), (16, 24)])
def test_black_bars_are_cut_off(tmp_path: Path, rows: int, columns: int) -> None:
    frames = padded(moving(60), rows=rows, columns=columns)
    piece = cut_whole(write_video(tmp_path / "a.mp4", frames, crf=24))[0]
    x, y, width, height = piece.clip.crop_px
    for start, size, bar, side in ((x, width, columns, 192), (y, height, rows, 128)):
        assert bar <= start <= bar + 4
        assert side - 8 <= size <= side
    assert list(piece.clip.source_frame_index) == list(range(60))
    assert len(piece.jpegs) == 60
    assert (piece.clip.width_px, piece.clip.height_px) == (width, height)
    decoded = cv2.imdecode(np.frombuffer(piece.jpegs[0], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    assert decoded.shape == (height, width)
    assert min(decoded[0].max(), decoded[-1].max(), decoded[:, 0].max(), decoded[:, -1].max()) > 60


@pytest.mark.parametrize(
    ("top", "bottom", "left", "right"),
    [(30, 0, 0, 0), (0, 0, 24, 0), (10, 40, 0, 0), (16, 0, 0, 40), (8, 30, 12, 40), (0, 0, 0, 6)],
)
def test_bars_of_any_width_are_cut_off(
    tmp_path: Path, top: int, bottom: int, left: int, right: int
) -> None:
    frames = [np.pad(rgb, ((top, bottom), (left, right), (0, 0))) for rgb in moving(60)]
    piece = cut_whole(write_video(tmp_path / "a.mp4", frames, crf=28))[0]
    x, y, width, height = piece.clip.crop_px
    for start, size, bars, side in (
        (x, width, (left, right), 192),
        (y, height, (top, bottom), 128),
    ):
        assert bars[0] <= start <= bars[0] + 4
        assert side - 8 <= size <= side + bars[0] - start


@pytest.mark.parametrize("opposite", [0, 40])
def test_text_on_a_bar_goes_with_it(tmp_path: Path, opposite: int) -> None:
    frames = [np.pad(rgb, ((opposite, 40), (0, 0), (0, 0))) for rgb in moving(60)]
    for i, rgb in enumerate(frames):
        if 10 < i < 50:
            place = (20, opposite + 128 + 26)
            cv2.putText(rgb, "a subtitle", place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2)
    piece = cut_whole(write_video(tmp_path / "a.mp4", frames))[0]
    _, y, _, height = piece.clip.crop_px
    assert opposite <= y <= opposite + 4
    assert opposite + 120 <= y + height <= opposite + 128


def test_bars_of_one_clip_say_nothing_of_another(tmp_path: Path) -> None:
    frames = padded(moving(48), rows=24) + moving(48, height=176)
    path = write_video(tmp_path / "a.mp4", frames)
    boxed, full = cut(probe(path), [(0.0, 2.0), (2.0, 4.0)], CutOptions(min_side_px=32))
    assert boxed.clip.crop_px[3] < 132
    assert full.clip.crop_px == (0, 0, 192, 176)
    assert list(full.clip.source_frame_index) == list(range(48, 96))
    options = CutOptions(min_side_px=32, remove_black_bars=False)
    assert next(cut(probe(path), [(0.0, 2.0)], options)).clip.crop_px == (0, 0, 192, 176)


def test_a_video_is_decoded_once_and_clips_again_whose_bars_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxed = padded(moving(48), rows=24)
    paths = [
        write_video(tmp_path / "boxed.mp4", boxed * 2),
        write_video(tmp_path / "changing.mp4", padded(moving(48, height=136), rows=20) + boxed),
    ]
    videos = [probe(path) for path in paths]
    opened: list[str] = []

    def note(local: str, uri: str) -> tuple[InputContainer, VideoStream]:
        opened.append(local)
        return open_video(local, uri)

    monkeypatch.setattr(decode, "open_video", note)
    options, spans = CutOptions(min_side_px=32), [(0.0, 2.0), (2.0, 4.0)]
    crops = [[piece.clip.crop_px for piece in cut(video, spans, options)] for video in videos]
    assert [opened.count(path) for path in paths] == [1, 2]
    assert crops == [[(0, 26, 192, 124)] * 2, [(0, 22, 192, 132), (0, 26, 192, 124)]]


def test_frames_for_which_there_is_no_room_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", moving(96))
    options, spans = CutOptions(min_side_px=32), [(0.0, 2.0), (2.0, 4.0)]
    waited = list(cut(probe(path), spans, options))
    monkeypatch.setattr(kept, "MAX_WAITING_BYTES", 100_000)  # some 20 frames
    read_again = list(cut(probe(path), spans, options))
    assert [piece.jpegs for piece in read_again] == [piece.jpegs for piece in waited]
    assert [piece.clip.clip_id for piece in read_again] == [p.clip.clip_id for p in waited]


def test_dark_scenes_and_black_corners_are_not_bars(tmp_path: Path) -> None:
    night = [rgb.copy() for rgb in moving(48)]
    fade = np.clip((np.abs(np.arange(128) - 64) - 64) / -50, 0, 1)[:, None, None] ** 2
    night = [(rgb * fade).astype(np.uint8) for rgb in night]
    corners = [rgb.copy() for rgb in moving(48)]
    for rgb in corners:
        cv2.fillPoly(rgb, [np.array([[0, 0], [150, 0], [0, 100]])], (0, 0, 0))
    sky = [rgb.copy() for rgb in moving(48)]
    for rgb in sky:
        rgb[:50] = 4
    floor = [rgb.copy() for rgb in moving(48)]
    for rgb in floor:  # truly black, with an uneven edge
        for x in range(0, 192, 16):
            rgb[96 - x * 7 % 24 :, x : x + 16] = 0
    for name, frames in (("night", night), ("corners", corners), ("sky", sky), ("floor", floor)):
        piece = cut_whole(write_video(tmp_path / f"{name}.mp4", frames))[0]
        assert piece.clip.crop_px == (0, 0, 192, 128), name


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        (moving(30), "min_clip_s"),
        (moving(1), "min_clip_s"),
        (moving(48, 192, 16), "min_side_px"),
        (moving(48, lightest=18), "min_brightness"),
        ([np.full((128, 192, 3), 120, np.uint8)] * 48, "min_corner_count"),
        (moving(1) * 48, "min_frame_change"),
    ],
)
def test_what_is_not_wanted_names_the_threshold(
    tmp_path: Path, frames: list[U8], name: str
) -> None:
    piece = cut_whole(write_video(tmp_path / "a.mp4", frames))[0]
    assert piece.rejected is not None
    assert piece.rejected.reason.name == name
    assert piece.rejected.reason.limit == getattr(CutOptions(min_side_px=32), name)
    assert piece.rejected.reason.measured < piece.rejected.reason.limit
    assert len(piece.jpegs) == piece.clip.num_frames == len(frames)


def test_a_tripod_is_not_frozen(tmp_path: Path) -> None:
    still = moving(1)[0]
    passing = [still.copy() for _ in range(96)]
    for i in range(40, 48):  # half a second of four, a small thing far away
        passing[i][60:66, 10 * (i - 39) : 10 * (i - 39) + 6] = 255 - still[60:66, 0:6]
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(still + rng.normal(0, 1.5, still.shape), 0, 255).astype(np.uint8) for _ in range(48)
    ]
    for name, frames in (("passing", passing), ("noisy", noisy)):
        assert reason(cut_whole(write_video(tmp_path / f"{name}.mp4", frames))[0]) == "", name


def test_a_still_that_pulses_with_its_key_frames_is_frozen(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(1) * 96, crf=38)
    assert reason(cut_whole(path)[0]) == "min_frame_change"


@pytest.mark.parametrize(
    "options",
    [
        {"max_clip_s": 2.0},
        {"max_fps": 0.0},
        {"jpeg_quality": 0},
        {"max_side_px": 4},
        {"min_clip_s": 0.0},
        {"min_brightness": -1.0},
    ],
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        CutOptions(**options)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("black", "min_brightness"),
        ("frozen_still", "min_frame_change"),
        ("one_frame", "min_clip_s"),
        ("textureless_gradient", "min_corner_count"),
        ("tiny_64x36", "min_side_px"),
        ("variable_frame_rate", ""),
        ("odd_637x359_yuv444", ""),
        ("rotation_metadata_90", ""),
        ("pure_rotation_photo", ""),
    ],
)
def test_derived_clips(name: str, expected: str) -> None:
    assert [reason(p) for p in cut_whole(clip(f"path_derived/{name}.mp4"), CutOptions())] == [
        expected
    ]


def test_corner_wedges_of_the_backpack_clip_stay() -> None:
    piece = cut_whole(clip("dyn_backpack_stairs/video.mp4"), CutOptions())[0]
    assert piece.clip.crop_px == (0, 0, 368, 480)
    assert piece.rejected is None
