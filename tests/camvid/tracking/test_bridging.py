"""A wipe leaves no track that reaches across it, though each frame of it can be tracked."""

import numpy as np
import pytest

from camvid.artifacts import I32, PointTracks
from camvid.tracking.bridging import LIMITS, bridging_fraction

NUM, FPS = 72, 24.0


def tracks(*shots: tuple[I32, I32]) -> PointTracks:
    """One track for each first and last frame in which it is seen."""
    first, last = (np.concatenate(ends) for ends in zip(*shots, strict=True))
    t = np.arange(NUM)[:, None]
    return PointTracks(
        xy_px=np.zeros((NUM, len(first), 2), np.float32),
        visible=(t >= first) & (t <= last),
        object_id=np.zeros(len(first), np.uint16),
        query_frame=first,
    )


def shot(start: int, stop: int, life: int = 40) -> tuple[I32, I32]:
    """Ten new tracks in every fourth frame, each seen for so many at most."""
    first = np.repeat(np.arange(start, stop, 4, dtype=np.int32), 10)
    return first, np.minimum(first + life, stop - 1).astype(np.int32)


@pytest.mark.parametrize("length", [6, 12, 22])
def test_no_track_bridges_a_wipe(length: int) -> None:
    half = length // 2
    two_shots = tracks(shot(0, 36 + half), shot(36 - half, NUM))
    assert bridging_fraction(two_shots, FPS) == 0 < LIMITS.min_bridging_fraction


def test_tracks_of_one_shot_bridge_any_second() -> None:
    assert bridging_fraction(tracks(shot(0, NUM)), FPS) > 0.2
    fast = bridging_fraction(tracks(shot(0, NUM, life=30)), FPS)
    assert LIMITS.min_bridging_fraction < fast < 0.2


def test_a_clip_of_less_than_a_second_is_one_shot() -> None:
    assert bridging_fraction(tracks(shot(0, NUM)), FPS * 4) == 1
