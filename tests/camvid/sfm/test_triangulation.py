"""Points of a known scene, from its tracks."""

import numpy as np

from camvid.geometry import camera_centers
from camvid.sfm.observations import observations_of
from camvid.sfm.triangulation import triangulate


def everything(tracks):
    return observations_of(tracks, np.ones(tracks.visible.shape[1], bool))


def test_exact_tracks_give_the_exact_points_and_angles(scene_of):
    t = np.linspace(0, 1, 9)
    scene = scene_of(np.stack([2 * t, 0 * t, 0 * t], axis=1), 0 * t, noise_px=0)
    seen = scene.tracks.visible.sum(axis=0) >= 2
    points = triangulate(scene.cameras, observations_of(scene.tracks, seen))
    np.testing.assert_allclose(points.xyz_world[seen], scene.xyz_world[seen], atol=1e-3)
    assert points.error_px.max() < 1e-3
    always = np.flatnonzero(scene.tracks.visible.all(axis=0))[0]
    rays = scene.xyz_world[always] - camera_centers(scene.cameras.cam_from_world)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    widest = np.degrees(np.arccos((rays @ rays.T).min()))
    np.testing.assert_allclose(points.angle_deg[always], widest, rtol=1e-3)


def test_one_bad_observation_does_not_move_a_point(walk):
    observations = everything(walk.tracks)
    track = int(np.argmax(np.bincount(observations.track)))
    bad = int(np.flatnonzero(observations.track == track)[3])
    observations.xy_px[bad] += [40, 0]
    points = triangulate(walk.cameras, observations)
    assert np.linalg.norm(points.xyz_world[track] - walk.xyz_world[track]) < 0.3
    assert points.error_px[bad] > 30


def test_what_cannot_be_a_point_is_said_so(walk):
    observations = everything(walk.tracks)
    once = observations.where(np.arange(len(observations.frame)) < 1)
    points = triangulate(walk.cameras, once)
    assert np.isnan(points.xyz_world).all()
    assert np.isinf(points.error_px).all()
    assert (points.angle_deg == 0).all()


def test_points_behind_the_camera_have_infinite_error(walk):
    backwards = walk.cameras.cam_from_world.copy()
    backwards[:, [0, 2]] *= -1  # every camera turned round
    cameras = walk.cameras._replace(cam_from_world=backwards)
    points = triangulate(cameras, everything(walk.tracks))
    assert not (points.error_px < 1.0).any()
