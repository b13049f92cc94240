"""Pairs follow the clock, whatever the frame rate."""

import numpy as np

from camvid.motion.objects import PAIR_GAP_S
from camvid.motion.series import choose_pairs

GAP_S = PAIR_GAP_S


def test_pairs_follow_the_frame_rate_but_do_not_cross_holes() -> None:
    def pairs(seconds: list[float]) -> list[list[int]]:
        usable = np.ones(len(seconds), bool)
        return choose_pairs(np.array(seconds), usable, gap_s=GAP_S, max_gap_s=0.3).tolist()

    assert pairs([0.0, 0.3, 0.61, 0.9]) == [[0, 1], [1, 2], [2, 3]]
    assert pairs([0.0, 0.3, 1.0, 1.3, 1.6]) == [[0, 1], [2, 3], [3, 4]]
    assert pairs([0.0, 0.05, 0.1, 0.5, 0.55, 0.6]) == [[0, 2], [1, 2], [3, 5], [4, 5]]
    assert pairs([0.0]) == []
