"""Joints carried along tracks that were laid by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import PointTracks
from camvid.errors import ConfigError
from camvid.evaluation.joints import Joints, carry, joint_scores, read_joints
from tests.factories import make_clip


def tracks_of(xy_px: np.ndarray, visible: np.ndarray, object_id: list[int]) -> PointTracks:
    return PointTracks(
        xy_px=xy_px.astype(np.float32),
        visible=visible,
        object_id=np.array(object_id, np.uint16),
        query_frame=np.zeros(len(object_id), np.int32),
    )


def sliding(starts: list[tuple[float, float]], speeds: list[tuple[float, float]], num: int = 6):
    """Tracks [T, N, 2] that start here and go on at this speed."""
    t = np.arange(num)[:, None, None]
    return np.array(starts)[None] + t * np.array(speeds)[None]


def test_a_joint_goes_with_the_nearest_track() -> None:
    xy = sliding([(5, 5), (20, 20)], [(1, 0), (0, 2)])
    seen = np.ones((6, 2), bool)
    places = carry(np.array([6.0, 7.0]), 1, xy, seen)
    assert np.isnan(places[0]).all()
    np.testing.assert_allclose(places[1:], [(6 + k, 7) for k in range(5)])


def test_it_changes_to_the_next_track_when_the_first_ends() -> None:
    xy = sliding([(5, 5), (8, 5), (30, 30)], [(1, 0), (0, 1), (5, 5)])
    seen = np.ones((6, 3), bool)
    seen[3:, 0] = False  # carried by it to frame 2
    places = carry(np.array([5.0, 5.0]), 0, xy, seen)
    np.testing.assert_allclose(places, [(5, 5), (6, 5), (7, 5), (7, 6), (7, 7), (7, 8)])


def test_it_is_lost_where_no_track_goes_on() -> None:
    seen = np.ones((6, 1), bool)
    seen[4:] = False
    places = carry(np.array([5.0, 5.0]), 0, sliding([(5, 5)], [(1, 0)]), seen)
    np.testing.assert_array_equal(np.isnan(places[:, 0]), [0, 0, 0, 0, 1, 1])


@pytest.fixture
def joints() -> Joints:
    """Two joints in frames 0, 2 and 5 of a 32 x 24 image; the second is hidden in frame 2."""
    px = np.array([[(4, 4), (16, 12)], [(6, 4), (0, 0)], [(9, 4), (16, 12)]], float)
    visible = np.array([[True, True], [True, False], [True, True]])
    index = np.array([0, 2, 5], np.int32)
    return Joints(source_frame_index=index, xy=px / (32, 24), visible=visible)


AREA = {0: 100.0, 2: 100.0, 5: 100.0}  # reach: 2 px


def test_share_within_reach(joints: Joints) -> None:
    xy = sliding([(4, 5), (4, 4)], [(1, 0), (0, 0)])
    tracks = tracks_of(xy, np.ones((6, 2), bool), [1, 0])
    scores = joint_scores(joints, make_clip("c" * 16), tracks, AREA)
    # The first joint is carried right by the object's track, not by the nearer background's; the
    # second stays in truth, and goes 5 px with the only track there is.
    assert scores.num_joints == 3
    assert scores.pck == pytest.approx(2 / 3)
    assert scores.pck_at_rest == pytest.approx(2 / 3)  # 2 px of 2, then 5; and the one at rest


def test_no_track_on_an_object_loses_every_joint(joints: Joints) -> None:
    tracks = tracks_of(sliding([(4, 4)], [(1, 0)]), np.ones((6, 1), bool), [0])
    assert joint_scores(joints, make_clip("c" * 16), tracks, AREA).pck == 0.0


def test_tracks_are_held_at_the_size_of_the_source(joints: Joints) -> None:
    clip = make_clip("c" * 16)
    clip = replace(clip, width_px=16, height_px=8, crop_px=(0, 4, 32, 16))  # half, bars cut off
    xy = sliding([(2, 0.5)], [(0.5, 0)])  # (4, 5) going 1 px a frame in the source
    scores = joint_scores(joints, clip, tracks_of(xy, np.ones((6, 1), bool), [1]), AREA)
    assert scores.pck == pytest.approx(2 / 3)


def test_frames_that_the_clip_has_not_are_left_out(joints: Joints) -> None:
    index = np.array([0, 1, 2, 3, 4, 6], np.int32)
    clip = replace(make_clip("c" * 16), source_frame_index=index)
    tracks = tracks_of(sliding([(4, 4)], [(1, 0)]), np.ones((6, 1), bool), [1])
    assert joint_scores(joints, clip, tracks, AREA).num_joints == 1
    assert joint_scores(joints, clip, tracks, {}).num_joints == 0


def test_badja_files_are_row_before_column(tmp_path: Path) -> None:
    frames = [
        {"image_path": "JPEGImages/dog/00007.jpg", "joints": [[540, 480]], "visibility": [True]},
        {"image_path": "JPEGImages/dog/00002.jpg", "joints": [[0, 0]], "visibility": [False]},
    ]
    path = tmp_path / "badja_joints.json"
    path.write_text(json.dumps(frames))
    joints = read_joints(path)
    assert joints.source_frame_index.tolist() == [2, 7]
    np.testing.assert_allclose(joints.xy[1, 0], (0.25, 0.5))
    path.write_text('[{"joints": []}]')
    with pytest.raises(ConfigError, match=r"badja_joints\.json must be a list of frames"):
        read_joints(path)
