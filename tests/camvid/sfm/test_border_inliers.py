"""A mover that hides most of the image, and the background around it."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.sfm.border_inliers import find_agreement, on_border
from camvid.tracking.tracks import tracks_of

DRIFT_PX = np.arange(20, dtype=np.float32)[:, None, None] * np.float32([4, 2])  # [T, 1, 2]


@pytest.fixture
def half_hidden(scene_of):
    """A static scene whose tracks in the middle of the image move together, as one thing."""
    t = np.linspace(0, 1, 20)
    scene = scene_of(np.stack([3 * t - 1.5, 0 * t, 0.5 * t], axis=1), 10 - 20 * t)
    middle = np.abs(scene.tracks.xy_px - [320, 180]).max(axis=2).mean(axis=0) < 150
    moved = scene.tracks.xy_px.copy()
    moved[:, middle] += DRIFT_PX
    return scene, replace(scene.tracks, xy_px=moved.astype(np.float32)), middle


def test_the_background_holds_the_rim(half_hidden):
    scene, tracks, middle = half_hidden
    agreement = find_agreement(scene.cameras, tracks, (640, 360))
    seen = tracks.visible.sum(axis=0) >= 6
    assert agreement.agrees[seen & ~middle].mean() > 0.95
    assert agreement.agrees[seen & middle].mean() < 0.1
    assert agreement.border_share > 0.8


def test_what_was_solved_in_the_middle_does_not(half_hidden):
    scene, tracks, middle = half_hidden
    captured = scene.tracks.xy_px.copy()
    captured[:, ~middle] += DRIFT_PX  # all but the mover
    tracks = replace(tracks, xy_px=captured)
    agreement = find_agreement(scene.cameras, tracks, (640, 360))
    assert agreement.border_share < 0.3


def test_the_rim_is_where_the_background_is_seen(half_hidden):
    _, tracks, middle = half_hidden
    around = on_border(tracks, (640, 360))
    seen = tracks.visible.sum(axis=0) >= 6
    assert around[seen & middle].mean() < 0.2
    assert around[seen & ~middle].mean() > 0.6
    assert tracks_of(tracks, around).visible.shape[1] == around.sum()


def test_no_cameras_hold_nothing(walk):
    nowhere = walk.cameras._replace(
        cam_from_world=np.full_like(walk.cameras.cam_from_world, np.nan)
    )
    agreement = find_agreement(nowhere, walk.tracks, (640, 360))
    assert agreement.border_share == 0
    assert not agreement.agrees.any()
