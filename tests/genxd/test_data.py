"""Training samples from shards: what is read, chosen and fitted."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from camvid.artifacts import DepthMaps, MotionReport, ObjectMasks, PointTracks, Reconstruction
from camvid.codecs import decode_jpegs
from camvid.errors import ConfigError, StoreError
from camvid.genxd.data import reader
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.genxd.data.sample import camera_matrices
from camvid.genxd.data.shards import find_shards
from camvid.geometry import cam_from_img, img_from_cam, invert_rigid, transform_points
from camvid.shards.columns import EVIDENCE_COLUMNS, FRAMES, TRAINING_COLUMNS
from camvid.shards.row import scene_scale
from camvid.shards.schema import SCHEMA_VERSION
from camvid.store import ClipStore
from tests.genxd.datasets import KINDS, SMALL, change_row, dataset, equal, row_of
from tests.genxd.runs import clip_id, write_run


@pytest.fixture
def artifacts(
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
) -> tuple[object, ...]:
    return masks, reconstruction, depth, tracks, motion


@pytest.fixture
def store(tmp_path: Path, artifacts: tuple[object, ...]) -> ClipStore:
    return write_run(tmp_path / "run", KINDS, artifacts)


# ---- shards ------------------------------------------------------------------------------------


def test_the_index_is_the_same_from_manifest_files_and_one_shard(store: ClipStore) -> None:
    by_manifest = find_shards(store.root)
    assert by_manifest.shards == find_shards(f"{store.root}/shards/").shards
    ids = {kind: [by_manifest.place(int(r)).clip_id for g in groups for r in g]
           for kind, groups in by_manifest.row_groups().items()}  # fmt: skip
    wanted = {"4d": [0, 1, 4, 7], "3d": [2, 3], "video": [5, 6]}
    assert ids == {kind: [clip_id(i) for i in numbers] for kind, numbers in wanted.items()}
    assert [len(g) for g in by_manifest.row_groups()["4d"]] == [2, 2]
    store.remove("shards/_manifest.json")
    by_files = find_shards(store.root)
    assert {s.path: s for s in by_files.shards} == {s.path: s for s in by_manifest.shards}
    one = find_shards(f"{store.root}/shards/3d-00000.parquet")
    assert [s.clip_ids for s in one.shards] == [(clip_id(2), clip_id(3))]
    assert len({by_manifest.digest(), one.digest()}) == 2


def test_shards_are_read_through_any_filesystem(store: ClipStore) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(store.full_path("shards"), "/bucket/run/shards", recursive=True)
    near = dataset(store)
    try:
        for uri in ("memory://bucket/run", "simplecache::memory://bucket/run/shards"):
            far = ClipDataset(uri, near.options)
            assert far.index.digest() == near.index.digest()
            assert all(equal(far[i], near[i]) for i in range(len(near)))
    finally:
        memory.rm("/bucket", recursive=True)


def test_what_is_no_shard_is_refused(tmp_path: Path, store: ClipStore) -> None:
    with pytest.raises(StoreError, match="must hold shards with clips, got none"):
        find_shards(str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="must be a path or an fsspec URI, got 'nosuch://x'"):
        find_shards("nosuch://x")
    path = Path(store.full_path("shards/4d-00000.parquet"))
    manifest = Path(store.full_path("shards/_manifest.json"))
    manifest.write_text(manifest.read_text().replace(f'"{SCHEMA_VERSION}"', '"3.0"'))
    with pytest.raises(StoreError, match=r"has schema version 3\.0, this camvid reads up to 2"):
        find_shards(store.root)
    manifest.write_text(manifest.read_text().replace('"3.0"', f'"{SCHEMA_VERSION}"'))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"4d-00000.parquet must have \d+ bytes by its manifest"):
        find_shards(store.root)
    path.unlink()
    with pytest.raises(StoreError, match=r"must be readable: .*4d-00000.parquet"):
        find_shards(store.root)


def test_evidence_is_not_read(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    read = pq.ParquetFile.read_row_group

    def spy(self: pq.ParquetFile, *args: Any, columns: list[str], **kwargs: Any) -> pa.Table:
        asked.append(columns)
        return read(self, *args, columns=columns, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    data = dataset(store)
    for row in (*range(len(data)), *range(len(data))):
        data[row]
    assert not set(EVIDENCE_COLUMNS) & set(TRAINING_COLUMNS)
    frames = [f"{FRAMES}.list.element.bytes"]
    assert asked == [list(TRAINING_COLUMNS), frames] * 4  # each row group once: they are kept


def test_a_small_cache_keeps_the_last_row_group(store: ClipStore) -> None:
    data = dataset(store, cache_mb=0)
    for row in range(len(data)):
        data[row]
    assert len(data._reader._kept.tables) == 1


def test_a_clip_alone_in_its_row_group_is_not_kept(
    tmp_path: Path, artifacts: tuple[object, ...]
) -> None:
    alone = dataset(write_run(tmp_path / "alone", KINDS, artifacts, max_row_group_clips=1))
    together = dataset(write_run(tmp_path / "together", KINDS, artifacts))
    assert all(equal(alone[i], together[i]) for i in range(len(together)))
    assert not alone._reader._kept.tables


def test_another_process_opens_its_own_files(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, opened, open_shard = dataset(store), [], reader.open_shard

    def spy(filesystem: Any, path: str, **options: Any) -> pq.ParquetFile:
        opened.append(path)
        return open_shard(filesystem, path, **options)

    monkeypatch.setattr(reader, "open_shard", spy)
    first = data[0]
    assert equal(data[0], first)
    assert len(opened) == 2  # images are checked one by one, all else by pages
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as after a fork
    assert equal(data[0], first)
    assert len(opened) == 4


def test_neither_torch_nor_a_pipeline_is_imported() -> None:
    code = "import sys, camvid.genxd.data.dataset; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "pycolmap", "onnxruntime", "ray"} & set(loaded)


# ---- samples -----------------------------------------------------------------------------------


def test_a_sample_has_the_shapes_that_the_model_takes(store: ClipStore) -> None:
    data = dataset(store, height_px=64, width_px=128)
    samples = [data[i] for i in range(len(data))]
    for sample in samples:
        assert (sample.rgb.shape, sample.rgb.dtype) == ((4, 3, 64, 128), np.float32)
        assert sample.rgb.min() >= -1 and sample.rgb.max() <= 1 and np.ptp(sample.rgb) > 1  # noqa: PT018
        assert (sample.rays.shape, sample.rays.dtype) == ((4, 6, 8, 16), np.float32)
        assert sample.is_given.any() and not sample.is_given.all()  # noqa: PT018
        assert 5 not in sample.frame_index or sample.indicator == 1  # frame 5 has no camera
    indicators = {sample.clip_id: sample.indicator for sample in samples}
    assert indicators == {
        clip_id(i): {"4": 2, "3": 0, "v": 1}[kind] for i, kind in enumerate(KINDS)
    }


def test_images_are_those_of_registered_frames(
    store: ClipStore, reconstruction: Reconstruction
) -> None:
    cameras: list[Any] = reconstruction.cam_from_world.reshape(6, 12).tolist()
    change_row(
        store, "4d-00000.parquet", 1, cam_from_world=[*cameras[:2], None, *cameras[3:5], None]
    )
    data = dataset(store, height_px=192, width_px=256, scale_rule="none")  # the whole image
    sample, skipped = data.load(Pick(0, row_of(data, clip_id(1))))
    assert not skipped
    assert sample.frame_index == (0, 1, 3, 4)
    wanted = reconstruction.cam_from_world[[0, 1, 3, 4]]
    np.testing.assert_array_equal(sample.cam_from_world, wanted)
    stored = decode_jpegs(store.load_jpegs(clip_id(1)))[[0, 1, 3, 4]] / 127.5 - 1
    blocks = sample.rgb.reshape(4, 3, 24, 8, 32, 8).mean(axis=(3, 5)).transpose(0, 2, 3, 1)
    assert np.abs(blocks - stored).mean() < 0.02


def test_samples_follow_from_seed_and_number_alone(store: ClipStore) -> None:
    data, again = dataset(store), pickle.loads(pickle.dumps(dataset(store)))
    row = row_of(data, clip_id(0))
    assert equal(data[Pick(7, row)], again[Pick(7, row)])
    data[Pick(8, row)]
    assert equal(data[Pick(7, row)], again[Pick(7, row)])
    assert not equal(data[Pick(8, row)], again[Pick(7, row)])
    assert not equal(dataset(store, seed=1)[Pick(7, row)], again[Pick(7, row)])


def test_motion_is_in_the_models_scale(store: ClipStore) -> None:
    for rule, wanted in (("x100", 2.0), ("sigmoid", 100 / (1 + np.exp(-0.02)) - 50)):
        data = dataset(store, motion_rule=rule)
        ids = {s.indicator: s.motion_id for s in (data[i] for i in range(len(data)))}
        assert ids == {2: pytest.approx(wanted), 1: pytest.approx(wanted), 0: 0.0}


def test_video_has_no_cameras(store: ClipStore) -> None:
    sample = dataset(store)[Pick(0, row_of(dataset(store), clip_id(5)))]
    assert not sample.rays.any()
    assert np.isnan(sample.K).all() and np.isnan(sample.cam_from_world).all()  # noqa: PT018


@pytest.mark.parametrize("rule", ["scene", "cameras", "none"])
def test_translations_are_divided_by_the_rule(
    store: ClipStore, reconstruction: Reconstruction, rule: Any
) -> None:
    data = dataset(store, scale_rule=rule)
    sample = data[Pick(3, row_of(data, clip_id(0)))]
    raw = reconstruction.cam_from_world[list(sample.frame_index)]
    away = np.abs(raw[:, 0, 3] - raw[np.argmax(sample.is_given), 0, 3]).max()
    scale = {"scene": scene_scale(reconstruction), "cameras": away, "none": 1.0}[rule]
    np.testing.assert_allclose(sample.cam_from_world[..., 3] * scale, raw[..., 3], atol=1e-12)
    np.testing.assert_array_equal(sample.cam_from_world[..., :3], raw[..., :3])


@pytest.mark.parametrize("fit", ["random_crop", "centre_crop", "pad"])
def test_rays_meet_the_points_that_the_stored_cameras_see(
    store: ClipStore, reconstruction: Reconstruction, fit: Any
) -> None:
    """A point on a latent pixel's line of sight lies where the shard's own camera projects it."""
    data = dataset(store, fit=fit, width_px=128, given_rule="any", dropout=0.0)
    sample = data[Pick(11, row_of(data, clip_id(1)))]
    assert not sample.is_given[0]
    reference, unit = int(np.argmax(sample.is_given)), scene_scale(reconstruction)
    assert unit is not None
    K = sample.K[0]
    scale = K.diagonal()[:2] / reconstruction.K.diagonal()[:2]  # differ by rounding
    shift = K[:2, 2] - scale * reconstruction.K[:2, 2]
    for f, row, column in ((0, 0, 0), (1, 5, 13), (3, 7, 2)):
        xy_px = np.array([column + 0.5, row + 0.5]) * 8
        in_cam = cam_from_img(K, xy_px, np.array(2.5))
        in_world = transform_points(invert_rigid(sample.cam_from_world[f]), in_cam[None])
        in_reference = transform_points(sample.cam_from_world[reference], in_world)[0]
        direction, moment = np.split(sample.rays[f, :, row, column].astype(np.float64), 2)
        np.testing.assert_allclose(np.cross(in_reference, direction), moment, atol=1e-6)
        stored = reconstruction.cam_from_world[sample.frame_index[f]]
        seen_px, _ = img_from_cam(reconstruction.K, transform_points(stored, in_world * unit)[0])
        np.testing.assert_allclose(seen_px * scale + shift, xy_px, atol=1e-6)


def test_dropout_has_its_probability(store: ClipStore) -> None:
    data = dataset(store, dropout=0.25)
    dropped = [data[Pick(number, 0)].is_dropped for number in range(400)]
    assert sum(dropped) / 400 == pytest.approx(0.25, abs=0.06)


def test_held_out_videos_are_in_one_part_with_all_their_clips(store: ClipStore) -> None:
    for index in range(4):
        change_row(store, "4d-00000.parquet", index, source_sha256=f"{index // 2}" * 64)
    options = DataOptions(**SMALL, held_out_fraction=0.5)
    train = ClipDataset(store.root, options)
    held_out = ClipDataset(store.root, options, held_out=True)
    assert sorted([*train.rows, *held_out.rows]) == list(range(8))
    assert len(train) > 0
    assert len(held_out) > 0
    ids = [{part.index.place(int(r)).clip_id for r in part.rows} for part in (train, held_out)]
    for one, other in ((0, 1), (4, 7)):
        assert (clip_id(one) in ids[0]) == (clip_id(other) in ids[0])
    every = ClipDataset(store.root, DataOptions(**SMALL, held_out_fraction=1.0), held_out=True)
    assert len(every) == 8
    drawn = {train[train.order().pick(n)].clip_id for n in range(60)}
    assert not drawn & ids[1]


TURNING = np.tile(np.eye(3, 4), (6, 1, 1)).reshape(6, 12).tolist()


def test_a_camera_that_turns_in_place_has_no_scale(store: ClipStore) -> None:
    change_row(store, "4d-00000.parquet", 0, cam_from_world=TURNING, scene_scale=None)
    data = dataset(store)
    sample, skipped = data.load(Pick(0, row_of(data, clip_id(0))))
    assert (sample.clip_id, skipped) == (clip_id(0), [])
    assert not sample.cam_from_world[..., 3].any()
    assert sample.rays[:, :3].any()
    assert not sample.rays[:, 3:].any()


def test_a_video_whose_camera_is_known_is_still_a_video(store: ClipStore) -> None:
    change_row(store, "video-00000.parquet", 0, cam_from_world=TURNING, scene_scale=None)
    data = dataset(store)
    sample, skipped = data.load(Pick(0, row_of(data, clip_id(5))))
    assert (sample.clip_id, sample.indicator, skipped) == (clip_id(5), 1, [])
    assert not sample.rays.any()
    assert np.isnan(sample.cam_from_world).all()


def test_a_lens_that_zooms_has_a_matrix_per_frame() -> None:
    K = {"fx": 30.0, "fy": 32.0, "cx": 16.0, "cy": 12.0}
    row = {"kind": "4d", "num_frames": 2, "K": K, "zoom": [1.0, 1.5]}
    found = camera_matrices(row)
    np.testing.assert_array_equal(found[0], [[30, 0, 16], [0, 32, 12], [0, 0, 1]])
    np.testing.assert_array_equal(found[1], [[45, 0, 16], [0, 48, 12], [0, 0, 1]])
    older = {name: value for name, value in row.items() if name != "zoom"}
    np.testing.assert_array_equal(camera_matrices(older)[1], found[0])
    assert np.isnan(camera_matrices(row | {"kind": "video"})).all()
