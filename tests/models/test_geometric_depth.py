"""Depth from flow on rendered layers: static things are measured, movers only guessed."""

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from camvid.artifacts import (
    F32,
    F64,
    U8,
    U16,
    DepthMaps,
    Frames,
    MaskedObject,
    ObjectMasks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.geometry import cam_from_img
from camvid.models.depth.geometric import GeometricDepth

WIDTH, HEIGHT, NUM_FRAMES, STEP = 240, 160, 8, 0.12
K = np.array([[240.0, 0, WIDTH / 2], [0, 240.0, HEIGHT / 2], [0, 0, 1]])
WALL, BOX = 8.0, 5.0
MOVING = (2,)  # of the two objects, the one that moves


class Rendered(NamedTuple):
    frames: Frames
    masks: ObjectMasks  # 1: a still box, 2: a box that moves up
    cameras: Reconstruction
    depth: F32  # [T, H, W]


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    """A camera slides along x past a wall, a still box and one that rises before it."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 600, 900), np.uint8)
    textures = [cv2.GaussianBlur(layer, (0, 0), 2) for layer in noise]
    textures = [cv2.normalize(layer, None, 0, 255, cv2.NORM_MINMAX) for layer in textures]
    rgb = np.zeros((NUM_FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    object_id = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint16)
    depth = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.float32)
    for t in range(NUM_FRAMES):
        boxes = ((0, WALL, (-9, -9, 9, 9), 0.0), (1, BOX, (-1.6, -0.6, -0.4, 0.8), 0.0),
                 (2, BOX, (0.5, 0.2, 1.5, 1.2), -0.12 * t))  # fmt: skip
        for label, z, extent, rise in boxes:
            _paint(
                rgb[t], object_id[t], depth[t], textures[label], (STEP * t, rise), z, extent, label
            )
    objects = (MaskedObject(1, "still", 1.0), MaskedObject(2, "riser", 1.0))
    masks = ObjectMasks(object_id=object_id, objects=objects)
    return Rendered(Frames(rgb=rgb), masks, _cameras(depth, object_id), depth)


def _paint(
    rgb: U8, ids: U16, depth: F32, texture: U8, at: tuple[float, float], z: float,
    extent: tuple[float, float, float, float], label: int,
) -> None:  # fmt: skip
    """Draws the plane piece `extent` (x0, y0, x1, y1) at depth z, seen from x = at[0]."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    points = cam_from_img(K, np.stack([x, y], -1), np.full(x.shape, z))
    world_x, world_y = points[..., 0] + at[0], points[..., 1] - at[1]
    within = (world_x > extent[0]) & (world_y > extent[1])
    within &= (world_x < extent[2]) & (world_y < extent[3])
    scale = 240 / z  # texture pixels per unit: as fine as the image
    where = (world_x * scale + 400).astype(np.float32), (world_y * scale + 300).astype(np.float32)
    seen = cv2.remap(texture, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    rgb[within], ids[within], depth[within] = seen[within][:, None], label, z


def _cameras(depth: F32, object_id: U16) -> Reconstruction:
    poses = np.repeat(np.eye(3, 4)[None], NUM_FRAMES, 0)
    poses[:, 0, 3] = -STEP * np.arange(NUM_FRAMES)
    points: list[F64] = []
    places: list[F64] = []
    for t in range(NUM_FRAMES):
        x, y = np.meshgrid(np.arange(4, WIDTH, 16) + 0.5, np.arange(4, HEIGHT, 16) + 0.5)
        xy_px = np.stack([x.ravel(), y.ravel()], -1)
        static = object_id[t][xy_px[:, 1].astype(int), xy_px[:, 0].astype(int)] != 2
        xy_px = xy_px[static]
        z = depth[t][xy_px[:, 1].astype(int), xy_px[:, 0].astype(int)]
        points.append(cam_from_img(K, xy_px, z) - poses[t, :, 3])
        places.append(xy_px)
    world = np.concatenate(points).astype(np.float32)
    frame = np.repeat(np.arange(NUM_FRAMES), [len(p) for p in places])
    return Reconstruction(
        camera="moving",
        K=K,
        cam_from_world=poses,
        registered=np.ones(NUM_FRAMES, bool),
        points_world=world,
        point_rgb=np.zeros((len(world), 3), np.uint8),
        observation_frame=frame.astype(np.int32),
        observation_point=np.arange(len(world), dtype=np.int32),
        observation_xy_px=np.concatenate(places).astype(np.float32),
        quality=ReconstructionQuality(),
    )


@pytest.fixture(scope="module")
def estimated(rendered: Rendered) -> DepthMaps:
    return GeometricDepth().estimate(rendered.frames, rendered.masks, rendered.cameras, MOVING)


def relative_error(found: DepthMaps, rendered: Rendered) -> F32:
    return np.abs(found.depth / rendered.depth - 1)


def test_static_depth_is_measured(rendered: Rendered, estimated: DepthMaps) -> None:
    static = rendered.masks.object_id == 0
    error = relative_error(estimated, rendered)[static]
    assert estimated.source == "geometric"
    assert estimated.valid.all()
    assert np.median(error) < 0.01
    assert error.mean() < 0.03
    assert (estimated.residual < 0.02).all()


def test_confidence_predicts_the_error(rendered: Rendered, estimated: DepthMaps) -> None:
    static = rendered.masks.object_id == 0
    error, confidence = relative_error(estimated, rendered), estimated.confidence
    sure, unsure = static & (confidence > 180), static & (confidence < 120)
    assert sure.sum() > 0.5 * static.sum()
    assert error[sure].mean() < 0.02
    assert error[unsure].mean() > 3 * error[sure].mean()


def test_doubtful_cameras_make_no_sure_depth(rendered: Rendered) -> None:
    doubtful = replace(rendered.cameras, quality=ReconstructionQuality(focal_uncertainty=0.05))
    found = GeometricDepth().estimate(rendered.frames, rendered.masks, doubtful, MOVING)
    assert found.confidence.max() < 255 * np.exp(-0.1 / 0.1) + 1


def test_a_masked_object_that_stands_still_is_measured(
    rendered: Rendered, estimated: DepthMaps
) -> None:
    own = rendered.masks.object_id == 1
    assert relative_error(estimated, rendered)[own].mean() < 0.03
    assert np.median(estimated.confidence[own]) > 180


def test_a_mover_is_a_guess_in_front_of_the_wall(rendered: Rendered, estimated: DepthMaps) -> None:
    own = rendered.masks.object_id == 2
    assert estimated.confidence[own].max() < 64
    assert (estimated.depth[own] < WALL * 1.05).all()
    assert estimated.valid[own].all()


def test_unregistered_frames_are_invalid(rendered: Rendered) -> None:
    registered = np.arange(NUM_FRAMES) != 3
    poses = np.where(registered[:, None, None], rendered.cameras.cam_from_world, np.nan)
    part = replace(rendered.cameras, registered=registered, cam_from_world=poses)
    found = GeometricDepth().estimate(rendered.frames, rendered.masks, part, MOVING)
    assert found.valid.any(axis=(1, 2)).tolist() == registered.tolist()
    assert not found.confidence[3].any()
    assert np.isnan(found.residual[3])


def test_a_mover_over_nearly_all_of_the_image(rendered: Rendered) -> None:
    """Nothing static is left but a rim narrower than the margin: depth stays finite."""
    object_id = np.full_like(rendered.masks.object_id, 2)
    object_id[:, :5] = 0
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(2, "all", 1.0),))
    found = GeometricDepth().estimate(rendered.frames, masks, rendered.cameras, MOVING)
    assert np.isfinite(found.depth).all()
    assert (found.depth[found.valid] > 0).all()


def test_no_trajectory_gives_no_depth(rendered: Rendered) -> None:
    fixed = Reconstruction.without_trajectory(
        "fixed", NUM_FRAMES, quality=ReconstructionQuality(), reasons=()
    )
    found = GeometricDepth().estimate(rendered.frames, rendered.masks, fixed, MOVING)
    assert found.source == "none"
    assert not found.valid.any()


def test_threads_do_not_change_the_result(
    rendered: Rendered, estimated: DepthMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMVID_THREADS", "3")
    again = GeometricDepth().estimate(rendered.frames, rendered.masks, rendered.cameras, MOVING)
    np.testing.assert_array_equal(again.depth, estimated.depth)
    np.testing.assert_array_equal(again.confidence, estimated.confidence)
