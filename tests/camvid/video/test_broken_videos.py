"""Videos whose clocks lie, restart or are missing, that are damaged or change: nothing in silence.

Probe, both ways of cutting and the shot detector must agree about them.
"""

import gc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import VideoFrame

from camvid.artifacts import U8
from camvid.models.shots.pyscenedetect import PySceneDetect
from camvid.video.cut import CutClip, CutOptions, cut, find_and_cut
from camvid.video.decode import SourceFrame, read_frames
from camvid.video.probe import probe
from tests.camvid.video.test_decode import moving, write_video

BUGS = Path(__file__).resolve().parents[4] / "shared" / "bugs"
ANY_SIZE = CutOptions(min_side_px=32, min_clip_s=0.5)


def frames_of(path: str) -> list[SourceFrame]:
    return list(read_frames(path, max_fps=30))


def times_of(frames: Sequence[SourceFrame]) -> list[float]:
    return [frame.timestamp_s for frame in frames]


def cut_shots(path: str, options: CutOptions = ANY_SIZE) -> list[CutClip]:
    return list(find_and_cut(probe(path), PySceneDetect().detect, options))


def cut_blindly(path: str, options: CutOptions = ANY_SIZE) -> list[CutClip]:
    """As if a detector had seen one shot."""
    last = frames_of(path)[-1]
    return list(cut(probe(path), [(0.0, last.timestamp_s + 0.02)], options))


def nearest(rgb: U8, others: Sequence[U8]) -> int:
    errors = [np.abs(rgb.astype(int) - other).mean() for other in others]
    return int(np.argmin(errors))


def retimed(path: Path, frames: Sequence[U8], times_s: Sequence[float]) -> str:
    """A video whose frames lie at these times, on a clock of 90 kHz."""
    pts = [round(time_s * 90000) for time_s in times_s]
    return write_video(path, frames, pts=pts, rate=90000)


@pytest.mark.parametrize("jitter_ms", [1, 4])
def test_a_phones_jitter(tmp_path: Path, jitter_ms: int) -> None:
    rng = np.random.default_rng(201)
    times_s = np.arange(60) / 30 + rng.uniform(0, 2 * jitter_ms / 1000, 60)
    path = retimed(tmp_path / "a.mp4", moving(60), (times_s - times_s[0]).tolist())
    (piece,) = cut_shots(path)
    assert piece.clip.num_frames == 60
    assert piece.clip.fps == pytest.approx(30, abs=0.2)
    np.testing.assert_allclose(np.diff(piece.clip.timestamps_s), np.diff(times_s), atol=1e-4)


@pytest.mark.parametrize("suffix", [".avi", ".h264", ".mkv", ".ts"])
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_b_frames_in_any_container(tmp_path: Path, suffix: str, b_frames: str) -> None:
    frames = moving(48, 192, 128)
    path = write_video(tmp_path / f"a{suffix}", frames, options={"crf": "12", "bf": b_frames})
    found = frames_of(path)
    assert [nearest(frame.rgb, frames) for frame in found] == list(range(48))
    np.testing.assert_allclose(np.diff(times_of(found)), 1 / 24, atol=1.1e-3)
    video = probe(path)
    assert (video.num_frames, round(video.fps, 2)) == (48, 24.0)
    assert video.duration_s == pytest.approx(2.0, abs=0.01)
    assert [piece.clip.num_frames for piece in cut_shots(path)] == [48]


