"""Interlaced frames, whose odd and even lines are two instants, made whole by FFmpeg's bwdif."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av.filter
from av.video.frame import VideoFrame

from camvid.video.display import Turn

# AVFieldOrder: coded first and shown first, top and bottom.
_PARITY = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}


class Placed(NamedTuple):
    """A decoded frame with its place in time."""

    frame: VideoFrame
    timestamp_s: float
    stretch: int  # unbroken stretches of the video, counted
    num_lost: int  # frames lost right before this one
    turn: Turn
    deinterlaced: bool = False


def deinterlace(frames: Iterable[Placed], field_order: int = 0) -> Iterator[Placed]:
    """The same frames at the same times; those flagged as interlaced have one instant each.

    The field shown first stays and the other is interpolated from its neighbours in space and
    time, never across a break. Streams without such frames pass untouched. `field_order` is
    FFmpeg's, from the header: some decoders mark frames as interlaced and leave open how.
    """
    graph: av.filter.Graph | None = None
    waiting: deque[Placed] = deque()
    of_graph: tuple[object, ...] = ()
    for placed in frames:
        frame = placed.frame
        layout = (placed.stretch, frame.width, frame.height, frame.format.name)
        if graph is not None and layout != of_graph:
            yield from _drain(graph, waiting)
            graph = None
        if graph is None and not frame.interlaced_frame:
            yield placed
            continue
        if graph is None:
            graph, of_graph = _bwdif_graph(frame, field_order), layout
        waiting.append(placed)
        graph.vpush(frame)
        yield from _pull(graph, waiting)
    if graph is not None:
        yield from _drain(graph, waiting)


def _bwdif_graph(template: VideoFrame, field_order: int) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1
    source: Any = graph.add_buffer(
        width=template.width,
        height=template.height,
        format=template.format,
        time_base=template.time_base or Fraction(1, 1000),
    )
    parity = _PARITY.get(field_order, "auto")
    bwdif = graph.add("bwdif", mode="send_frame", parity=parity, deint="interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink"))
    graph.configure()
    return graph


def _drain(graph: av.filter.Graph, waiting: deque[Placed]) -> Iterator[Placed]:
    graph.vpush(None)
    yield from _pull(graph, waiting)


def _pull(graph: av.filter.Graph, waiting: deque[Placed]) -> Iterator[Placed]:
    """What the filter has ready: one frame for each that went in, in the same order."""
    while waiting:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError):  # wants more first, has given all
            return
        placed = waiting.popleft()
        yield placed._replace(frame=frame, deinterlaced=placed.frame.interlaced_frame)
