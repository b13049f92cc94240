"""Decoded frames to 8-bit RGB: colour matrix and range as tagged, HDR tone-mapped to SDR.

HDR: BT.2100 transfer (PQ, HLG) to light, BT.2020 or P3 primaries to BT.709, highlights above
reference white (203 cd/m2, BT.2408) rolled off with their hue kept, and a BT.1886 display.
"""

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from camvid.artifacts import F64, U8
from camvid.memory import reuse_blocks

_SD_MAX_PX = (1024, 576)  # larger images without a tag are BT.709, as every player takes them
_UNTAGGED = (0, 2)  # 0 is RGB, and what nobody set
PQ, HLG = 16, 18  # ITU-T H.273 transfer characteristics
HDR_NAMES = {PQ: "PQ", HLG: "HLG"}

_WHITE_NITS = 203.0
_HLG_PEAK_NITS, _HLG_SYSTEM_GAMMA = 1000.0, 1.2  # BT.2100, the reference display
_KNEE = 0.75  # of white: what is darker stays as it is; white itself becomes 0.875, 241 of 255
_DISPLAY_GAMMA = 2.4
_ANY_CLOCK = Fraction(1, 1000)  # filters want one
_LUT_SIZE = 33  # per axis, as colourists use; greys are off by three levels at most, at the knee

_BT2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
_P3_D65 = np.array([[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0197, -0.0786, 1.0983]])
_TO_BT709 = {1: np.eye(3), 9: _BT2020, 12: _P3_D65}  # by H.273 colour primaries
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])


class Rgb:
    """Turns frames of one stream to RGB; contexts are kept, so one per stream."""

    def __init__(self) -> None:
        self._direct = VideoReformatter()
        self._deep = VideoReformatter()
        self._size = (0, 0)
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[int, ...] = ()

    def convert(self, frame: VideoFrame, width: int, height: int) -> U8:
        """The frame [height, width, 3], scaled by area averaging."""
        if frame.color_trc in HDR_NAMES:
            frame = self._tone_mapped(frame, width, height)
        if self._size != (width, height):
            self._size = (width, height)
            reuse_blocks(3 * width * height)
        matrix = _assumed_matrix(frame)
        rgb: Any = self._direct.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return _view(rgb)

    def _tone_mapped(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        """The frame as SDR, 16-bit RGB of the size wanted (10-bit takes twice as long)."""
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        matrix = Colorspace.BT2020 if int(frame.colorspace) in _UNTAGGED else None
        deep: Any = self._deep.reformat(
            frame,
            width,
            height,
            "gbrp16le",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        shape = (transfer, primaries, width, height)
        if self._graph is None or self._shape != shape:
            self._graph, self._shape = _lut_graph(deep, _tone_map_lut(transfer, primaries)), shape
        self._graph.vpush(deep)
        return self._graph.vpull()


def _view(rgb: VideoFrame) -> U8:
    """The frame's own memory as [H, W, 3]; a copy would double what a large frame takes."""
    plane: Any = rgb.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return lines[: rgb.height, : 3 * rgb.width].reshape(rgb.height, rgb.width, 3)


def _assumed_matrix(frame: VideoFrame) -> Colorspace | None:
    """BT.709 for HD without a tag, for which swscale takes BT.601; None: as it is tagged."""
    large = frame.width > _SD_MAX_PX[0] or frame.height > _SD_MAX_PX[1]
    untagged = int(frame.colorspace) in _UNTAGGED and not frame.format.is_rgb
    return Colorspace.ITU709 if large and untagged else None


def _lut_graph(template: VideoFrame, lut: F64) -> av.filter.Graph:
    """A filter graph that sends RGB frames through a table [N, N, N, 3], indexed by r, g, b."""
    graph = av.filter.Graph()
    graph.threads = 1
    with tempfile.TemporaryDirectory(prefix="camvid-") as folder:
        path = Path(folder, "lut.cube")
        rows = lut.transpose(2, 1, 0, 3).reshape(-1, 3)  # red runs fastest
        lines = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in rows.tolist())
        path.write_text(f"LUT_3D_SIZE {len(lut)}\n{lines}\n")
        source: Any = graph.add_buffer(
            width=template.width,
            height=template.height,
            format=template.format,
            time_base=template.time_base or _ANY_CLOCK,
        )
        graph.link_nodes(source, graph.add("lut3d", file=str(path)), graph.add("buffersink"))
        graph.configure()
    return graph


@cache
def _tone_map_lut(transfer: int, primaries: int) -> F64:
    """SDR [N, N, N, 3] of every HDR signal on a grid, both 0 to 1."""
    axis = np.linspace(0, 1, _LUT_SIZE)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    return tone_map(grid, transfer, primaries)


def tone_map(signal: F64, transfer: int, primaries: int = 9) -> F64:
    """SDR RGB [..., 3] for a BT.1886 display from an HDR signal [..., 3], both 0 to 1."""
    light = _pq_nits(signal) if transfer == PQ else _hlg_nits(signal)
    linear = np.maximum(light / _WHITE_NITS @ _TO_BT709.get(primaries, _BT2020).T, 0)
    peak = linear.max(axis=-1, keepdims=True)
    over = np.maximum(peak - _KNEE, 0)
    rolled = np.minimum(peak, _KNEE) + over / (1 + over / (1 - _KNEE))
    return np.asarray((linear * rolled / np.maximum(peak, 1e-9)) ** (1 / _DISPLAY_GAMMA))


def _pq_nits(signal: F64) -> F64:
    """SMPTE ST 2084."""
    power = signal ** (32 / 2523)
    base = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return 10000 * base ** (8192 / 1305)


def _hlg_nits(signal: F64) -> F64:
    """ARIB STD-B67 with the OOTF of the reference display."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ _BT2020_LUMA, 1e-9)[..., None]
    return _HLG_PEAK_NITS * luma ** (_HLG_SYSTEM_GAMMA - 1) * scene
