"""Named camera paths go where they say; those of files come back as they were."""

import json
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import DepthMaps, MotionReport, ObjectMasks, PointTracks, Reconstruction
from camvid.errors import ConfigError
from camvid.genxd.camera_paths import NAMED_PATHS, compose, named_path, read_path
from camvid.geometry import camera_centers, img_from_cam, invert_rigid, transform_points
from tests.genxd.runs import clip_id, write_run

SUBJECT = np.array([[0, 0, 1.0]])


def seen_at(path_cameras: np.ndarray, K: np.ndarray, points: np.ndarray) -> np.ndarray:
    """xy_px [F, P, 2] of world points."""
    pairs = zip(path_cameras, K, strict=True)
    return np.stack([img_from_cam(k, transform_points(c, points))[0] for c, k in pairs])


@pytest.mark.parametrize("name", NAMED_PATHS)
def test_named_paths_are_rigid_and_start_at_the_image(name: str) -> None:
    path = named_path(name, 7)
    rotation = path.cam_from_world[:, :, :3]
    assert path.cam_from_world.shape == (7, 3, 4)
    np.testing.assert_allclose(path.cam_from_world[0], np.eye(3, 4), atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.swapaxes(1, 2), np.tile(np.eye(3), (7, 1, 1)),
                               atol=1e-12)  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


@pytest.mark.parametrize("name", ["orbit", "spiral"])
def test_the_subject_stays_in_the_middle(name: str) -> None:
    path = named_path(name, 9, 30.0 if name == "orbit" else 0.3)
    xy = seen_at(path.cam_from_world, path.K_of((100, 200)), SUBJECT)
    np.testing.assert_allclose(xy, np.full((9, 1, 2), [100, 50]), atol=1e-9)


def test_an_orbit_keeps_its_distance_and_goes_to_the_right() -> None:
    centers = camera_centers(named_path("orbit", 5, 90).cam_from_world)
    np.testing.assert_allclose(np.linalg.norm(centers - SUBJECT, axis=1), 1)
    np.testing.assert_allclose(centers[-1], [1, 0, 1], atol=1e-12)
    left = camera_centers(named_path("orbit", 5, -90).cam_from_world)
    np.testing.assert_allclose(left[-1], [-1, 0, 1], atol=1e-12)


def test_forward_pan_and_static() -> None:
    centers = camera_centers(named_path("forward", 3, 0.6).cam_from_world)
    np.testing.assert_allclose(centers, [[0, 0, 0], [0, 0, 0.3], [0, 0, 0.6]])
    pan = named_path("pan", 3, 20)
    assert not camera_centers(pan.cam_from_world).any()
    ahead = invert_rigid(pan.cam_from_world)[-1, :, 2]
    np.testing.assert_allclose(ahead, [np.sin(np.radians(20)), 0, np.cos(np.radians(20))])
    static = named_path("static", 3).cam_from_world
    np.testing.assert_array_equal(static, np.tile(np.eye(3, 4), (3, 1, 1)))


def test_a_dolly_zoom_keeps_the_size_of_the_subject_and_not_of_what_is_behind() -> None:
    path = named_path("dolly_zoom", 4, 0.5)
    K = path.K_of((64, 64))
    at_subject = np.array([[0.1, 0, 1.0]])
    size = seen_at(path.cam_from_world, K, at_subject)[:, 0, 0] - 32
    np.testing.assert_allclose(size, size[0])
    behind = seen_at(path.cam_from_world, K, at_subject * 5)[:, 0, 0] - 32
    assert behind[-1] < 0.6 * behind[0]
    with pytest.raises(ConfigError, match="must stop before the subject, below 1, got 1"):
        named_path("dolly_zoom", 4, 1)


