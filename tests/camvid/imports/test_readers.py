"""The same cameras through every format, to the last digit, and what is wrong with others."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64
from camvid.errors import ConfigError, VideoError
from camvid.geometry import invert_rigid
from camvid.imports.cameras import GivenCameras
from camvid.imports.clips import posed_clips
from camvid.imports.formats import find_sources, read_source
from camvid.imports.posed import Footage
from camvid.scenes.movie import write_video
from camvid.video.cut import CutClip, CutOptions

NUM, WIDTH, HEIGHT = 12, 256, 144
K = np.array([[210.0, 0, WIDTH / 2], [0, 210.0, HEIGHT / 2], [0, 0, 1]])


def cameras() -> F64:
    rng = np.random.default_rng(2)
    turn = Rotation.from_rotvec(rng.normal(0, 0.1, (NUM, 3))).as_matrix()
    return np.concatenate([turn, rng.normal(0, 1, (NUM, 3, 1))], axis=2)


def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (NUM, HEIGHT, WIDTH, 3))
    soft = np.stack([cv2.GaussianBlur(image, (0, 0), 2.0) for image in noise])
    return np.clip(128 + 500 * soft, 0, 255).astype(np.uint8)


def write_images(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{n:04d}.png" for n in range(NUM)]
    for name, image in zip(names, images(), strict=True):
        cv2.imwrite(str(folder / name), image)
    return names


def write_colmap(root: Path, model: str = "PINHOLE 210 210 128 72") -> None:
    names = write_images(root / "images")
    sparse = root / "sparse" / "0"
    sparse.mkdir(parents=True)
    kind, *numbers = model.split()
    line = f"1 {kind} {WIDTH} {HEIGHT} {' '.join(numbers)}\n"
    (sparse / "cameras.txt").write_text(line)
    lines: list[str] = []
    for n, (name, pose) in enumerate(zip(names, cameras(), strict=True)):
        x, y, z, w = Rotation.from_matrix(pose[:, :3]).as_quat().tolist()
        shift = " ".join(repr(float(v)) for v in pose[:, 3])
        lines += [f"{n + 1} {w!r} {x!r} {y!r} {z!r} {shift} 1 {name}", ""]
    (sparse / "images.txt").write_text("\n".join(lines) + "\n")
    (sparse / "points3D.txt").write_text("")


def write_nerfstudio(root: Path) -> None:
    names = write_images(root / "images")
    poses = np.tile(np.eye(4), (NUM, 1, 1))
    poses[:, :3] = invert_rigid(cameras()) * [1, -1, -1, 1]
    lens = {"fl_x": 210, "fl_y": 210, "cx": 128, "cy": 72, "w": WIDTH, "h": HEIGHT}
    frames = [
        {"file_path": f"images/{name}", "transform_matrix": pose.tolist()}
        for name, pose in zip(names, poses, strict=True)
    ]
    (root / "transforms.json").write_text(json.dumps(lens | {"frames": frames[::-1]}))


def write_realestate10k(root: Path) -> None:
    (root / "cameras").mkdir()
    (root / "videos").mkdir()
    write_video(root / "videos" / "a.mp4", images(), 24)
    lens = [K[0, 0] / WIDTH, K[1, 1] / HEIGHT, 0.5, 0.5, 0, 0]
    rows = [[int(1e6 * n / 24), *lens, *pose.ravel().tolist()] for n, pose in enumerate(cameras())]
    lines = [" ".join(repr(float(value)) for value in row) for row in rows]
    (root / "cameras" / "a.txt").write_text("\n".join(["https://x.y/watch?v=b", *lines]))


def write_npz(root: Path) -> None:
    write_video(root / "a.mp4", images(), 24)
    np.savez(root / "a.npz", K=K, cam_from_world=cameras())


def write_megasam(root: Path) -> None:
    write_video(root / "a.mp4", images(), 24)
    poses = np.tile(np.eye(4), (NUM, 1, 1))
    poses[:, :3] = invert_rigid(cameras())
    half = np.zeros((NUM, HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    lens = np.diag([0.5, 0.5, 1]) @ K
    np.savez(root / "a_sgd_cvd_hr.npz", intrinsic=lens, cam_c2w=poses, images=half)


def write_vggt(root: Path) -> None:
    write_video(root / "a.mp4", images(), 24)
    chw = np.zeros((NUM, 3, HEIGHT, WIDTH), np.float32)
    lens = np.tile(K, (NUM, 1, 1))
    np.savez(root / "a_predictions.npz", intrinsic=lens, extrinsic=cameras(), images=chw)


def write_vipe(root: Path) -> None:
    for name in ("rgb", "pose", "intrinsics"):
        (root / name).mkdir()
    write_video(root / "rgb" / "a.mp4", images(), 24)
    poses = np.tile(np.eye(4), (NUM, 1, 1))
    poses[:, :3] = invert_rigid(cameras())
    np.savez(root / "pose" / "a.npz", data=poses, inds=np.arange(NUM))
    lens = np.tile([210.0, 210, 128, 72], (NUM, 1))
    np.savez(root / "intrinsics" / "a.npz", data=lens, inds=np.arange(NUM))


def tum_rows(stamps: Sequence[float]) -> str:
    poses = invert_rigid(cameras())
    turns = Rotation.from_matrix(poses[:, :, :3]).as_quat()
    rows = np.column_stack([stamps, poses[:, :, 3], turns]).tolist()
    return "\n".join(["# timestamp tx ty tz qx qy qz qw", *(" ".join(map(repr, r)) for r in rows)])


def write_tum(root: Path) -> None:
    write_video(root / "video.mp4", images(), 24)
    (root / "calib.txt").write_text("210 210 128 72")
    (root / "trajectory.txt").write_text(tum_rows(np.arange(NUM) / 24))


FORMATS = {
    "colmap": write_colmap,
    "nerfstudio": write_nerfstudio,
    "realestate10k": write_realestate10k,
    "npz": write_npz,
    "tum": write_tum,
}
OF_NPZ = [write_megasam, write_vggt, write_vipe]


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_and_gives_the_same_cameras(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path)
    assert_same(tmp_path, name)


@pytest.mark.parametrize("write", OF_NPZ)
def test_arrays_of_pose_estimators(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    assert_same(tmp_path, "npz")


def given_of(piece: CutClip) -> GivenCameras:
    (given,) = piece.extra
    assert isinstance(given, GivenCameras)
    return given


def assert_same(root: Path, name: str) -> None:
    found, (source,) = find_sources(str(root))
    assert found == name
    (piece,) = posed_clips(read_source(source, name, Footage()), CutOptions())
    assert (piece.clip.num_frames, piece.rejected) == (NUM, None)
    given = given_of(piece)
    np.testing.assert_allclose(given.cam_from_world, cameras(), atol=1e-9)
    np.testing.assert_allclose(given.K, K, atol=1e-9)
    assert (given.zoom == 1).all()


def test_cameras_of_some_frames_take_these_by_their_times(tmp_path: Path) -> None:
    write_realestate10k(tmp_path)
    write_video(tmp_path / "videos" / "b.mp4", np.repeat(images(), 2, axis=0), 48)
    (tmp_path / "videos" / "a.mp4").unlink()  # the address names the other one
    (source,) = find_sources(str(tmp_path))[1]
    (piece,) = posed_clips(read_source(source, "realestate10k", Footage()), CutOptions())
    assert piece.clip.source_frame_index.tolist() == list(range(0, 2 * NUM, 2))


def test_a_trajectory_of_frame_numbers(tmp_path: Path) -> None:
    write_tum(tmp_path)
    (tmp_path / "trajectory.txt").write_text(tum_rows(range(NUM)))
    assert_same(tmp_path, "tum")


def test_images_take_the_pose_nearest_in_time(tmp_path: Path) -> None:
    write_images(tmp_path / "rgb")
    (tmp_path / "K.json").write_text(json.dumps({"K": K.tolist()}))
    for n, path in enumerate(sorted((tmp_path / "rgb").iterdir())):
        path.rename(tmp_path / "rgb" / f"{100 + n / 10 + 0.004:.6f}.png")
    stamps = 100 + np.arange(NUM) / 10
    stamps[-2:] += 0.03  # further than TUM's tools allow
    extra = "9.0 0 0 0 0 0 0 1\n"  # long before
    (tmp_path / "groundtruth.txt").write_text(extra + tum_rows(stamps.tolist()))
    _, (source,) = find_sources(str(tmp_path))
    posed = read_source(source, "tum", Footage())
    assert len(posed.footage) == NUM - 2
    np.testing.assert_allclose(posed.cam_from_world, cameras()[:-2], atol=1e-9)


@pytest.mark.parametrize("name", ["colmap", "camvid30k"])
def test_a_model_for_each_clip(name: str, tmp_path: Path) -> None:
    for clip in ("a", "b"):
        write_colmap(tmp_path / clip)
        (tmp_path / clip / "sparse" / "0").rename(tmp_path / clip / "0")  # as the release has it
    _, sources = find_sources(str(tmp_path), name)
    assert [Path(source).parts[-3] for source in sources] == ["a", "b"]
    assert read_source(sources[1], name, Footage()).footage[0].parts[-3] == "b"


def test_poses_without_images_find_them_by_the_clip_s_name(tmp_path: Path) -> None:
    write_colmap(tmp_path / "poses" / "a")
    (tmp_path / "frames").mkdir()
    (tmp_path / "poses" / "a" / "images").rename(tmp_path / "frames" / "a")
    _, (source,) = find_sources(str(tmp_path / "poses"), "camvid30k")
    posed = read_source(source, "camvid30k", Footage(folder=str(tmp_path / "frames")))
    assert posed.footage[0] == tmp_path / "frames" / "a" / "0000.png"


def test_cameras_are_those_of_the_working_size(tmp_path: Path) -> None:
    write_npz(tmp_path)
    _, (source,) = find_sources(str(tmp_path))
    (piece,) = posed_clips(read_source(source, "npz", Footage()), CutOptions(max_side_px=128))
    assert (piece.clip.width_px, piece.clip.height_px) == (128, 72)
    np.testing.assert_allclose(given_of(piece).K, np.diag([0.5, 0.5, 1]) @ K)


def test_long_sources_are_cut_into_equal_clips(tmp_path: Path) -> None:
    write_colmap(tmp_path)
    _, (source,) = find_sources(str(tmp_path))
    posed = read_source(source, "colmap", Footage(fps=1.0))
    pieces = list(posed_clips(posed, CutOptions(max_clip_s=4.0)))
    assert [p.clip.num_frames for p in pieces] == [4, 4, 4]
    poses = np.concatenate([given_of(p).cam_from_world for p in pieces])
    np.testing.assert_allclose(poses, cameras(), atol=1e-9)


@pytest.mark.parametrize(
    ("write", "spoil", "said"),
    [
        (write_colmap, lambda r: (r / "images/0003.png").unlink(), "0003.png missing"),
        (write_npz, lambda r: (r / "a.mp4").unlink(), "--footage"),
        (write_npz, lambda r: np.savez(r / "a.npz", K=K), "poses .T, 3, 4."),
        (write_tum, lambda r: (r / "calib.txt").unlink(), "a lens beside it, in one of K.json"),
        (
            write_npz,
            lambda r: np.savez(r / "a.npz", K=K, cam_from_world=2 * cameras()),
            "poses that are rotations",
        ),
        (
            write_npz,
            lambda r: np.savez(r / "a.npz", K=K, cam_from_world=np.repeat(cameras(), 2, axis=0)),
            "12 of 24 beyond it",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    write: Callable[[Path], None], spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    write(tmp_path)
    spoil(tmp_path)
    name, (source,) = find_sources(str(tmp_path))
    with pytest.raises(VideoError, match=said):
        list(posed_clips(read_source(source, name, Footage()), CutOptions()))


def test_fisheyes_are_refused_by_name(tmp_path: Path) -> None:
    write_colmap(tmp_path, "OPENCV_FISHEYE 210 210 128 72 0 0 0 0")
    _, (source,) = find_sources(str(tmp_path))
    with pytest.raises(VideoError, match="OPENCV_FISHEYE"):
        read_source(source, "colmap", Footage())


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found none"):
        find_sources(str(tmp_path))
    with pytest.raises(ConfigError, match="did you mean `colmap`"):
        find_sources(str(tmp_path), "colmapp")
