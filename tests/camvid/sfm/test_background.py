"""Which tracks belong to the background, and does the lens zoom."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.sfm import background
from camvid.sfm.adjustment import let_zoom
from camvid.sfm.background import (
    cover,
    informative_tracks,
    solve_background,
)
from camvid.sfm.keyframes import choose_keyframes
from camvid.sfm.observations import observations_of
from camvid.tracking.tracks import tracks_of

SIZE_PX = (640, 360)
T = np.linspace(0, 1, 24)
SIDEWAYS = np.stack([3 * T - 1.5, 0.1 * np.sin(5 * T), 0.5 * T], axis=1)


def solve(tracks, assumed_static=()):
    keyframes = choose_keyframes(tracks, 640)
    return solve_background(tracks, assumed_static, keyframes, SIZE_PX)


@pytest.fixture
def furnished(scene_of):
    """30 tracks on bare walls; 400 on things, of which the first (100 tracks) moves."""
    scene = scene_of(SIDEWAYS, 10 - 20 * T, num_points=430, moving_fraction=100 / 430)
    object_id = np.repeat([1, 2, 3, 4, 0], [100, 100, 100, 100, 30]).astype(np.uint16)
    return scene, replace(scene.tracks, object_id=object_id)


def test_things_that_stand_still_help_where_walls_are_bare(furnished, monkeypatch):
    scene, tracks = furnished
    with monkeypatch.context() as patch:
        patch.setattr(background, "_ENOUGH_TRACKS", 0.0)
        alone = solve(tracks_of(tracks, tracks.object_id == 0))
    assert alone is None  # from the walls alone: no way
    for assumed_static in ((), (2, 3)):
        found = solve(tracks, assumed_static)
        assert found is not None
        assert set(np.unique(found.tracks.object_id)) == {0, 2, 3, 4}
        assert scene.position_error(found.cameras) < 0.005


def test_things_that_stand_still_join_a_background_that_suffices(furnished, monkeypatch):
    monkeypatch.setattr(background, "_ENOUGH_TRACKS", 100.0)
    scene, tracks = furnished
    more = replace(tracks, object_id=np.where(tracks.object_id < 3, tracks.object_id, 0))
    found = solve(more)
    assert found is not None
    assert set(np.unique(found.tracks.object_id)) == {0, 2}
    assert scene.position_error(found.cameras) < 0.005


def test_a_mover_does_not_pass_for_the_world(scene_of):
    """It has most of the tracks, but the few of the background contradict it."""
    scene = scene_of(SIDEWAYS, 10 - 20 * T, num_points=430, moving_fraction=0.9)
    object_id = np.repeat([1, 0], [387, 43]).astype(np.uint16)
    found = solve(replace(scene.tracks, object_id=object_id))
    assert found is None or set(np.unique(found.tracks.object_id)) == {0}


def test_a_single_object_is_not_asked_about_the_camera(furnished):
    _, tracks = furnished
    on_one = tracks_of(tracks, tracks.object_id == 2)
    assert informative_tracks(on_one, (2,), SIZE_PX).visible.shape[1] == 0
    told = informative_tracks(tracks, (2, 3), SIZE_PX)
    assert set(np.unique(told.object_id)) == {0, 2, 3}


@pytest.mark.parametrize("growth", [1.08, 0.94])
def test_a_zoom_on_the_way_is_found(scene_of, growth):
    focal_px = 500 * growth**T
    scene = scene_of(SIDEWAYS, 10 - 20 * T, focal_px=focal_px)
    found = solve(scene.tracks)
    assert found is not None
    assert found.cameras.zoom == pytest.approx(growth**T, rel=0.003)
    assert found.cameras.focal_px == pytest.approx(focal_px, rel=0.03)
    assert scene.position_error(found.cameras) < 0.003


def test_a_zoom_on_a_short_way_is_followed_to_the_end_of_its_valley(scene_of):
    """A camera that moves little and mostly forwards: after ten iterations still 24 % off."""
    focal_px = 500 * 0.9**T
    position = np.stack([0.6 * T, 0.05 * np.sin(5 * T), 0.3 * T], axis=1)
    scene = scene_of(position, 4 * T, focal_px=focal_px, noise_px=0.2)
    start = scene.cameras._replace(K=scene.cameras.K * np.array([[1.1], [1.1], [1]]))
    seen = observations_of(scene.tracks, scene.tracks.visible.sum(axis=0) >= 3)
    found, _ = let_zoom(start, seen, SIZE_PX, num_rounds=2)
    assert found.focal_px == pytest.approx(focal_px, rel=0.06)


def test_a_lens_that_does_not_zoom_is_left_alone(scene_of):
    scene = scene_of(SIDEWAYS, 10 - 20 * T)
    found = solve(scene.tracks)
    assert found is not None
    assert not found.cameras.zooms
    assert scene.position_error(found.cameras) < 0.003


def test_cover_counts_the_cells_that_tracks_are_seen_in(walk):
    assert cover(walk.tracks, SIZE_PX) > 0.8
    left = tracks_of(walk.tracks, (walk.tracks.xy_px[..., 0] < 100).all(axis=0))
    assert cover(left, SIZE_PX) <= 6 / 36
