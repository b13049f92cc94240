"""The kitchen of 7-Scenes as a world: cameras that fit its pixels, and depth as they see it.

The published poses are those of a depth camera, good to 1-3 cm: a board placed by them would slide
over the table by several pixels. So the clean frames, in which nothing moves, are solved with stock
COLMAP at full size, all of them; the depth maps give the metres, and how the two cameras lie to
each other. The colour camera delivered 24 of 30 frames a second: each repeat is left out.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from semi_real_worlds import World, frame_of

from camvid.artifacts import F32, F64, U8
from camvid.geometry import img_from_cam, invert_rigid, transform_points
from camvid.parallel import num_threads
from camvid.sfm.colmap import pycolmap

FLOOR_BELOW_TABLE_M = 0.74  # a usual table
_NUM_SOURCE_FRAMES = 140  # of 200; the later ones are blurred
_REPEAT = 0.5  # grey levels of mean difference: below, a frame repeats the last (0.0; others >= 4)
_FPS = 24.0
_SOFTNESS_PX = 0.8
_FARTHEST_M = 8.0
_MIN_TRACK, _MAX_ERROR_PX = 5, 1.0  # of points that the cameras are registered by
_NUM_SAMPLES = 25_000
_TOLERANCES = (0.03, 0.01)  # of depth, relative at 1 m: coarse first
_STEP = 0.01  # of the search: radians, metres, and logarithm of scale


@lru_cache(maxsize=1)
def read_kitchen(folder: Path, cache: Path) -> World:
    """The whole clip, undistorted; its ground is the table.

    Args:
        folder: the clip with frames/, depth/ and camera.json.
        cache: file that keeps the solved cameras from one call to the next.
    """
    names, rgb = _distinct_frames(folder)
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **_solve(folder, names, rgb))
    with np.load(cache) as solved:
        K, radial, table = solved["K"], float(solved["radial"]), solved["world_from_table"]
        cam_from_world, depth_from_cam = solved["cam_from_world"], solved["depth_from_cam"]
    K_depth = np.array(json.loads((folder / "camera.json").read_text())["K_depth"], np.float64)
    depth = [seen_by(_depth(folder, name), K_depth, K, depth_from_cam) for name in names]
    lens = np.array([radial, 0, 0, 0])
    return World(
        name="kitchen",
        rgb=np.stack([cv2.undistort(image, _opencv(K), lens) for image in rgb]),
        depth=np.stack(depth),
        K=K,
        cam_from_world=cam_from_world,
        world_from_ground=table,
        fps=_FPS,
        hides=True,
        softness_px=_SOFTNESS_PX,
    )


def on_floor(kitchen: World) -> World:
    """The same with the floor as its ground."""
    ground = kitchen.world_from_ground.copy()
    ground[:3, 3] -= FLOOR_BELOW_TABLE_M * ground[:3, 2]
    return replace(kitchen, world_from_ground=ground)


def seen_by(depth: F32, K_depth: F64, K: F64, depth_from_cam: F64) -> F32:
    """A depth map [H, W] as another camera of the same size sees it; 0 where nothing lands."""
    rows, columns = np.nonzero(depth)
    z = depth[rows, columns].astype(np.float64)
    xy = np.stack([columns + 0.5, rows + 0.5, np.ones(len(z))])
    points = (np.linalg.inv(K_depth) @ xy * z).T
    xy_px, own = img_from_cam(K, transform_points(invert_rigid(depth_from_cam), points))
    column, row = np.floor(xy_px).astype(int).T
    height, width = depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (own > 0)
    order = np.flatnonzero(inside)[np.argsort(-own[inside])]  # the nearest is written last
    seen = np.zeros_like(depth)
    seen[row[order], column[order]] = own[order]
    return _closed(seen)


def _closed(depth: F32) -> F32:
    """Cracks of a pixel or two between samples take the nearest depth beside them."""
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    filled = cv2.morphologyEx(inverse, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return np.where(filled > 0, 1 / np.maximum(filled, 1e-6), 0).astype(np.float32)


def _distinct_frames(folder: Path) -> tuple[list[str], U8]:
    names, kept = [], []
    for path in sorted((folder / "frames").glob("*.jpg"))[:_NUM_SOURCE_FRAMES]:
        image = cv2.imread(str(path))[..., ::-1]
        if not kept or np.abs(image.astype(np.float32) - kept[-1]).mean() > _REPEAT:
            names.append(path.stem)
            kept.append(image)
    return names, np.stack(kept)


def _depth(folder: Path, name: str) -> F32:
    metres = cv2.imread(str(folder / "depth" / f"{name}.png"), cv2.IMREAD_UNCHANGED) / 1000.0
    return np.where(metres < _FARTHEST_M, metres, 0).astype(np.float32)


def _opencv(K: F64) -> F64:
    """K of OpenCV, which counts pixels from the first one's centre."""
    shifted = K.copy()
    shifted[:2, 2] -= 0.5
    return shifted


