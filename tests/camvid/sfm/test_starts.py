"""When the search among several ways to the keyframes' cameras may end."""

import numpy as np
import pytest

from camvid.sfm import starts
from camvid.sfm.cameras import Cameras
from camvid.sfm.observations import Observations
from camvid.sfm.starts import best_start

T = 4
SEEN = Observations(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 2)), 0)


def cameras(focal_px: float) -> Cameras:
    pose = np.tile(np.eye(3, 4), (T, 1, 1))
    pose[:, 0, 3] = -np.arange(T)
    return Cameras.of_lens(np.full(T, focal_px), pose, (480, 270))


@pytest.mark.parametrize(
    ("ways", "focal_px", "num_tried"),
    [
        # Two that slide along one valley pass each other on the way: neither has come to rest.
        ([[4000, 3000, 2600, 2400], [2700, 2400, 1900, 1750], [600, 590, 589, 589]], 589, 3),
        ([[600, 590, 589, 589], [700, 600, 590, 590], [100, 100, 100, 100]], 589, 2),
    ],
)
def test_ways_that_meet_end_the_search_once_they_have_settled(
    monkeypatch: pytest.MonkeyPatch, ways: list[list[float]], focal_px: float, num_tried: int
):
    tried: list[float] = []

    def mapped(*_: object):
        for way in ways:
            tried.append(way[0])
            yield cameras(way[0])

    def adjusted(start: Cameras, *_: object):
        way = next(way for way in ways if way[0] == start.K[0, 0])
        yield from (cameras(focal) for focal in way[1:])

    monkeypatch.setattr(starts, "map_keyframes", mapped)
    monkeypatch.setattr(starts, "adjust_keyframes", adjusted)
    monkeypatch.setattr(starts, "held_out_error_px", lambda c, *_: abs(c.K[0, 0] - 589))
    found = best_start(
        SEEN,
        SEEN,
        np.arange(T, dtype=np.int32),
        T,
        (480, 270),
    )
    assert found is not None
    assert found.K[0, 0] == focal_px
    assert len(tried) == num_tried
