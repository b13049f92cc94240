"""Runs and shards opened from Python."""

import pickle
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

import camvid
from camvid.artifacts import (
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.codecs import decode_jpegs
from camvid.errors import ConfigError, StoreError
from camvid.store import ClipStore
from tests.genxd.runs import clip_id, write_run
from tests.test_boundaries import HEAVY, ROOT


@pytest.fixture
def store(
    tmp_path: Path,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
) -> ClipStore:
    artifacts = (masks, reconstruction, depth, tracks, motion)
    return write_run(tmp_path / "run", "443v", artifacts)


def test_import_loads_nothing_but_the_standard_library() -> None:
    code = "import sys, camvid; dir(camvid); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert not (HEAVY | {"numpy", "pyarrow", "fsspec"}) & loaded
    assert {name for name in loaded if name.startswith("camvid.")} == set()


def test_the_package_says_what_it_has() -> None:
    assert set(camvid.__all__) <= set(dir(camvid))
    assert all(getattr(camvid, name) for name in camvid.__all__)
    with pytest.raises(AttributeError, match="no attribute 'open_runs'"):
        getattr(camvid, "open_runs")  # noqa: B009  (as a caller would mistype it)


def test_a_clip_gives_what_the_stages_found(
    store: ClipStore,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
) -> None:
    clip = next(camvid.open_shards(store.root).clips(kind="4d"))
    assert (clip.clip_id, clip.kind, clip.num_frames, clip.caption) == (clip_id(0), "4d", 6, "")
    np.testing.assert_array_equal(clip.frames, decode_jpegs(store.load_jpegs(clip.clip_id)))
    np.testing.assert_array_equal(clip.K, reconstruction.K_per_frame)
    np.testing.assert_array_equal(clip.cam_from_world, reconstruction.cam_from_world)
    np.testing.assert_array_equal(clip.registered, reconstruction.registered)
    np.testing.assert_array_equal(clip.points_world, reconstruction.points_world)
    np.testing.assert_array_equal(clip.masks(), masks.object_id)
    np.testing.assert_allclose(clip.depth(), depth.depth, rtol=2e-2)
    np.testing.assert_array_equal(clip.tracks().xy_px, tracks.xy_px)
    np.testing.assert_array_equal(clip.tracks().visible, tracks.visible)
    assert (clip.motion, clip.camera) == (0.02, "moving")
    assert [found.object_id for found in clip.objects] == [1, 2]


def test_a_clip_without_cameras_is_nan_not_an_error(store: ClipStore) -> None:
    clip = next(camvid.open_shards(store.root).clips(kind="video"))
    assert not clip.registered.any()
    assert np.isnan(clip.cam_from_world).all()
    assert np.isnan(clip.K[:, 0, 0]).all()
    assert np.isnan(clip.scene_scale)


def test_clips_by_kind_and_by_id(store: ClipStore) -> None:
    run = camvid.open_run(store.root)
    assert (len(run), [clip.kind for clip in run]) == (4, ["4d", "4d", "3d", "video"])
    assert run.clip(clip_id(2)).kind == "3d"
    with pytest.raises(StoreError, match="must hold clip 'zzz'"):
        run.clip("zzz")
    with pytest.raises(StoreError, match="kind must be one of 4d, 3d, video"):
        run.clips(kind="none")
    assert pickle.loads(pickle.dumps(run.clip(clip_id(2)))).frames.shape == (6, 24, 32, 3)


def test_any_filesystem_will_do(store: ClipStore) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{store.root}/shards", "/exported/shards", recursive=True)
    clips = camvid.open_shards("memory://exported").clips()
    assert [clip.frames.shape[0] for clip in clips] == [6] * 4


def test_from_a_row_to_tensors(store: ClipStore) -> None:
    torch = pytest.importorskip("torch")
    clip = camvid.open_shards(store.root).clip(clip_id(0))
    assert set(clip.to_torch()) == {
        "frames",
        "K",
        "cam_from_world",
        "registered",
        "timestamps_s",
        "motion",
    }
    tensors = clip.to_torch("depth", "masks", "tracks")
    assert tensors["frames"].shape == (6, 3, 24, 32)
    assert tensors["cam_from_world"].dtype == torch.float32
    assert torch.equal(tensors["frames"][1, :, 2, 3], torch.tensor(clip.frames[1, 2, 3]))
    assert torch.equal(tensors["masks"], torch.tensor(clip.masks().astype(np.int32)))
    assert tensors["tracks"].shape == (*tensors["track_visible"].shape, 2)


def test_curate_answers_as_the_command_does(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.mp4"):
        camvid.curate(str(tmp_path / "none.mp4"), str(tmp_path / "run"))
    video = tmp_path / "a.mp4"
    video.write_bytes(b"no video")
    with pytest.raises(ConfigError, match="did you mean"):
        camvid.curate(str(video), str(tmp_path / "run"), settings={"filter.min_motion": 0.1})