def test_any_frame_may_be_the_reference() -> None:
    path = named_path("spiral", 6)
    seen = path.seen_from(2)
    np.testing.assert_allclose(seen[2], np.eye(3, 4), atol=1e-12)
    relative = compose(path.cam_from_world, invert_rigid(path.cam_from_world[0]))
    np.testing.assert_allclose(compose(seen, invert_rigid(seen[0])), relative, atol=1e-12)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"one of orbit, forward, .*, got 'orbits'"):
        named_path("orbits", 4)


def write_cameras(folder: Path, cameras: np.ndarray, K: np.ndarray) -> None:
    """As generated scenes are written: camera-to-world, a K for each frame."""
    world_from_cam = np.tile(np.eye(4), (len(cameras), 1, 1))
    world_from_cam[:, :3] = invert_rigid(cameras)
    frames = [
        {"cam_c2w_opencv": m.tolist(), "K": k.tolist()}
        for m, k in zip(world_from_cam, K, strict=True)
    ]
    known = {"width": 320, "height": 180, "K": K[0].tolist(), "frames": frames}
    (folder / "cameras.json").write_text(json.dumps(known))


def test_cameras_json_comes_back_evenly_and_in_the_size_asked_for(tmp_path: Path) -> None:
    orbit = named_path("orbit", 9)
    write_cameras(tmp_path, orbit.cam_from_world, orbit.K_of((180, 320)))
    for source in (tmp_path, tmp_path / "cameras.json"):
        path = read_path(str(source), 5)
        np.testing.assert_allclose(path.cam_from_world, orbit.cam_from_world[::2], atol=1e-12)
        np.testing.assert_allclose(path.K_of((90, 160)), orbit.K_of((90, 160))[::2])
    with pytest.raises(ConfigError, match="shape of the camera's, 320x180, got 180x180"):
        path.K_of((180, 180))
    with pytest.raises(ConfigError, match="must have 10 cameras or more, has 9"):
        read_path(str(tmp_path), 10)


def test_a_tum_trajectory_with_and_without_a_calibration(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    lines = ["# timestamp tx ty tz qx qy qz qw", "0 0 0 0 0 0 0 1", f"1 1 2 3 0 {half} 0 {half}"]
    (tmp_path / "groundtruth_tum.txt").write_text("\n".join(lines))
    path = read_path(str(tmp_path), 2)
    np.testing.assert_allclose(camera_centers(path.cam_from_world), [[0, 0, 0], [1, 2, 3]])
    np.testing.assert_allclose(invert_rigid(path.cam_from_world)[1, :, 2], [1, 0, 0], atol=1e-9)
    assert path.K is None
    known = {"width": 100, "height": 50, "K": [[90, 0, 51], [0, 91, 26], [0, 0, 1]]}
    (tmp_path / "camera.json").write_text(json.dumps(known))
    K = read_path(str(tmp_path / "groundtruth_tum.txt"), 2).K_of((100, 200))
    np.testing.assert_allclose(K[1], [[180, 0, 102], [0, 182, 52], [0, 0, 1]])


def test_the_camera_of_a_clip_in_shards(
    tmp_path: Path,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
) -> None:
    artifacts = (masks, reconstruction, depth, tracks, motion)
    root = write_run(tmp_path / "run", "4v", artifacts).root
    path = read_path(f"{root}#{clip_id(0)}", 5)  # the sixth camera is not registered
    np.testing.assert_allclose(path.cam_from_world, reconstruction.cam_from_world[:5])
    np.testing.assert_allclose(path.K_of((24, 32))[0], reconstruction.K)
    assert path.scene_scale
    with pytest.raises(ConfigError, match="must have cameras, but is a video"):
        read_path(f"{root}#{clip_id(1)}", 5)
    with pytest.raises(ConfigError, match="must hold clip 'x', but does not"):
        read_path(f"{root}#x", 5)


def test_unreadable_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "cameras.json").write_text("{}")
    for source in (str(tmp_path), str(tmp_path / "none.txt")):
        with pytest.raises(ConfigError, match=f"the cameras of {source} must be readable"):
            read_path(source, 2)
