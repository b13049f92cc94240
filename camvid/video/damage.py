"""Decides which decoded frames of a damaged stream are whole."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from av.video.frame import PictureType

_AHEAD = 8  # packets within which a restart shows
_JOIN = 5  # packets from the last one that others wait for to the next key frame, with its B frames


class DecodedFrame(Protocol):
    """What says whether a frame is whole."""

    @property
    def is_corrupt(self) -> bool: ...
    @property
    def key_frame(self) -> bool: ...
    @property
    def pict_type(self) -> int: ...


class UndecodedPacket(Protocol):
    """What says whether a packet is whole, and whether other frames depend on it."""

    @property
    def dts(self) -> int | None: ...
    @property
    def is_corrupt(self) -> bool: ...
    @property
    def is_keyframe(self) -> bool: ...
    @property
    def is_disposable(self) -> bool: ...


K = TypeVar("K", bound=UndecodedPacket)


def marked_corrupt(packets: Iterable[K]) -> Iterator[tuple[K, bool]]:
    """Each packet, and whether the container is right that it is damaged.

    Transport streams count their packets. Where two were joined the count is off as well, but
    nothing is missing: there a key frame follows, or the clock restarts for good.
    """
    ahead: deque[K] = deque()
    for packet in packets:
        ahead.append(packet)
        if len(ahead) > _AHEAD:
            yield ahead[0], _is_corrupt(ahead)
            ahead.popleft()
    while ahead:
        yield ahead[0], _is_corrupt(ahead)
        ahead.popleft()


def _is_corrupt(ahead: Sequence[UndecodedPacket]) -> bool:
    if not ahead[0].is_corrupt or any(packet.is_keyframe for packet in list(ahead)[1:_JOIN]):
        return False
    known = [packet.dts for packet in ahead if packet.dts is not None]
    return not known or known[-1] >= known[0]


class Damage:
    """Follows damage through a stream: a frame predicted from a broken one is broken too.

    Decoders paint over what they miss and flag only the frame that it was missing from; its blocks
    then drift along with the image until the next key frame, where nothing is left of it.
    """

    def __init__(self) -> None:
        self._until_key = False
        self._until_reference = False

    def lose(self, packet: UndecodedPacket) -> None:
        """Notes a packet that is damaged, or that the decoder could make nothing of."""
        self._until_key |= not packet.is_disposable

    def hides(self, frame: DecodedFrame, *, corrupt_packet: bool = False) -> bool:
        """Whether the next frame in display order is to be left out."""
        corrupt = frame.is_corrupt or corrupt_packet
        between = frame.pict_type in (PictureType.B, PictureType.BI)
        if corrupt:
            self._until_reference |= between
            self._until_key |= not between
        elif frame.key_frame:
            self._until_key = self._until_reference = False
        elif not between:
            self._until_reference = False
        return corrupt or self._until_key or self._until_reference
