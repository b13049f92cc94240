"""Tracks off all masks that stray side by side are candidates for objects; lone ones are not."""

import numpy as np

from camvid.artifacts import PointTracks
from camvid.rigidity.groups import with_groups

SIDE_PX = 400  # of which tracks of one thing lie .03 apart at most: 12 px


def make(places: list[tuple[float, float]]) -> PointTracks:
    """Tracks that stay at their places for five frames."""
    xy_px = np.repeat(np.array(places, np.float32)[None], 5, axis=0)
    return PointTracks(
        xy_px=xy_px,
        visible=np.ones(xy_px.shape[:2], bool),
        object_id=np.zeros(len(places), np.uint16),
        query_frame=np.zeros(len(places), np.int32),
    )


def test_a_group_takes_the_still_tracks_amid_it_and_leaves_others_alone():
    row = [(20.0 + 10 * i, 50.0) for i in range(6)]  # each close to the next alone
    amid, beyond, masked, lone = (45.0, 55.0), (45.0, 90.0), (45.0, 52.0), (300.0, 50.0)
    tracks = make([*row, amid, beyond, masked, lone])
    ratio = np.array([5.0] * 6 + [-3.0, -3.0, 5.0, 5.0])
    owner = np.zeros(10, np.uint16)
    owner[8] = 2
    grouped, labels = with_groups(tracks, owner, ratio, SIDE_PX, taken=4)
    assert labels == (5,)
    assert grouped.tolist() == [5] * 6 + [5, 0, 2, 0]
    assert owner[0] == 0, "what was given stays as it was"


def test_a_few_strays_and_tracks_of_which_nothing_is_known_make_no_group():
    tracks = make([(20.0 + 10 * i, 50.0) for i in range(8)])
    few = np.array([5.0] * 5 + [np.nan] * 3)
    grouped, labels = with_groups(tracks, np.zeros(8, np.uint16), few, SIDE_PX, taken=0)
    assert labels == ()
    assert not grouped.any()


def test_where_nothing_strays_there_is_no_group():
    tracks = make([(20.0, 50.0), (30.0, 50.0)])
    grouped, labels = with_groups(
        tracks, np.zeros(2, np.uint16), np.array([-3.0, -3.0]), SIDE_PX, taken=0
    )
    assert (labels, grouped.tolist()) == ((), [0, 0])
