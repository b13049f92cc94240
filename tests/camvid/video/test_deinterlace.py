"""Interlaced videos: what the odd and even lines show, and that nothing else is touched."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from camvid.artifacts import U8
from camvid.models.shots.pyscenedetect import PySceneDetect
from camvid.video.cut import CutOptions, cut, find_and_cut
from camvid.video.decode import read_frames
from camvid.video.probe import probe
from camvid.video.quality import combing_of
from tests.camvid.video.test_decode import moving, write_video

X264 = {"crf": "10", "preset": "fast"}


def weave(first: U8, second: U8, top: int) -> U8:
    """A frame whose lines are two instants; `top` is the parity of those shown first."""
    woven = second.copy()
    woven[top::2] = first[top::2]
    return woven


def write_interlaced(path: Path, fields: list[U8], order: str, codec: str = "libx264") -> str:
    """Two instants a frame, marked as such; `order` is tff or bff."""
    top = 0 if order == "tff" else 1
    frames = [weave(a, b, top) for a, b in zip(fields[0::2], fields[1::2], strict=True)]
    with av.open(str(path), "w") as container:
        options = {**X264, "x264-params": f"{order}=1"} if codec == "libx264" else {"q": "2"}
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if codec != "libx264":
            stream.codec_context.flags |= 1 << 18 | 1 << 29  # interlaced DCT and motion
        for i, rgb in enumerate(frames):
            frame = VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def combing(rgb: U8) -> float:
    """How much more each line differs from its neighbours than from those two away."""
    lines = rgb.astype(float).mean(axis=2)
    near = np.abs(lines[2:-2] - (lines[1:-3] + lines[3:-1]) / 2).mean()
    far = np.abs(lines[2:-2] - (lines[:-4] + lines[4:]) / 2).mean()
    return float(near / far)


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_each_frame_is_one_instant(tmp_path: Path, order: str) -> None:
    fields = moving(72, 192, 128)
    path = write_interlaced(tmp_path / "a.mp4", fields, order)
    found = list(read_frames(path))
    assert len(found) == 36
    np.testing.assert_allclose(np.diff([f.timestamp_s for f in found]), 1 / 25, atol=1e-3)
    assert {f.processing for f in found} == {("deinterlaced",)}
    shown = [np.argmin([np.abs(f.rgb.astype(int) - g).mean() for g in fields]) for f in found]
    offset = shown[0]
    assert shown == [2 * i + offset for i in range(36)]
    combed = weave(fields[20], fields[21], 0)
    assert combing(found[10].rgb) < 0.8 * combing(combed)
    options = CutOptions(min_side_px=32, min_clip_s=1)
    (piece,) = find_and_cut(probe(path), PySceneDetect().detect, options)
    assert piece.clip.num_frames == 36
    assert piece.clip.processing == ("deinterlaced",)


def test_progressive_films_are_left_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(24))
    decoded = [f.to_ndarray(format="rgb24") for f in av.open(path).decode(video=0)]
    found = list(read_frames(path))
    assert {f.processing for f in found} == {()}
    assert all(
        np.abs(f.rgb.astype(int) - g).max() <= 3 for f, g in zip(found, decoded, strict=True)
    )


def test_only_the_marked_part_of_a_film_is_changed_and_no_frame_is_lost(tmp_path: Path) -> None:
    fields = moving(48, 192, 128)
    parts = [
        write_video(tmp_path / "0.ts", fields[:24], rate=25, options=X264),
        write_interlaced(tmp_path / "1.ts", fields, "tff"),
        write_video(tmp_path / "2.ts", fields[:24], rate=25, options=X264),
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    found = list(read_frames(str(path)))
    assert [len(f.processing) for f in found] == [0] * 24 + [1] * 24 + [0] * 24
    assert [f.stretch for f in found] == [0] * 24 + [1] * 24 + [2] * 24
    alone = list(read_frames(parts[0]))
    for part in (found[:24], found[48:]):
        assert all(np.array_equal(f.rgb, g.rgb) for f, g in zip(part, alone, strict=True))


def test_woven_fields_that_no_header_tells_of_are_refused(tmp_path: Path) -> None:
    fields = moving(96, 192, 128)
    woven = [weave(a, b, 0) for a, b in zip(fields[0::2], fields[1::2], strict=True)]
    options = CutOptions(min_side_px=32, min_clip_s=1)
    path = write_video(tmp_path / "a.mp4", woven, rate=25, options=X264)
    (piece,) = cut(probe(path), [(0.0, 2.0)], options)
    assert piece.rejected is not None
    assert piece.rejected.reason.name == "max_combing"
    whole = write_video(tmp_path / "b.mp4", fields[::2], rate=25, options=X264)
    (piece,) = cut(probe(whole), [(0.0, 2.0)], options)
    assert piece.rejected is None


def test_film_grain_is_no_combing() -> None:
    rng = np.random.default_rng(0)
    grain = [np.clip(rng.normal(128, 30, (180, 320)), 0, 255).astype(np.uint8) for _ in range(2)]
    assert max(map(combing_of, grain)) < 0.02  # a third of what is refused
