"""Clips cut again from their source video, against FFmpeg's own re-encode of the same spans.

The reference is what `ffmpeg -ss ... -vf fps,crop,scale -c:v libx264` does, through PyAV in this
process: the same libraries, without the start of a process for each clip. Both have one thread, and
CPU time is compared: what else the machine does is not in it.
"""

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import cv2
import numpy as np

from camvid.artifacts import U8, Clip
from camvid.exports.options import ExportOptions
from camvid.shards.dataset_writer import ClipData, DatasetWriter
from camvid.store import ClipStore
from camvid.video.cut import CutOptions, cut
from camvid.video.probe import probe
from workflows.export import Export, export_clips

_SOURCE_PX, _SOURCE_FPS = (1920, 1080), 30
_SIZE_PX, _FPS, _FRAMES, _CRF = (832, 480), 16, 81, 18
_SPAN_S = 5.2  # 81 frames, and a little
_NUM_SPANS = 4
_FILTERS = (("fps", "16"), ("crop", "1872:1080"), ("scale", "832:480"), ("format", "yuv420p"))


class ExportBench:
    """A run of `num_clips` clips, which are spans of one video by turns."""

    def __init__(self, folder: Path, num_clips: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._num_clips, self._turn = folder, num_clips, 0
        self._video = folder / "source.mp4"
        _write_source(self._video)
        self._spans = [(_SPAN_S * k, _SPAN_S * (k + 1)) for k in range(_NUM_SPANS)]
        self._write_run()

    def ours(self) -> float:
        """CPU seconds of the export."""
        options = ExportOptions(
            kinds=("video",),
            fps=_FPS,
            frames=_FRAMES,
            width_px=_SIZE_PX[0],
            height_px=_SIZE_PX[1],
            crf=_CRF,
        )
        self._turn += 1
        export = Export(
            uri=str(self._folder / "run"),
            out=str(self._folder / f"out-{self._turn}"),
            format="webdataset",
            options=options,
        )
        with _one_thread():
            start = time.process_time()
            done = export_clips(export, export.parts())
            seconds = time.process_time() - start
        if any(clip.status != "ok" or not clip.entry["from_source"] for clip in done):
            raise SystemExit(f"each clip must come from its source, got {done[0]}")
        return seconds

    def reference(self) -> float:
        """CPU seconds of the same re-encodes by FFmpeg's own filters."""
        start = time.process_time()
        for number in range(self._num_clips):
            path = self._folder / "reference.mp4"
            _reencode(self._video, self._spans[number % _NUM_SPANS][0], path)
        return time.process_time() - start

    def _write_run(self) -> None:
        store = ClipStore(str(self._folder / "run"))
        pieces = list(cut(probe(str(self._video)), self._spans, CutOptions()))
        with DatasetWriter(store.root) as writer:
            for number in range(self._num_clips):
                piece = pieces[number % _NUM_SPANS]
                name = f"{number:016x}"
                store.save(name, piece.clip)
                writer.add(_clip_data(name, piece.clip, piece.jpegs))


def _clip_data(name: str, clip: Clip, jpegs: tuple[bytes, ...]) -> ClipData:
    return ClipData(
        clip_id=name,
        kind="video",
        frames=jpegs,
        timestamps_s=clip.timestamps_s,
        source_uri=clip.video.uri,
        motion=0.01,
    )


def _write_source(path: Path) -> None:
    """A camera that passes over a surface as rich as nature's: its detail falls off as 1/f."""
    num_frames = int(_NUM_SPANS * _SPAN_S * _SOURCE_FPS) + 1
    options = {"crf": "21", "preset": "veryfast"}
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=_SOURCE_FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *_SOURCE_PX, "yuv420p"
        for rgb in _moving(num_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))


def _moving(num_frames: int) -> Iterator[U8]:
    (width, height), side = _SOURCE_PX, 4096
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    spectrum = np.fft.rfft2(random.normal(size=(side, side))) / np.maximum(frequency, 1e-3)
    grey = np.fft.irfft2(spectrum)
    image = np.clip(128 + 45 * grey / grey.std(), 0, 255).astype(np.uint8)
    rgb = cv2.applyColorMap(image, cv2.COLORMAP_CIVIDIS)
    for number in range(num_frames):
        x = int((side - width) * (0.5 + 0.5 * np.sin(number / 90)))
        y = int((side - height) * (0.5 + 0.5 * np.sin(number / 140)))
        yield np.ascontiguousarray(rgb[y : y + height, x : x + width])


def _reencode(source: Path, start_s: float, path: Path) -> None:
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream: Any = read.streams.video[0]
        stream.codec_context.thread_count = 1
        read.seek(int(start_s * av.time_base))
        out: Any = written.add_stream("libx264", rate=_FPS, options={"crf": str(_CRF), "g": "16"})
        out.width, out.height, out.pix_fmt = *_SIZE_PX, "yuv420p"
        out.codec_context.thread_count = 1
        graph = _graph(stream)
        left = _FRAMES
        for frame in read.decode(stream):
            if frame.time < start_s:
                continue
            graph.vpush(frame)
            for scaled in _pulled(graph):
                scaled.pts, scaled.time_base = _FRAMES - left, Fraction(1, _FPS)
                written.mux(out.encode(scaled))
                left -= 1
                if not left:
                    written.mux(out.encode(None))
                    return


def _graph(stream: Any) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1
    nodes = [graph.add_buffer(template=stream)]
    nodes += [graph.add(name, arguments) for name, arguments in _FILTERS]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


@contextmanager
def _one_thread() -> Generator[None, None, None]:
    """The encoder takes as many threads as the process may have."""
    with patch.dict(os.environ, CAMVID_THREADS="1"):
        yield
