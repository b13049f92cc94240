"""Many poses in groups, as the released evaluation makes them."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from camvid.errors import ConfigError  # noqa: E402
from camvid.genxd.pose_groups import farthest_points, group_poses  # noqa: E402
from camvid.genxd.sampling import Scene  # noqa: E402
from camvid.geometry import camera_centers  # noqa: E402


def line_of(num_frames: int, at: tuple[int, ...]) -> Scene:
    """Cameras along a line, one step apart, in a shuffled order but for the known ones."""
    cameras = np.tile(np.eye(3, 4), (num_frames, 1, 1))
    order = np.random.default_rng(0).permutation(num_frames)
    cameras[:, 0, 3] = -order
    images = np.zeros((len(at), 3, 64, 64), np.float32)
    return Scene(images=images, at=at, cam_from_world=cameras, K=np.eye(3), kind="3d")


def test_anchors_are_far_from_the_first_view_and_each_other() -> None:
    points = np.array([[x, 0, 0] for x in range(11)], np.float64)
    assert farthest_points(points, points[0], 4).tolist() == [10, 5, 2, 7]


def test_every_pose_is_made_once_among_its_neighbours() -> None:
    scene = line_of(30, (4, 17, 21))
    groups = group_poses(scene, 12)
    targets = [f for g in groups for i, f in enumerate(g.frames) if i not in g.at]
    assert set(targets) == set(range(30)) - {4, 17, 21}
    assert len(groups) == 3
    assert {len(group.frames) for group in groups} == {12}
    x = camera_centers(scene.cam_from_world)[:, 0]
    for group in groups:
        assert group.at == (0, 5, 11)  # as the released evaluation puts them
        assert [group.frames[place] for place in group.at] == [scene.at[i] for i in group.images]
    assert np.ptp(x[[f for i, f in enumerate(groups[0].frames) if i not in groups[0].at]]) <= 11


def test_a_group_is_given_the_known_views_near_it() -> None:
    scene = line_of(40, (0, 9, 19, 28, 37))
    x = camera_centers(scene.cam_from_world)[:, 0]
    for group in group_poses(scene, 9):
        middle = x[[f for i, f in enumerate(group.frames) if i not in group.at]].mean()
        nearest = np.argsort(np.abs(x[list(scene.at)] - middle))[:3]
        assert sorted(nearest.tolist()) == list(group.images)
        part = group.scene(scene)
        assert part.num_frames == 9
        assert part.images.shape == (3, 3, 64, 64)
        np.testing.assert_array_equal(part.cam_from_world, scene.cam_from_world[list(group.frames)])


def test_a_group_without_targets_is_refused() -> None:
    with pytest.raises(ConfigError, match="a group must have a frame to be made, got 3 of 3 known"):
        group_poses(line_of(10, (0, 4, 9)), 3)
    with pytest.raises(ConfigError, match="is for views of one instant"):
        group_poses(replace(line_of(10, (0, 4, 9)), kind="4d"), 6)