@pytest.mark.parametrize(("codec", "suffix"), [("libx265", ".hevc"), ("mpeg2video", ".m2v")])
def test_raw_streams_run_at_their_rate(tmp_path: Path, codec: str, suffix: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_video(tmp_path / f"a{suffix}", moving(50), rate=25, codec=codec, options=options)
    found = frames_of(path)
    np.testing.assert_allclose(np.diff(times_of(found)), 1 / 25, atol=1e-6)
    assert probe(path).num_frames == len(found) == 50


def test_joined_transport_streams_keep_every_frame_and_cut_where_they_join(tmp_path: Path) -> None:
    first, second = moving(48), moving(30)[::-1]
    parts = [
        Path(write_video(tmp_path / f"{i}.ts", frames, options={"bf": "2"}))
        for i, frames in enumerate((first, second))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = frames_of(str(path))
    assert len(found) == 78
    np.testing.assert_allclose(np.diff(times_of(found)), 1 / 24, atol=1e-3)
    assert [frame.stretch for frame in found] == [0] * 48 + [1] * 30
    assert probe(str(path)).duration_s == pytest.approx(78 / 24, abs=0.01)
    for pieces in (cut_shots(str(path)), cut_blindly(str(path))):
        assert [piece.clip.num_frames for piece in pieces] == [48, 30]


def test_bars_of_a_joined_film_are_cut_from_its_own_frames(tmp_path: Path) -> None:
    """Seeking on a clock that restarts may land in the other half."""
    first = [np.pad(rgb, ((16, 16), (0, 0), (0, 0))) for rgb in moving(48)]
    second = [np.pad(rgb, ((0, 0), (16, 16), (0, 0)))[:96, :96] for rgb in moving(48, 64, 96)]
    parts = [write_video(tmp_path / f"{i}.ts", x) for i, x in enumerate((first, second))]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    pieces = cut_shots(str(path), CutOptions(min_side_px=32))
    assert [piece.clip.crop_px for piece in pieces] == [(0, 18, 96, 60), (18, 0, 60, 96)]
    assert [piece.clip.num_frames for piece in pieces] == [48, 48]


def test_a_jump_of_the_clock_is_a_cut(tmp_path: Path) -> None:
    times_s = [*(np.arange(40) / 25), *(30 + np.arange(40) / 25)]
    path = retimed(tmp_path / "a.mkv", moving(80), times_s)
    assert probe(path).fps == pytest.approx(25, abs=0.1)
    for pieces in (cut_shots(path), cut_blindly(path)):
        spans = [(piece.clip.start_s, piece.clip.end_s) for piece in pieces]
        assert spans[0] == pytest.approx((0.0, 1.6), abs=2e-3)
        assert spans[1] == pytest.approx((30.0, 31.6), abs=0.05)
        assert [piece.clip.num_frames for piece in pieces] == [40, 40]


def corrupted(path: str, begin: float, end: float) -> str:
    """The same file with single bytes flipped in a part of it."""
    data = bytearray(Path(path).read_bytes())
    for i in range(int(len(data) * begin), int(len(data) * end), 60):
        data[i] ^= 0xFF
    damaged = Path(path).with_stem("damaged")
    damaged.write_bytes(data)
    return str(damaged)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_hole_of_damaged_frames_is_a_cut_and_is_reported(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    frames = moving(144, 320, 180)
    options = {"crf": "12", "g": "24", "bf": "2", "sc_threshold": "0"}
    whole = write_video(tmp_path / f"a{suffix}", frames, options=options)
    path = corrupted(whole, 0.45, 0.5)
    found = frames_of(path)
    true = {round(f.timestamp_s, 3): f.rgb for f in frames_of(whole)}
    assert all(np.array_equal(true[round(f.timestamp_s, 3)], f.rgb) for f in found)
    assert 70 < len(found) < 130
    assert [r for r in caplog.records if "damaged frames" in r.message]
    for pieces in (cut_shots(path), cut_blindly(path)):
        assert len(pieces) == 2
        gaps = [float(np.diff(piece.clip.timestamps_s).max()) for piece in pieces]
        assert max(gaps) < 0.1
        assert pieces[0].clip.end_s < pieces[1].clip.start_s - 0.2
        assert sum(piece.clip.num_frames for piece in pieces) == len(found)


def test_a_span_that_lost_too_many_frames_is_refused(tmp_path: Path) -> None:
    """Every second frame is a lone one that nothing depends on, and a fourth of them is broken."""
    path = Path(write_video(tmp_path / "a.avi", moving(96, 192, 128), codec="mjpeg",
                            pix_fmt="yuvj420p", options={"q": "3"}))  # fmt: skip
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data) - 3) if data[i : i + 3] == b"\xff\xd8\xff"]
    assert len(starts) == 96
    for i in starts[8::6]:
        data[i : i + 600] = bytes(600)
    path.write_bytes(data)
    (piece,) = cut_shots(str(path))
    assert piece.rejected is not None
    assert piece.rejected.reason.name == "max_lost_share"
    assert piece.clip.num_lost == pytest.approx(15, abs=1)
    assert piece.rejected.measured["lost_share"] == pytest.approx(15 / 96, abs=0.02)
    (kept,) = cut_shots(str(path), CutOptions(min_side_px=32, max_lost_share=0.3))
    assert kept.rejected is None


