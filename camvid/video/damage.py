"""Which decoded frames are whole, where a stream is damaged."""

from typing import Protocol

from av.video.frame import PictureType


class DecodedFrame(Protocol):
    """What tells whether a frame is whole."""

    @property
    def is_corrupt(self) -> bool: ...
    @property
    def key_frame(self) -> bool: ...
    @property
    def pict_type(self) -> int: ...


class UndecodedPacket(Protocol):
    """Whether other frames depend on the one in the packet."""

    @property
    def is_disposable(self) -> bool: ...


class Damage:
    """Follows damage through a stream: a frame predicted from a broken one is broken too.

    Decoders paint over what they miss and flag only the frame that it was missing from; its blocks
    then drift along with the picture until the next key frame, where nothing is left of it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._until_key = False
        self._until_reference = False

    def refused(self, packet: UndecodedPacket) -> None:
        """Notes a packet that the decoder could make nothing of."""
        self.count += 1
        self._until_key |= not packet.is_disposable

    def hides(self, frame: DecodedFrame) -> bool:
        """Whether the next frame in display order is to be left out."""
        between = frame.pict_type in (PictureType.B, PictureType.BI)
        if frame.is_corrupt:
            self._until_reference |= between
            self._until_key |= not between
        elif frame.key_frame:
            self._until_key = self._until_reference = False
        elif not between:
            self._until_reference = False
        hidden = frame.is_corrupt or self._until_key or self._until_reference
        self.count += hidden
        return hidden
