"""Pairs and windows follow the clock, whatever the frame rate."""

import numpy as np

from camvid.artifacts import F64
from camvid.motion import MotionOptions
from camvid.motion.series import choose_pairs, choose_windows

GAP_S = MotionOptions().pair_gap_s


def test_windows_are_long_in_seconds_and_in_frames() -> None:
    def windows(seconds: F64) -> list[list[int]]:
        found = choose_windows(seconds, np.ones(len(seconds), bool), window_s=0.5, min_frames=6)
        return [window.tolist() for window in found]

    assert windows(np.arange(25) / 24) == [[*range(13)], [*range(6, 19)], [*range(12, 25)]]
    slow = windows(np.arange(12) / 4)
    assert {len(window) for window in slow} == {6}
    for start in range(9):  # any four frames in a row lie in one of them
        assert any(set(range(start, start + 4)) <= set(window) for window in slow)
    assert windows(np.arange(3) / 4) == [[0, 1, 2]]
    assert windows(np.zeros(0)) == []


def test_pairs_follow_the_frame_rate_but_do_not_cross_holes() -> None:
    def pairs(seconds: list[float]) -> list[list[int]]:
        usable = np.ones(len(seconds), bool)
        return choose_pairs(np.array(seconds), usable, gap_s=GAP_S, max_gap_s=0.3).tolist()

    assert pairs([0.0, 0.3, 0.61, 0.9]) == [[0, 1], [1, 2], [2, 3]]
    assert pairs([0.0, 0.3, 1.0, 1.3, 1.6]) == [[0, 1], [2, 3], [3, 4]]
    assert pairs([0.0, 0.05, 0.1, 0.5, 0.55, 0.6]) == [[0, 2], [1, 2], [3, 5], [4, 5]]
    assert pairs([0.0]) == []
