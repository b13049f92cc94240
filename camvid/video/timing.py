"""Presentation times of frames, breaks in them, and which frames a lower rate keeps."""

import heapq
import math
from collections import deque
from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import numpy as np

from camvid.artifacts import F64, Bool

# A hole is longer than both. Phones drop up to three frames in a row and halve their rate in the
# dark, which no tracker minds; damage and edits leave ten and more.
HOLE_FRAMES = 4.5
HOLE_S = 0.15
_LONGEST_S = 60.0  # of any gap within a shot; damaged clocks show a frame for months
_RECENT_GAPS = 9  # few, so that a changed rate is a hole for five frames at most
_REORDER_LIMIT = 32  # no codec holds back more frames than this

# Clocks are rounded (33 and 34 ms) and jitter: over 16 gaps, 4 ms of jitter are 1.2 % at 60 fps.
_RATE_SLACK = 0.06
_RATE_GAPS = 16
_FEW_GAPS = 4
_NEW_RATE = 1.3  # the last few gaps against the whole window: the rate has changed
_PULL = 0.25  # of the error by which a frame misses its slot, taken over by the next slot


class PacketTimes(Protocol):
    """What is known of a packet before it is decoded."""

    @property
    def pts(self) -> int | None: ...
    @property
    def dts(self) -> int | None: ...
    @property
    def duration(self) -> int | None: ...


class FrameClock:
    """Times of the frames in the order in which the decoder gives them, which is always right.

    Timestamps are taken as they are, with two exceptions. Containers without presentation times
    (AVI, with B frames) get them guessed in the order of decoding: then the k-th frame takes the
    k-th time. Raw streams have no clock: then frames follow at the stream's rate.
    """

    def __init__(self, head: Sequence[PacketTimes], *, reorders: bool, frame_s: float) -> None:
        known = [stamp for stamp in map(_stamp, head) if stamp is not None]
        rising = all(a < b for a, b in pairwise(known))
        guessed = any(packet.pts is None for packet in head)
        self._sorts = len(known) > 1 and rising and (reorders or guessed)
        self._frame_s = frame_s
        self._pending: list[tuple[int, int]] = []  # (restarts before it, stamp)
        self._restarts = 0
        self._last_dts: int | None = None
        self._last_s = -frame_s

    @property
    def seekable(self) -> bool:
        """Whether frames have the same times wherever reading starts."""
        return not self._sorts

    def feed(self, packet: PacketTimes) -> None:
        """Notes a packet that goes into the decoder."""
        if packet.dts is not None:
            self._restarts += self._last_dts is not None and packet.dts < self._last_dts
            self._last_dts = packet.dts
        stamp = _stamp(packet)
        if self._sorts and stamp is not None:
            heapq.heappush(self._pending, (self._restarts, stamp))
            while len(self._pending) > _REORDER_LIMIT:  # of packets that became no frame
                heapq.heappop(self._pending)

    def fail(self, packet: PacketTimes) -> None:
        """Takes back a packet that the decoder refused."""
        stamp = _stamp(packet)
        if stamp is not None and (self._restarts, stamp) in self._pending:
            self._pending.remove((self._restarts, stamp))
            heapq.heapify(self._pending)

    def time_of(
        self, pts: int | None, duration: int, time_base: Fraction | None
    ) -> tuple[float, int]:
        """Seconds on the container's clock of the next frame, and that clock's restarts so far."""
        base, restarts = time_base or Fraction(0), self._restarts
        if self._sorts and self._pending:
            restarts, pts = heapq.heappop(self._pending)
        if pts is None:
            self._last_s += float(duration * base) or self._frame_s
        else:
            self._last_s = float(pts * base)
        return self._last_s, restarts

    def skip(self, duration: int, time_base: Fraction | None) -> None:
        """Passes over a damaged frame, whose timestamp may be damaged too."""
        self.time_of(None, duration, time_base)


def _stamp(packet: PacketTimes) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