def _solve(folder: Path, names: Sequence[str], rgb: U8) -> dict[str, Any]:
    """Cameras in metres, the lens, the table's plane, and the depth camera's place."""
    model = _map(names, rgb)
    camera = next(iter(model.cameras.values()))
    focal_px, x, y, radial = camera.params
    K = np.array([[focal_px, 0, x], [0, focal_px, y], [0, 0, 1.0]])
    poses = {image.name: image.cam_from_world().matrix() for image in model.images.values()}
    cam_from_world = np.stack([poses[f"{name}.png"] for name in names])
    depth = np.stack([_depth(folder, name) for name in names])
    K_depth = np.array(json.loads((folder / "camera.json").read_text())["K_depth"], np.float64)
    scale, depth_from_cam = _register(_observed(model, names), depth, K_depth)
    cam_from_world[..., 3] *= scale
    frames = range(0, len(names), 10)
    points = [
        _table_side(seen_by(depth[t], K_depth, K, depth_from_cam), K, cam_from_world[t])
        for t in frames
    ]
    table = plane_of(np.concatenate(points), cam_from_world[0])
    return {
        "K": K,
        "radial": radial,
        "cam_from_world": cam_from_world,
        "depth_from_cam": depth_from_cam,
        "world_from_table": table,
    }


def _map(names: Sequence[str], rgb: U8) -> Any:
    """The largest model of stock COLMAP, which must hold every frame."""
    threads = num_threads()
    extraction = pycolmap.FeatureExtractionOptions(num_threads=threads, use_gpu=False)
    matching = pycolmap.FeatureMatchingOptions(num_threads=threads, use_gpu=False)
    mapping = pycolmap.IncrementalPipelineOptions(num_threads=threads, random_seed=0)
    mapping.mapper.init_min_tri_angle = 4.0  # neighbouring frames of a hand-held camera
    reader = pycolmap.ImageReaderOptions(camera_model="SIMPLE_RADIAL")
    pairing = pycolmap.SequentialPairingOptions(overlap=7)
    pycolmap.set_random_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        images, database = Path(scratch) / "images", Path(scratch) / "database.db"
        images.mkdir()
        for name, image in zip(names, rgb, strict=True):
            cv2.imwrite(str(images / f"{name}.png"), image[..., ::-1])
        pycolmap.extract_features(
            database,
            images,
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=extraction,
        )
        pycolmap.match_sequential(database, matching_options=matching, pairing_options=pairing)
        models = pycolmap.incremental_mapping(database, images, scratch, options=mapping)
    model = max(models.values(), key=lambda m: m.num_reg_images())
    if model.num_reg_images() != len(names):
        raise ValueError(f"COLMAP must place all {len(names)} frames, got {model.num_reg_images()}")
    return model


