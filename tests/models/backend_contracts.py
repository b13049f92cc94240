"""What every backend of a role must keep: one body per role, run by each backend's test."""

import numpy as np

from camvid.artifacts import (
    F32,
    U8,
    DepthMaps,
    Frames,
    MaskedObject,
    ObjectMasks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.geometry import cam_from_img
from camvid.models.protocols import DepthEstimator


def check_depth_estimator(estimator: DepthEstimator) -> None:
    """Shapes, dtypes, no depth without a camera, one frame or none, odd sizes, twice the same."""
    for num_frames, height_px, width_px in ((4, 48, 64), (1, 48, 64), (3, 37, 53)):
        frames, masks, reconstruction = posed_frames(num_frames, height_px, width_px)
        moving = tuple(o.object_id for o in masks.objects)
        before = frames.rgb.copy()
        maps = estimator.estimate(frames, masks, reconstruction, moving)
        _check_depth_maps(maps, frames.rgb)
        assert maps.source in ("mono", "geometric")
        assert not maps.valid[~reconstruction.registered].any()
        again = estimator.estimate(frames, masks, reconstruction, moving)
        assert np.array_equal(maps.depth, again.depth)
        assert np.array_equal(maps.confidence, again.confidence)
        assert np.array_equal(frames.rgb, before)
    for num_frames in (3, 0):
        part = Frames(rgb=frames.rgb[:num_frames])
        object_id = ObjectMasks(object_id=masks.object_id[:num_frames], objects=masks.objects)
        nowhere = Reconstruction.without_trajectory(
            "unknown", num_frames, quality=ReconstructionQuality(), reasons=()
        )
        maps = estimator.estimate(part, object_id, nowhere, moving)
        _check_depth_maps(maps, part.rgb)
        assert not maps.valid.any()


def _check_depth_maps(maps: DepthMaps, rgb: U8) -> None:
    assert maps.depth.shape == maps.valid.shape == maps.confidence.shape == rgb.shape[:3]
    assert (maps.depth.dtype, maps.confidence.dtype) == (np.float32, np.uint8)
    assert (maps.depth[maps.valid] > 0).all()
    assert (maps.depth[~maps.valid] == 0).all()
    assert (maps.confidence[~maps.valid] == 0).all()
    assert len(maps.scale) == len(maps.shift) == len(maps.residual) == len(rgb)


def posed_frames(
    num_frames: int, height_px: int, width_px: int
) -> tuple[Frames, ObjectMasks, Reconstruction]:
    """Textured frames with an object; a camera that steps sideways; the last frame has none."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (num_frames, height_px, width_px, 3), dtype=np.uint8)
    object_id = np.zeros(rgb.shape[:3], np.uint16)
    object_id[:, 5:15, 8:20] = 1
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "moving", 0.5),))
    inv_depth = rng.uniform(0.1, 1.0, rgb.shape[:3]).astype(np.float32)
    return Frames(rgb=rgb), masks, seen_by_cameras(inv_depth, lost_frames=int(num_frames > 1))


def seen_by_cameras(
    inv_depth: F32, *, points_per_frame: int = 60, lost_frames: int = 0
) -> Reconstruction:
    """A reconstruction whose sparse points have 1 / inv_depth [T, H, W] where frames see them."""
    rng = np.random.default_rng(1)
    num_frames, height_px, width_px = inv_depth.shape
    K = np.array([[width_px, 0, width_px / 2], [0, width_px, height_px / 2], [0, 0, 1.0]])
    frame = np.repeat(np.arange(num_frames, dtype=np.int32), points_per_frame)
    xy_px = rng.uniform([0, 0], [width_px, height_px], (len(frame), 2)).astype(np.float32)
    column, row = np.floor(xy_px).astype(int).T
    seen = inv_depth[frame, np.minimum(row, height_px - 1), np.minimum(column, width_px - 1)]
    points = cam_from_img(K, xy_px, 1 / seen.astype(np.float64))
    points[:, 0] += 0.05 * frame  # the camera of frame t stands at (0.05 t, 0, 0)
    cam_from_world = np.repeat(np.eye(3, 4)[None], num_frames, 0)
    cam_from_world[:, 0, 3] = -0.05 * np.arange(num_frames)
    registered = np.arange(num_frames) < num_frames - lost_frames
    cam_from_world[~registered] = np.nan
    kept = registered[frame]
    return Reconstruction(
        camera="moving",
        K=K,
        cam_from_world=cam_from_world,
        registered=registered,
        points_world=points.astype(np.float32),
        point_rgb=np.zeros((len(points), 3), np.uint8),
        observation_frame=frame[kept],
        observation_point=np.flatnonzero(kept).astype(np.int32),
        observation_xy_px=xy_px[kept],
        quality=ReconstructionQuality(),
    )
