"""Times of frames, breaks and the working rate, on clocks made up here."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest

from camvid.artifacts import F64
from camvid.video.timing import FrameClock, Pacer, Timeline, frame_duration

TICKS = Fraction(1, 1000)


class Stamps(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int | None = 0


def kept(times_s: F64, max_fps: float, frame_s: float) -> list[int]:
    """Indices of the frames that the working rate takes."""
    pacer = Pacer(max_fps, frame_s)
    return [i for i, time_s in enumerate(times_s) if pacer.takes(float(time_s), 0)]


def jittered(fps: float, num_frames: int, jitter_s: float, seed: int = 200) -> F64:
    rng = np.random.default_rng(seed)
    return np.arange(num_frames) / fps + rng.uniform(-jitter_s, jitter_s, num_frames)


@pytest.mark.parametrize("jitter_ms", [0, 1, 4])
@pytest.mark.parametrize(
    ("fps", "every"), [(24, 1), (25, 1), (29.97, 1), (30, 1), (50, 2), (59.94, 2), (60, 2)]
)
def test_jitter_costs_no_frame(fps: float, every: int, jitter_ms: int) -> None:
    times_s = jittered(fps, 900, jitter_ms / 1000)
    assert kept(times_s, 30, 1 / fps) == list(range(0, 900, every))


@pytest.mark.parametrize("fps", [119.88, 120, 240])
def test_fast_video_comes_down_to_an_even_thirty(fps: float) -> None:
    times_s = jittered(fps, 2400, 0.0)
    found = kept(times_s, 30, 1 / fps)
    assert found == list(range(0, 2400, round(fps / 30)))
    shaken = np.array(kept(jittered(fps, 2400, 0.002), 30, 1 / fps))
    assert len(shaken) == pytest.approx(len(found), abs=2)
    assert np.ptp(np.diff(shaken)) <= 2


def test_clocks_rounded_to_a_millisecond_lose_no_frame() -> None:
    for fps, every in ((23.976, 1), (29.97, 1), (30, 1), (59.94, 2)):
        times_s = np.round(np.arange(1800) / fps, 3)
        assert kept(times_s, 30, float(np.median(np.diff(times_s)))) == list(range(0, 1800, every))


def test_a_phone_that_halves_its_rate_keeps_the_slow_part_whole() -> None:
    gaps = np.r_[np.full(90, 1 / 60), np.full(60, 1 / 30), np.full(60, 1 / 24)]
    found = kept(np.cumsum(gaps), 30, 1 / 60)
    slow = [i for i in found if i >= 90]
    assert len(slow) >= 117  # of 120: a frame or two while the change is noticed
    assert len([i for i in found if i < 90]) == pytest.approx(45, abs=1)


def test_times_follow_the_frames_where_containers_guess_them() -> None:
    """H.264 with B frames in AVI: times in the order of decoding, frames in that of display."""
    packets = [Stamps(i + 1, i) for i in range(8)]
    out_of_order = [1, 4, 3, 5, 2, 8, 7, 6]
    clock = FrameClock(packets, reorders=True, frame_s=0.001)
    times_s: list[float] = []
    for i, packet in enumerate([*packets, Stamps(None, None), Stamps(None, None)]):
        clock.feed(packet)
        if i >= 2:  # the decoder holds two back
            times_s.append(clock.time_of(out_of_order[i - 2], 1, TICKS)[0])
    np.testing.assert_allclose(times_s, np.arange(1, 9) / 1000)
    assert not clock.seekable


def test_a_refused_packet_takes_its_time_with_it() -> None:
    packets = [Stamps(10 * i, 10 * i) for i in range(1, 6)]
    clock = FrameClock(packets, reorders=True, frame_s=0.01)
    times_s: list[float] = []
    for packet in packets:
        clock.feed(packet)
        if packet.pts == 30:
            clock.fail(packet)
        else:
            times_s.append(clock.time_of(None, 0, TICKS)[0])
    np.testing.assert_allclose(times_s, [0.01, 0.02, 0.04, 0.05])


def test_honest_times_are_left_alone() -> None:
    packets = [Stamps(0, None), Stamps(40, None), Stamps(20, 0), Stamps(10, 10), Stamps(30, 20)]
    clock = FrameClock(packets, reorders=True, frame_s=0.01)
    assert clock.seekable
    for packet in packets:
        clock.feed(packet)
    assert [clock.time_of(pts, 10, TICKS)[0] for pts in (0, 10, 20)] == [0.0, 0.01, 0.02]


def test_a_stream_without_times_runs_at_its_rate() -> None:
    packets = [Stamps(None, None, 40)] * 4
    frame_s = frame_duration(packets, TICKS, 25.0)
    assert frame_s == pytest.approx(0.04)
    clock = FrameClock(packets, reorders=True, frame_s=frame_s)
    times_s = [clock.time_of(None, 40, TICKS)[0] for _ in packets]
    np.testing.assert_allclose(times_s, np.arange(4) * 0.04)


def place_all(times_s: list[float], frame_s: float = 1 / 30) -> list[int]:
    """The stretch of each frame."""
    timeline = Timeline(frame_s)
    stretches: list[int] = []
    for time_s in times_s:
        assert timeline.place(time_s, (64, 48)) is not None
        stretches.append(timeline.stretch)
    return stretches


def test_a_hole_is_a_break_and_a_phones_dropped_frame_is_none() -> None:
    at_30 = np.arange(90) / 30
    dropped = at_30[~np.isin(np.arange(90), [20, 41, 42, 60, 61, 62])]
    assert place_all(list(dropped))[-1] == 0
    hole = at_30[~np.isin(np.arange(90), range(40, 52))]
    assert place_all(list(hole)) == [0] * 40 + [1] * 38


def test_slow_video_and_a_changing_rate_are_not_cut_to_pieces() -> None:
    assert place_all(list(np.arange(10) * 0.5), 0.5)[-1] == 0
    darker = np.cumsum(np.r_[np.full(60, 1 / 30), np.full(60, 1 / 15), np.full(60, 1 / 30)])
    assert place_all(list(darker))[-1] == 0
    screen = np.cumsum(np.r_[np.full(30, 1 / 30), np.full(30, 0.5)])
    assert place_all(list(screen))[-1] <= 5


def test_a_damaged_clock_makes_no_shot_of_months() -> None:
    """A shot is cut into pieces of seconds: one of 100 days took its whole process."""
    assert place_all(list(np.arange(8) * 1e6), 1e6) == list(range(8))


def test_a_restart_goes_on_where_the_clock_stopped() -> None:
    timeline = Timeline(0.04)
    first = [timeline.place(t, (64, 48)) for t in (0.0, 0.04)]
    told_ahead = timeline.place(0.08, (64, 48), 1)
    again = [timeline.place(t, (64, 48), 1) for t in (0.0, 0.04)]
    np.testing.assert_allclose(np.array([*first, told_ahead, *again], float), np.arange(5) * 0.04)
    assert timeline.stretch == 1
    assert timeline.place(0.04, (64, 48), 1) is None
    assert timeline.place(0.08, (32, 24), 1) == pytest.approx(0.2)
    assert timeline.stretch == 2


def test_a_restart_that_never_came_is_forgotten() -> None:
    timeline = Timeline(0.04)
    for i in range(40):
        timeline.place(0.04 * i, (64, 48), 1 if i else 0)
    assert timeline.place(0.2, (64, 48), 1) is None
    assert timeline.stretch == 0
