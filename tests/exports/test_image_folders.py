"""COLMAP, CamVid-30K and nerfstudio folders: pycolmap opens two, nerfstudio's rules the third."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.dataset.run import open_run
from camvid.exports.view import View
from camvid.geometry import invert_rigid
from camvid.sfm.colmap import pycolmap
from camvid.store import ClipStore
from tests.exports.exporting import assert_same_cameras, export, views

OPTIONS = {"fps": 12.0, "frames": 15, "width_px": 96, "height_px": 64}


def assert_is_colmap_of(view: View, model: Path, images: Path) -> None:
    found = pycolmap.Reconstruction(str(model))
    ordered = sorted(found.images.values(), key=lambda image: image.name)
    cameras = np.stack([image.cam_from_world().matrix() for image in ordered])
    assert_same_cameras(cameras, view)
    K = np.stack([image.camera.calibration_matrix() for image in ordered])
    np.testing.assert_allclose(K, view.K, atol=1e-6)
    assert len(found.cameras) == (15 if view.clip.kind == "3d" else 1)  # the one whose lens zooms
    assert [image.name for image in ordered] == sorted(path.name for path in images.iterdir())
    places = np.stack([found.points3D[number].xyz for number in sorted(found.points3D)])
    np.testing.assert_allclose(places, view.points_world, atol=1e-6)
    assert pycolmap.Bitmap.read(str(images / ordered[0].name), as_rgb=True).width == 96


def test_pycolmap_opens_a_workspace(run: ClipStore, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "colmap", **OPTIONS)
    for view in views(run, **OPTIONS):
        workspace = tmp_path / "out" / view.clip.clip_id
        assert_is_colmap_of(view, workspace / "sparse/0", workspace / "images")
        mask = cv2.imread(str(workspace / "masks/000003.jpg.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask == 0, view.masks()[3] > 0)


def test_pycolmap_opens_camvid30k(run: ClipStore, tmp_path: Path) -> None:
    done = export(run, tmp_path / "out", "camvid30k", **OPTIONS)
    for view in views(run, **OPTIONS):
        sample = tmp_path / "out" / view.clip.clip_id
        assert_is_colmap_of(view, sample / "0", sample / "images")
        assert {"cameras.bin", "images.bin", "points3D.bin", "project.ini"} <= {
            path.name for path in (sample / "0").iterdir()
        }
    lines = (tmp_path / "out/metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["motion_strength"] for line in lines] == [0.02, 0.02]
    assert [json.loads(line) for line in lines] == [clip.entry for clip in done]


def test_stored_frames_stay_the_bytes_that_they_are(run: ClipStore, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "camvid30k", stored_frames=True, kinds=("4d",))
    clip = next(open_run(run.root).clips("4d"))
    first = (tmp_path / "out" / clip.clip_id / "images/000000.jpg").read_bytes()
    assert first == clip.jpegs()[0]


def test_nerfstudio_reads_its_folder(run: ClipStore, tmp_path: Path) -> None:
    """By the rules of its data parser: intrinsics a frame or above, OpenGL axes, masks, depth."""
    export(run, tmp_path / "out", "nerfstudio", **OPTIONS)
    for view in views(run, **OPTIONS):
        scene = tmp_path / "out" / view.clip.clip_id
        meta = json.loads((scene / "transforms.json").read_text())
        assert (meta["camera_model"], meta["w"], meta["h"]) == ("OPENCV", 96, 64)
        poses = np.array([frame["transform_matrix"] for frame in meta["frames"]])
        opencv = poses[:, :3] * [1, -1, -1, 1]
        assert_same_cameras(invert_rigid(opencv), view)
        # What stands above holds for all frames, whatever they say themselves.
        focal = [meta.get("fl_x", frame.get("fl_x")) for frame in meta["frames"]]
        np.testing.assert_allclose(focal, view.K[:, 0, 0], rtol=1e-12)
        frame = meta["frames"][4]
        assert cv2.imread(str(scene / frame["file_path"])).shape == (64, 96, 3)
        depth = cv2.imread(str(scene / frame["depth_file_path"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(depth * 1e-3, view.depth()[4], atol=6e-4)
        mask = cv2.imread(str(scene / frame["mask_path"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask == 0, view.masks()[4] > 0)
        ply = (scene / meta["ply_file_path"]).read_bytes()
        header, body = ply.split(b"end_header\n")
        assert b"element vertex 30\n" in header
        xyz = np.frombuffer(body, "<f4, <f4, <f4, u1, u1, u1")
        assert xyz[7][0] == pytest.approx(view.points_world[7, 0])
