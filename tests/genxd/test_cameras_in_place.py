"""Cameras that turn in place or stand still, through shards into training samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import (
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Verdict,
)
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.sample import NOMINAL_FOCAL
from camvid.parquet import table_from_bytes
from camvid.sfm.camera_motion import CameraMotion
from camvid.sfm.in_place import reconstruct_in_place
from camvid.shards.writer import verify_shards
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.factories import make_clip
from tests.genxd.runs import clip_id, smooth_jpeg
from tests.shard_runs import write_shards


@pytest.fixture
def rotating(reconstruction: Reconstruction) -> Reconstruction:
    world_from_cam = Rotation.from_euler("y", np.arange(6)[:, None] * 2.0, degrees=True)
    return Reconstruction.rotation_only(
        "rotating",
        np.swapaxes(world_from_cam.as_matrix(), 1, 2),
        K=reconstruction.K,
        zoom=np.ones(6),
        quality=ReconstructionQuality(),
        reasons=(),
    )


@pytest.fixture
def store(
    tmp_path: Path,
    rotating: Reconstruction,
    masks: ObjectMasks,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
    verdict: Verdict,
) -> ClipStore:
    return _written(
        ClipStore(str(tmp_path / "run")), rotating, masks, depth, tracks, motion, verdict
    )


def _written(
    store: ClipStore,
    camera: Reconstruction,
    masks: ObjectMasks,
    depth: DepthMaps,
    *artifacts: object,
) -> ClipStore:
    """Two clips of a camera, as 4D and as a video."""
    rows: Any = {}
    for index, kind in enumerate(("4d", "video")):
        name = clip_id(index)
        store.save_frames(
            make_clip(name), [smooth_jpeg(np.random.default_rng(t)) for t in range(6)]
        )
        none = DepthMaps.none(*depth.depth.shape)
        for artifact in (make_clip(name), camera, masks, none, *artifacts):
            store.save(name, artifact)
        rows[name] = (ClipRow(clip_id=name, video_uri="a.mp4"), kind)
    write_shards(store, rows)
    return store


def test_shards_hold_rotations_and_no_scale(store: ClipStore, rotating: Reconstruction) -> None:
    verify_shards(store)
    row = table_from_bytes(store.read_bytes("shards/4d-00000.parquet")).to_pylist()[0]
    stored = np.reshape(row["cam_from_world"], (6, 3, 4))
    np.testing.assert_array_equal(stored, rotating.cam_from_world)
    assert row["scene_scale"] is None
    assert row["zoom"] == [1.0] * 6
    assert row["K"]["fx"] == rotating.K[0, 0]


@pytest.mark.parametrize("rule", ["scene", "cameras", "none"])
def test_rays_of_a_turning_camera_need_no_scale(store: ClipStore, rule: Any) -> None:
    options = DataOptions(num_frames=4, height_px=64, width_px=64, scale_rule=rule)
    data = ClipDataset(store.root, options)
    samples = {sample.indicator: sample for sample in (data[i] for i in range(len(data)))}
    rotates, video = samples[2], samples[1]
    assert (rotates.cam_from_world[..., 3] == 0).all()
    assert np.abs(rotates.rays[:, :3]).max() > 0  # directions ...
    assert np.abs(rotates.rays[:, 3:]).max() < 1e-6  # ... through the origin: no moment
    assert not video.rays.any()
    assert np.isnan(video.cam_from_world).all()


@pytest.fixture
def fixed() -> Reconstruction:
    found = CameraMotion("fixed", 0.0, 0.0, 0.5, None)
    return reconstruct_in_place(found, 6, quality=ReconstructionQuality(), reasons=())


def test_a_fixed_camera_is_the_identity_with_a_nominal_lens(
    tmp_path: Path,
    fixed: Reconstruction,
    masks: ObjectMasks,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
    verdict: Verdict,
) -> None:
    store = _written(
        ClipStore(str(tmp_path / "fixed")), fixed, masks, depth, tracks, motion, verdict
    )
    assert verify_shards(store) == []
    row = table_from_bytes(store.read_bytes("shards/4d-00000.parquet")).to_pylist()[0]
    assert (row["indicator"], row["K"], row["scene_scale"]) == (2, None, None)
    np.testing.assert_array_equal(np.reshape(row["cam_from_world"][3], (3, 4)), np.eye(3, 4))
    data = ClipDataset(store.root, DataOptions(num_frames=4, height_px=64, width_px=64))
    stands = next(sample for sample in (data[i] for i in range(len(data))) if sample.indicator == 2)
    assert not data.skipped
    np.testing.assert_array_equal(stands.cam_from_world, np.tile(np.eye(3, 4), (4, 1, 1)))
    assert (stands.rays == stands.rays[0]).all()  # every frame is seen from the same place
    assert np.abs(stands.rays[:, :3]).max() > 0
    # Frames of 32 x 24 are cropped to 24 x 24 and enlarged.
    np.testing.assert_allclose(stands.K[0, 0, 0], NOMINAL_FOCAL * 32 * 64 / 24)