def test_a_change_of_size_is_a_cut(tmp_path: Path) -> None:
    frames = moving(96, 192, 128)
    small = [cv2.resize(rgb, (128, 96)) for rgb in frames[48:]]
    first = write_video(tmp_path / "0.ts", frames[:48])
    second = write_video(tmp_path / "1.ts", small, pts=list(range(48, 96)))
    path = tmp_path / "joined.ts"
    path.write_bytes(Path(first).read_bytes() + Path(second).read_bytes())
    for pieces in (cut_shots(str(path)), cut_blindly(str(path))):
        sizes = [(piece.clip.width_px, piece.clip.height_px) for piece in pieces]
        assert sizes == [(192, 128), (128, 96)]
        assert [piece.clip.num_frames for piece in pieces] == [48, 48]
        assert pieces[1].clip.crop_px == (0, 0, 128, 96)


def test_two_streams(tmp_path: Path) -> None:
    """The default one is the main one; where none is marked, or a preview is, the largest."""
    large = moving(24, 192, 128)
    preview, other = ([np.zeros((*size, 3), np.uint8)] * 24 for size in ((48, 64), (96, 128)))

    def write(name: str, small: list[U8], default: int | None) -> str:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            streams: list[Any] = []
            for frames in (small, large):
                stream: Any = container.add_stream("libx264", rate=24)
                stream.height, stream.width = frames[0].shape[:2]
                stream.pix_fmt = "yuv420p"
                streams.append(stream)
            for i, stream in enumerate(streams):
                stream.disposition = Disposition.default if i == default else Disposition(0)
            for pair in zip(small, large, strict=True):
                for stream, rgb in zip(streams, pair, strict=True):
                    container.mux(stream.encode(VideoFrame.from_ndarray(rgb, format="rgb24")))
            for stream in streams:
                container.mux(stream.encode(None))
        return str(path)

    for name, small, default, size in (
        ("marked.mkv", preview, 1, (192, 128)),
        ("unmarked.mkv", preview, None, (192, 128)),
        ("marked_preview.mkv", preview, 0, (192, 128)),
        ("marked_smaller.mkv", other, 0, (128, 96)),
        ("first_track.mp4", preview, 0, (192, 128)),
    ):
        path = write(name, small, default)
        video = probe(path)
        assert (video.width_px, video.height_px, video.num_frames) == (*size, 24), name
        assert frames_of(path)[0].rgb.shape[:2] == size[::-1], name


def test_an_absurd_pixel_aspect_is_ignored_and_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(48), aspect=Fraction(40, 1))
    (piece,) = cut_shots(path)
    assert (piece.clip.width_px, piece.clip.height_px) == (96, 64)
    assert piece.clip.processing == ("pixel aspect 40:1 ignored",)


def test_one_frame_a_second_is_refused_by_name(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(8, 192, 128), rate=1)
    (piece,) = cut_shots(path)
    assert piece.clip.num_frames == 8
    assert piece.rejected is not None
    assert piece.rejected.reason.name == "min_fps"
    slow = write_video(tmp_path / "b.mp4", moving(12, 192, 128), rate=3)
    assert cut_shots(slow)[0].rejected is None


def test_frames_are_freed_as_they_are_used(tmp_path: Path) -> None:
    """Without the garbage collector: an 8K frame it must find first takes 50 MB."""
    path = write_video(tmp_path / "a.mp4", moving(60), rotation=90)
    gc.collect()
    gc.disable()
    try:
        living: list[int] = []
        for i, _ in enumerate(read_frames(path)):
            if i % 10 == 9:
                living.append(sum(type(x) is VideoFrame for x in gc.get_objects()))
    finally:
        gc.enable()
    assert max(living) <= 8


@pytest.mark.parametrize(
    ("name", "size", "num_frames", "fps"),
    [
        ("jit4ms.mp4", (640, 360), [60], 30),
        ("h264_b.avi", (640, 360), [48], 24),
        ("raw.h264", (640, 360), [48], 24),
        ("two_video.mkv", (640, 360), [48], 24),
        ("res_inshot.ts", (640, 360), [30, 30], 24),
        ("fps1_small.mp4", (640, 360), [8], 1),
    ],
)
def test_films_of_bug_reports(
    name: str, size: tuple[int, int], num_frames: list[int], fps: float
) -> None:
    path = BUGS / name
    if not path.exists():
        pytest.skip(f"needs ../shared/bugs/{name}")
    pieces = cut_shots(str(path))
    assert [piece.clip.num_frames for piece in pieces] == num_frames
    assert (pieces[0].clip.width_px, pieces[0].clip.height_px) == size
    assert pieces[0].clip.fps == pytest.approx(fps, rel=0.005)
