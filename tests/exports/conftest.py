"""A finished run of three clips with made-up labels, cut from a video that is still there."""

from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import (
    NAN,
    Clip,
    DepthMaps,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Verdict,
)
from camvid.outcome import Kind
from camvid.scenes.movie import write_video
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.cut import CutOptions, cut
from camvid.video.probe import probe
from tests.shard_runs import write_shards

FPS, NUM_FRAMES = 24.0, 48
SOURCE_PX = (320, 180)  # width, height
STORED_PX = (160, 90)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """A 4d clip, a 3d one under a zooming lens, and a video without cameras, in this order."""
    folder = tmp_path_factory.mktemp("exports")
    path = folder / "source.mp4"
    write_video(path, moving_noise(3 * NUM_FRAMES), FPS)
    store = ClipStore(str(folder / "run"))
    spans = [(2.0 * k, 2.0 * (k + 1)) for k in range(3)]
    video = probe(str(path))
    rows: Any = {}
    kinds: tuple[Kind, ...] = ("4d", "3d", "video")
    for k, piece in enumerate(cut(video, spans, CutOptions(max_side_px=STORED_PX[0]))):
        clip = piece.clip
        assert (clip.num_frames, clip.width_px, clip.height_px) == (NUM_FRAMES, *STORED_PX)
        store.save_frames(clip, piece.jpegs)
        for artifact in (clip, *labels(clip, kinds[k])):
            store.save(clip.clip_id, artifact)
        rows[clip.clip_id] = (ClipRow(clip_id=clip.clip_id, video_uri=str(path)), kinds[k])
    write_shards(store, rows)
    return store


def moving_noise(num_frames: int) -> np.ndarray:
    """[T, H, W, 3], different in every frame, and smooth enough for any codec."""
    width, height = SOURCE_PX
    noise = np.random.default_rng(0).integers(0, 255, (12, 40, 3), np.uint8)
    wide = cv2.resize(noise, (width + 2 * num_frames, height), interpolation=cv2.INTER_CUBIC)
    return np.stack([wide[:, 2 * t : 2 * t + width] for t in range(num_frames)])


def labels(clip: Clip, kind: Kind) -> tuple[object, ...]:
    """What the stages would have left; the 12th frame of the first has no camera."""
    count, (width, height) = clip.num_frames, STORED_PX
    t = np.linspace(0, 1, count)
    known = np.ones(count, bool)
    known[[12, count - 1]] = False
    rotation = Rotation.from_rotvec(t[:, None] * [0.1, 0.4, -0.2]).as_matrix()
    translation = np.stack([2 * t, 0.3 * t**2, t], axis=1)[..., None]
    cam_from_world = np.concatenate([rotation, translation], axis=2)
    cam_from_world[~known] = np.nan
    rng = np.random.default_rng(1)
    quality = ReconstructionQuality(registered_fraction=float(known.mean()), num_points=30)
    solved = Reconstruction(
        camera="moving",
        K=np.array([[150.0, 0, 80], [0, 150.0, 45], [0, 0, 1]]),
        zoom=np.exp(0.3 * t) if kind == "3d" else np.ones(count),
        cam_from_world=cam_from_world,
        registered=known,
        points_world=(rng.normal(size=(30, 3)) + [0, 0, 6]).astype(np.float32),
        point_rgb=rng.integers(0, 255, (30, 3), np.uint8),
        observation_frame=np.zeros(0, np.int32),
        observation_point=np.zeros(0, np.int32),
        observation_xy_px=np.zeros((0, 2), np.float32),
        quality=quality,
    )
    if kind == "video":
        solved = Reconstruction.without_trajectory("fixed", count, quality=quality, reasons=())
    object_id = np.zeros((count, height, width), np.uint16)
    object_id[:, 20:40, 30:60] = 1
    depth = np.broadcast_to(np.linspace(2, 8, height, dtype=np.float32)[:, None], object_id.shape)
    return (
        ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "dog", 0.9),)),
        solved,
        DepthMaps(
            depth=depth,
            valid=np.ones(object_id.shape, bool),
            confidence=np.full(object_id.shape, 200, np.uint8),
            scale=np.ones(count),
            shift=np.zeros(count),
            residual=np.full(count, 0.01),
            source="geometric",
        ),
        PointTracks(
            xy_px=rng.uniform(5, 85, (count, 7, 2)).astype(np.float32),
            visible=rng.random((count, 7)) > 0.2,
            object_id=np.zeros(7, np.uint16),
            query_frame=np.zeros(7, np.int32),
        ),
        MotionReport(
            motion_strength=0.02,
            lower_bound=0.01,
            background=0.0004,
            confidence=0.9,
            pair_gap_s=1 / 12,
            method="depth",
            per_object=(),
            pair_frames=np.zeros((0, 2), np.int32),
            pair_strength=np.zeros((0, 1)),
            num_tracks=7,
            depth_residual=NAN,
        ),
        Verdict(kind=kind, reasons=(), camera=solved.camera),
    )