class Timeline:
    """One clock that rises from frame to frame, and the number of the unbroken stretch.

    A stretch ends at a hole, where the container's clock restarts, and where the size changes.
    """

    def __init__(self, frame_s: float) -> None:
        self._gaps: deque[float] = deque([frame_s], _RECENT_GAPS)
        self._offset_s = 0.0
        self._last_s = -math.inf
        self._size: tuple[int, int] | None = None
        self._restarts, self._frames_since = 0, _REORDER_LIMIT
        self.stretch = 0

    def place(self, time_s: float, size: tuple[int, int], restarts: int = 0) -> float | None:
        """The frame's time on the one clock; None for a frame that is never on the screen.

        `restarts` counts those of the container's clock, which packets tell some frames ahead.
        """
        if restarts > self._restarts:
            self._restarts, self._frames_since = restarts, 0
        typical_s = float(np.median(self._gaps))
        gap_s = time_s + self._offset_s - self._last_s
        restarted = gap_s <= 0 and self._frames_since < _REORDER_LIMIT
        if restarted:
            self._offset_s, gap_s = self._last_s + typical_s - time_s, typical_s
            self._frames_since = _REORDER_LIMIT
        if gap_s <= 0:
            return None
        if self._size is not None:
            hole = bool(is_hole(np.array(gap_s), typical_s))
            self.stretch += hole or restarted or size != self._size
            self._gaps.append(gap_s)
        self._size, self._last_s = size, time_s + self._offset_s
        self._frames_since += 1
        return self._last_s


def frame_duration(head: Sequence[PacketTimes], time_base: Fraction | None, stated: float) -> float:
    """Seconds between frames: as the first packets say, else as the header states the rate."""
    stamps = sorted(stamp for stamp in map(_stamp, head) if stamp is not None)
    gaps = [b - a for a, b in pairwise(stamps) if b > a]
    gaps = gaps or [packet.duration for packet in head if packet.duration]
    return float(np.median(gaps) * (time_base or 0)) if gaps else 1 / stated


def is_hole(gap_s: F64, usual_s: float) -> Bool:
    """Whether gaps between frames are too long to belong to one shot."""
    return gap_s > min(max(HOLE_FRAMES * usual_s, HOLE_S), _LONGEST_S)


class AtTimes:
    """Takes the frames at these times exactly, as an earlier reading of the same file gave them."""

    def __init__(self, times_s: Collection[float]) -> None:
        self._times_s = frozenset(times_s)

    def takes(self, time_s: float, stretch: int) -> bool:
        del stretch
        return time_s in self._times_s


class Pacer:
    """Takes the frames nearest to even time slots, at about `max_fps` at most; doubles none.

    A video of that rate or less keeps every frame, however its timestamps jitter. Of a faster one
    the slots lie a whole number of its frames apart, so that what is kept is as even as the source.
    """

    def __init__(self, max_fps: float, frame_s: float) -> None:
        self._max_fps = max_fps
        self._gap_s = frame_s
        self._times: deque[float] = deque(maxlen=_RATE_GAPS + 1)
        self._stretch = -1
        self._slot_s = -math.inf

    def takes(self, time_s: float, stretch: int) -> bool:
        """Whether the next frame in order is the one for the next slot."""
        if stretch != self._stretch:
            self._stretch, self._slot_s = stretch, time_s
            self._times.clear()
        late = self._learn(time_s)
        every = max(1, math.ceil((1 - _RATE_SLACK) / (self._gap_s * self._max_fps)))
        if every > 1 and not late and time_s < self._slot_s - self._gap_s / 2:
            return False
        missed_s = time_s - self._slot_s
        even = every > 1 and abs(missed_s) <= self._gap_s
        self._slot_s = (self._slot_s + _PULL * missed_s if even else time_s) + every * self._gap_s
        return True

    def _learn(self, time_s: float) -> bool:
        """Follows the source's mean gap, and soon where it changes for good.

        Returns whether the frame comes so late after the one before that the rate allows both.
        """
        times = self._times
        times.append(time_s)
        late = len(times) > 1 and times[-1] - times[-2] >= (1 - _RATE_SLACK) / self._max_fps
        if len(times) <= _FEW_GAPS:
            return late
        self._gap_s = (times[-1] - times[0]) / (len(times) - 1)
        latest_s = (times[-1] - times[-1 - _FEW_GAPS]) / _FEW_GAPS
        if not 1 / _NEW_RATE < latest_s / self._gap_s < _NEW_RATE:
            for _ in range(len(times) - 1 - _FEW_GAPS):
                times.popleft()
            self._gap_s = latest_s
        return late
