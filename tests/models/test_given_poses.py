"""Given cameras against static tracks: what is right is certified, how far off it is is told."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64, Frames, MovableMasks, PointTracks
from camvid.geometry import img_from_cam, transform_points
from camvid.imports.cameras import GivenCameras
from camvid.models.poses.given import Judged, judge_cameras
from camvid.scenes.motion import Orbit, Pan

NUM, WIDTH, HEIGHT, FOCAL = 20, 320, 180, 260.0


class Scene(NamedTuple):
    frames: Frames
    masks: MovableMasks
    tracks: PointTracks
    given: GivenCameras

    def judge(self, *, poses: F64 | None = None, focal: float = 1.0) -> Judged:
        K = self.given.K.copy()
        K[[0, 1], [0, 1]] *= focal
        poses = self.given.cam_from_world if poses is None else poses
        given = replace(self.given, K=K, cam_from_world=poses)
        return judge_cameras(self.frames, self.masks, self.tracks, given)

    def turned(self, degrees: F64) -> F64:
        """The poses, each camera turned by [T, 3] degrees."""
        return Rotation.from_rotvec(np.radians(degrees)).as_matrix() @ self.given.cam_from_world


def seen_from(cam_from_world: F64) -> Scene:
    rng = np.random.default_rng(5)
    world = rng.uniform([-4, -4, -2], [4, 4, 4], (600, 3))
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    xy, depth = img_from_cam(K, transform_points(cam_from_world, world))
    xy += rng.normal(0, 0.08, xy.shape)
    inside = (xy > 1).all(-1) & (xy < [WIDTH - 1, HEIGHT - 1]).all(-1) & (depth > 0.5)
    shape = NUM, HEIGHT, WIDTH
    return Scene(
        frames=Frames(rgb=np.zeros((*shape, 3), np.uint8)),
        masks=MovableMasks(object_id=np.zeros(shape, np.uint16), objects=()),
        tracks=PointTracks(
            xy_px=np.where(inside[..., None], xy, 1).astype(np.float32),
            visible=inside,
            object_id=np.zeros(len(world), np.uint16),
            query_frame=inside.argmax(axis=0).astype(np.int32),
        ),
        given=GivenCameras(K=K, zoom=np.ones(NUM), cam_from_world=cam_from_world),
    )


@pytest.fixture(scope="module")
def scene() -> Scene:
    orbit = Orbit(target_m=(0, 0, 1), radius_m=9, height_m=(1, 2), angle_deg=(0, 40))
    return seen_from(orbit(np.linspace(0, 1, NUM)))


def names(judged: Judged) -> set[str]:
    return {reason.name for reason in judged.reconstruction.reasons}


def test_right_cameras_are_taken_as_they_are(scene: Scene) -> None:
    judged = scene.judge()
    found, certificate = judged.reconstruction, judged.certificate
    assert (found.camera, names(judged)) == ("moving", set())
    np.testing.assert_array_equal(found.cam_from_world, scene.given.cam_from_world)
    np.testing.assert_array_equal(found.K, scene.given.K)
    assert len(found.points_world) > 250
    assert judged.quality.inlier_fraction > 0.99
    assert certificate.epipolar_median_px < 0.1
    assert certificate.predicted_rotation_error_deg < 0.01
    assert certificate.predicted_focal_error < 0.01


@pytest.mark.parametrize("degrees", [0.1])
def test_the_error_of_rotations_is_predicted(scene: Scene, degrees: float) -> None:
    off = np.random.default_rng(0).normal(0, degrees / np.sqrt(3), (NUM, 3))
    predicted = scene.judge(poses=scene.turned(off)).certificate.predicted_rotation_error_deg
    true = np.median(np.linalg.norm(off, axis=1))
    assert predicted == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize("factor", [0.9, 1.05])
def test_the_error_of_the_focal_length_is_predicted(scene: Scene, factor: float) -> None:
    judged = scene.judge(focal=factor)
    assert judged.certificate.predicted_focal_error == pytest.approx(abs(np.log(factor)), rel=0.25)
    assert ("max_focal_uncertainty" in names(judged)) == (factor != 1.05)


def test_wrong_cameras_are_refused_with_reasons(scene: Scene) -> None:
    drift = np.outer(np.linspace(0, 1, NUM) ** 2, [0, 20.0, 0])
    for poses in (scene.turned(drift), scene.given.cam_from_world[::-1].copy()):
        judged = scene.judge(poses=poses)
        assert judged.reconstruction.camera == "unknown"
        assert "min_inlier_fraction" in names(judged)
    half = scene.given.cam_from_world.copy()
    half[NUM // 2 :] = np.nan
    assert "min_registered_fraction" in names(scene.judge(poses=half))


def test_a_camera_that_turns_in_place() -> None:
    pan = Pan(eye_m=(9, 0, 1), yaw_deg=(160, 190))
    scene = seen_from(pan(np.linspace(0, 1, NUM)))
    judged = scene.judge()
    assert judged.reconstruction.camera == "rotating"
    assert not judged.reconstruction.cam_from_world[..., 3].any()
    # a path that somebody made up for it
    shifted = scene.given.cam_from_world.copy()
    shifted[:, 0, 3] += np.linspace(0, 3, NUM)
    assert scene.judge(poses=shifted).reconstruction.camera == "unknown"
