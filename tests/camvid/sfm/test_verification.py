"""Tracks of a known scene held against its cameras."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.artifacts import PointTracks, Reconstruction, ReconstructionQuality
from camvid.sfm.verification import check_tracks


def reconstruction_of(scene, num_points=0):
    """The scene's own cameras, with the sightings of its first points."""
    frame, point = np.nonzero(scene.tracks.visible[:, :num_points])
    return Reconstruction(
        camera="moving",
        K=scene.cameras.K,
        cam_from_world=scene.cameras.cam_from_world,
        registered=scene.cameras.registered,
        points_world=scene.xyz_world[:num_points].astype(np.float32),
        point_rgb=np.zeros((num_points, 3), np.uint8),
        observation_frame=frame.astype(np.int32),
        observation_point=point.astype(np.int32),
        observation_xy_px=scene.tracks.xy_px[frame, point],
        quality=ReconstructionQuality(),
    )


def arc(num_frames=24):
    """Positions and yaw of a camera that circles the scene: its path is no straight line."""
    angle = np.linspace(-25, 25, num_frames)
    position = 7 * np.stack([np.sin(np.radians(angle)), 0 * angle, -np.cos(np.radians(angle))], 1)
    return position + [0, 0, 7], -angle


def labelled(tracks, object_id):
    return replace(tracks, object_id=object_id.astype(np.uint16))


def test_static_tracks_are_within_the_noise_and_movers_far_out_of_it(scene_of):
    scene = scene_of(*arc(), moving_fraction=0.2)
    check = check_tracks(scene.tracks, reconstruction_of(scene))
    long = check.num_frames >= 8
    assert check.noise_px == pytest.approx(0.1, rel=0.1)
    assert np.quantile(check.sigmas[100:][long[100:]], 0.99) < 2
    assert check.sigmas[:100][long[:100]].min() > 10
    assert check.agreeing_share[100:][long[100:]].min() > 0.8
    assert np.median(check.agreeing_share[:100]) < 0.3
    error = np.linalg.norm(check.xyz_world - scene.xyz_world, axis=1)
    assert np.median(error[100:][long[100:]]) < 0.01


def test_motion_along_the_epipolar_lines_is_seen_as_depth_that_changes(scene_of):
    sideways = scene_of(*arc(), moving_fraction=0.2, velocity=(0.05, 0, 0))
    check = check_tracks(sideways.tracks, reconstruction_of(sideways))
    seen = check.num_frames >= 12
    assert np.median(check.sigmas[:100][seen[:100]]) > 4
    assert np.quantile(check.sigmas[100:][seen[100:]], 0.99) < 2


def test_noise_comes_from_the_reconstruction_where_all_tracks_lie_on_movers(scene_of):
    scene = scene_of(*arc(), moving_fraction=0.5)
    movers = labelled(scene.tracks, np.ones(500))
    solved = reconstruction_of(scene_of(*arc()), num_points=200)
    check = check_tracks(movers, solved)
    assert check.noise_px == pytest.approx(0.1, rel=0.1)
    assert np.median(check.sigmas[:250]) > 10


def test_turning_cameras_check_directions(scene_of):
    still = np.zeros((24, 3))
    scene = scene_of(still, np.linspace(0, 20, 24), moving_fraction=0.2)
    check = check_tracks(scene.tracks, reconstruction_of(scene))
    long = check.num_frames >= 8
    assert check.noise_px == pytest.approx(0.1, rel=0.1)
    assert np.quantile(check.sigmas[100:][long[100:]], 0.99) < 2
    assert np.median(check.sigmas[:100][long[:100]]) > 10


def test_tracks_that_no_camera_saw_are_said_so(scene_of):
    scene = scene_of(*arc())
    tracks = scene.tracks
    unseen = PointTracks(
        xy_px=tracks.xy_px,
        visible=np.zeros_like(tracks.visible),
        object_id=tracks.object_id,
        query_frame=tracks.query_frame,
    )
    check = check_tracks(unseen, reconstruction_of(scene))
    assert (check.num_frames == 0).all()
    assert np.isinf(check.sigmas).all()
    assert (check.agreeing_share == 0).all()


def test_a_zoom_is_taken_into_account(scene_of):
    focal_px = np.linspace(500, 600, 24)
    scene = scene_of(np.zeros((24, 3)), np.linspace(0, 20, 24), focal_px=focal_px)
    turning = Reconstruction.turning(
        "zooming",
        scene.cameras.cam_from_world[:, :, :3],
        K=scene.cameras.K,
        zoom=focal_px / 500,
        quality=ReconstructionQuality(),
        reasons=(),
    )
    check = check_tracks(scene.tracks, turning)
    assert check.noise_px == pytest.approx(0.1, rel=0.15)