def _observed(model: Any, names: Sequence[str]) -> tuple[np.ndarray, F64]:
    """Frame [N] and camera coordinates [N, 3] of well-known points wherever they were seen."""
    known = {
        index: point.xyz
        for index, point in model.points3D.items()
        if point.track.length() >= _MIN_TRACK and point.error < _MAX_ERROR_PX
    }
    frames, points = [], []
    for image in model.images.values():
        seen = [p.point3D_id for p in image.points2D if p.point3D_id in known]
        if seen:
            world = np.array([known[index] for index in seen])
            points.append(transform_points(image.cam_from_world().matrix(), world))
            frames += [names.index(Path(image.name).stem)] * len(seen)
    return np.array(frames), np.concatenate(points)


def _register(observed: tuple[np.ndarray, F64], depth: F32, K_depth: F64) -> tuple[float, F64]:
    """Metres per model unit, and depth_from_cam [3, 4], under which points lie on the depth maps.

    The kernel of Geman and McClure bounds what a point beside an edge can do.
    """
    chosen = np.random.default_rng(0).choice(len(observed[0]), _NUM_SAMPLES)
    frames, points = observed[0][chosen], observed[1][chosen]

    def cost(x: F64, tolerance: float) -> float:
        own, found = _depths(frames, points, depth, K_depth, *_unpacked(x))
        error = np.where(found > 0, (own - found) / np.maximum(found, 0.1) ** 1.5, tolerance)
        return float(np.mean(error**2 / (error**2 + tolerance**2)))

    start = np.zeros(7)
    own, found = _depths(frames, points, depth, K_depth, *_unpacked(start))
    start[6] = np.log(np.median(found[found > 0] / own[found > 0])) / _STEP
    for tolerance in _TOLERANCES:
        options = {"maxiter": 8, "xtol": 0.02, "ftol": 1e-5}
        start = minimize(cost, start, (tolerance,), method="Powell", options=options).x
    return _unpacked(start)


def _unpacked(x: F64) -> tuple[float, F64]:
    x = x * _STEP
    rotation = Rotation.from_rotvec(x[:3]).as_matrix()
    return float(np.exp(x[6])), np.concatenate([rotation, x[3:6, None]], axis=1)


def _depths(
    frames: np.ndarray, points: F64, depth: F32, K_depth: F64, scale: float, depth_from_cam: F64
) -> tuple[F64, F64]:
    """Depth of points and of the maps there [N]; 0 where the map has none."""
    xy_px, own = img_from_cam(K_depth, transform_points(depth_from_cam, scale * points))
    column, row = np.floor(xy_px).astype(int).T
    height, width = depth.shape[1:]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = depth[frames, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return own, np.where(inside, found, 0.0)


def _table_side(depth: F32, K: F64, cam_from_world: F64) -> F64:
    """World points [N, 3] of the image's lower 45 %, thinned."""
    first = int(0.55 * depth.shape[0])
    rows, columns = np.nonzero(depth[first::4, ::4])
    rows, columns = first + 4 * rows, 4 * columns
    xy = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    cam = (np.linalg.inv(K) @ xy * depth[rows, columns]).T
    return transform_points(invert_rigid(cam_from_world), cam)


def plane_of(points: F64, cam_from_world: F64, tolerance_m: float = 0.01) -> F64:
    """[4, 4] of the plane most points [N, 3] lie on: z towards the camera, y along its gaze."""
    rng = np.random.default_rng(0)
    best = np.zeros(len(points), bool)
    for _ in range(300):
        a, b, c = points[rng.choice(len(points), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        if length > 1e-6:
            near = np.abs((points - a) @ normal) < tolerance_m * length
            best = near if near.sum() > best.sum() else best
    middle = points[best].mean(axis=0)
    up = np.linalg.svd(points[best] - middle, full_matrices=False)[2][2]
    eye = -cam_from_world[:, :3].T @ cam_from_world[:, 3]
    up = up * np.sign(up @ (eye - middle))
    gaze = cam_from_world[2, :3]
    return frame_of(middle, gaze - up * (up @ gaze), up)
