"""Colours: matrix, range and size of SDR video, and HDR brought down to SDR."""

from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from camvid.artifacts import F64, U8
from camvid.video.colour import HLG, PQ, Rgb, tone_map
from camvid.video.cut import CutOptions, cut
from camvid.video.decode import read_frames
from camvid.video.probe import probe
from tests.camvid.video.test_decode import clip

BUGS = Path(__file__).resolve().parents[4] / "shared" / "bugs"
LUMA = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
TAG = {"601": 6, "709": 1, "2020": 9, "none": 2}
BRICK = np.array([200.0, 60.0, 30.0])


def plain_frame(yuv: F64, *, size: tuple[int, int] = (64, 48), bits: int = 8) -> VideoFrame:
    """A frame of one colour, given as 8-bit code values."""
    frame = VideoFrame(*size, "yuv420p" if bits == 8 else "yuv420p10le")
    for plane, value in zip(frame.planes, yuv * 2 ** (bits - 8), strict=True):
        dtype = np.uint8 if bits == 8 else np.uint16
        plane.update(np.full(plane.buffer_size // dtype().itemsize, round(value), dtype).tobytes())
    return frame


def to_yuv(rgb: F64, matrix: str, *, full: bool) -> F64:
    red, green, blue = rgb / 255
    kr, kb = LUMA[matrix]
    y = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = np.array([(blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)])
    return np.r_[255 * y if full else 16 + 219 * y, 128 + (255 if full else 224) * chroma]


def colour_of(frame: VideoFrame) -> U8:
    rgb = Rgb().convert(frame, frame.width, frame.height)
    assert rgb.shape == (frame.height, frame.width, 3)
    return rgb[frame.height // 2, frame.width // 2]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "tag", "size"),
    [
        ("601", "601", (64, 48)),
        ("709", "709", (64, 48)),
        ("2020", "2020", (64, 48)),
        ("601", "none", (720, 576)),
        ("709", "none", (1280, 720)),
        ("709", "none", (1080, 1920)),
    ],
)
def test_matrix_and_range(matrix: str, tag: str, size: tuple[int, int], full: bool) -> None:
    frame = plain_frame(to_yuv(BRICK, matrix, full=full), size=size)
    frame.colorspace, frame.color_range = TAG[tag], 2 if full else 1
    np.testing.assert_allclose(colour_of(frame), BRICK, atol=3)


def pq(nits: float) -> float:
    """SMPTE ST 2084, from light to signal."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hdr_grey(signal: float, transfer: int) -> VideoFrame:
    frame = plain_frame(np.array([16 + 219 * signal, 128, 128]), bits=10)
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, transfer, 1
    return frame


def test_hdr_greys_are_those_of_an_sdr_grade_and_highlights_keep_their_order() -> None:
    nits = np.array([0.5, 5, 20, 50, 100, 140, 203, 400, 1000, 4000])
    greys = np.array([colour_of(hdr_grey(pq(n), PQ))[1] for n in nits]).astype(float)
    graded = 255 * (nits / 203) ** (1 / 2.4)
    np.testing.assert_allclose(greys[:6], graded[:6], atol=3)
    assert 235 <= greys[6] <= 245
    assert (np.diff(greys) > 0).all()
    signal = np.array([0.1, 0.3, 0.5, 0.75, 0.9, 1.0])
    hlg = np.array([colour_of(hdr_grey(s, HLG))[1] for s in signal]).astype(float)
    np.testing.assert_allclose(hlg, 255 * tone_map(signal[:, None] * np.ones(3), HLG)[:, 1], atol=3)
    assert hlg[3] == pytest.approx(greys[6], abs=2)  # 75 % HLG is reference white


def test_hdr_without_a_matrix_is_bt2020() -> None:
    frames = [hdr_grey(0.5, PQ) for _ in range(2)]
    for frame in frames:
        frame.planes[2].update(np.full(frame.planes[2].buffer_size // 2, 600, np.uint16).tobytes())
    frames[1].colorspace = TAG["none"]
    np.testing.assert_array_equal(colour_of(frames[1]), colour_of(frames[0]))


def test_highlights_keep_their_hue() -> None:
    signal = np.array([pq(900), pq(300), pq(90)])
    red, green, blue = tone_map(signal, PQ, primaries=1) ** 2.4
    assert red < 1
    assert (red / green, green / blue) == pytest.approx((3.0, 10 / 3), rel=0.01)


def test_a_film_in_pq_looks_like_its_sdr_grade() -> None:
    path = BUGS / "true_pq.mp4"
    if not path.exists():
        pytest.skip("needs ../shared/bugs/true_pq.mp4")
    graded = np.stack([f.rgb for f in read_frames(clip("syn_orbit_static_scene/video.mp4"))])
    (piece,) = cut(probe(str(path)), [(0.0, 2.0)], CutOptions())
    assert piece.clip.processing == ("tone-mapped from PQ",)
    found = np.stack([frame.rgb for frame in read_frames(str(path))])

    def contrast(rgb: U8) -> float:
        return float((rgb @ np.array([0.2126, 0.7152, 0.0722])).std())

    def saturation(rgb: U8) -> float:
        return float(np.ptp(rgb.astype(float), axis=-1).mean())

    assert contrast(found) / contrast(graded) == pytest.approx(1, abs=0.05)
    assert saturation(found) / saturation(graded) == pytest.approx(1, abs=0.05)
