"""Shards of this and of older versions, opened by readers that are not ours, and by ours."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from camvid.codecs import decode_ids
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.shards import find_shards
from camvid.parquet import table_from_bytes
from camvid.shards.dataset_writer import ClipData, DatasetWriter
from camvid.shards.manifest import MANIFEST, read_manifest
from camvid.shards.row import depth_from_row, image_bytes
from camvid.shards.schema import shard_schema
from camvid.shards.writer import verify_shards
from camvid.store import ClipStore

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
T, H, W = 3, 24, 32


def depth_of(seed: int = 0) -> np.ndarray:
    depth = np.random.default_rng(seed).uniform(1, 50, (T, H, W)).astype(np.float32)
    depth[:, 0] = 0
    return depth


def clip_data(clip_id: str = "a", seed: int = 0) -> ClipData:
    rng = np.random.default_rng(seed)
    cameras = np.tile(np.eye(3, 4), (T, 1, 1))
    cameras[:, 0, 3] = np.arange(T)
    masks = np.zeros((T, H, W), np.uint16)
    masks[:, 4:9, 3:8] = 1
    return ClipData(
        clip_id=clip_id,
        kind="4d",
        frames=rng.integers(0, 255, (T, H, W, 3), np.uint8),
        timestamps_s=np.arange(T) / 24,
        K=np.array([[30.0, 0, 16], [0, 30.0, 12], [0, 0, 1]]),
        cam_from_world=cameras,
        masks=masks,
        depth=depth_of(seed),
        motion=0.02,
        caption="a camera moves right",
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """Two clips in one shard."""
    store = ClipStore(str(tmp_path_factory.mktemp("readers")))
    with DatasetWriter(store.root) as writer:
        writer.add(clip_data("a"))
        writer.add(clip_data("b", seed=1))
    return store


def test_images_are_what_huggingface_takes_for_images() -> None:
    """`datasets` compares types: it drops its metadata where a column is of another."""
    schema = shard_schema()
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    for name in ("frames", "masks"):
        assert schema.field(name).type == pa.list_(IMAGE)
        assert features[name] == {"feature": {"_type": "Image"}, "_type": "List"}


@pytest.mark.parametrize("streaming", [True, False])
def test_datasets_gives_images(store: ClipStore, tmp_path: Path, streaming: bool) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the package `datasets`")
    path = store.full_path("shards/4d-00000.parquet")
    clips = datasets.load_dataset(
        "parquet",
        data_files=path,
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    clip = next(iter(clips))
    assert [image.size for image in clip["frames"]] == [(W, H)] * T
    np.testing.assert_array_equal(np.array(clip["masks"][0]), clip_data().masks[0])


def test_readers_of_folders_pass_the_manifest_over(store: ClipStore) -> None:
    folder = store.full_path("shards")
    assert list(pd.read_parquet(folder, columns=["clip_id"])["clip_id"]) == ["a", "b"]
    table = pyarrow.dataset.dataset(folder).to_table(columns=["clip_id"], use_threads=False)
    assert table["clip_id"].to_pylist() == ["a", "b"]


def test_depth_is_read_without_our_code(store: ClipStore) -> None:
    row = table_from_bytes(store.read_bytes("shards/4d-00000.parquet")).to_pylist()[0]
    coded = zip(row["depth"], row["depth_farthest"], depth_of(), strict=True)
    for png, farthest, wanted in coded:
        code = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED).astype(float)
        depth = np.where(code > 0, farthest * np.exp(0.001 * (1 - code)), 0)
        np.testing.assert_allclose(depth, wanted, rtol=5.1e-4)


def as_of_1_5(store: ClipStore, root: Path) -> ClipStore:
    """The shard and manifest as the last version before 2.0 wrote them."""
    table = table_from_bytes(store.read_bytes("shards/4d-00000.parquet"))
    rows = table.drop_columns(["depth_farthest"]).to_pylist()
    for seed, row in enumerate(rows):
        row["frames"], row["masks"] = image_bytes(row["frames"]), image_bytes(row["masks"])
        tops = [float(1 / z[z > 0].min()) for z in depth_of(seed)]
        row["depth"] = [inverse_png(z, top) for z, top in zip(depth_of(seed), tops, strict=True)]
        row["depth_max_inverse"] = tops
    schema = shard_schema()
    for name in ("frames", "masks"):
        at = schema.get_field_index(name)
        schema = schema.set(at, pa.field(name, pa.list_(pa.binary())))
    at = schema.get_field_index("depth_farthest")
    schema = schema.set(at, pa.field("depth_max_inverse", pa.list_(pa.float64())))
    schema = schema.with_metadata({**schema.metadata, "camvid.schema_version": "1.5"})
    old = ClipStore(str(root))
    path = root / "shards" / "4d-00000.parquet"
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, write_page_checksum=True)
    manifest = read_manifest(store) | {"schema_version": "1.5", "content": "c" * 64}
    data = path.read_bytes()
    line: dict[str, Any] = manifest["shards"][0]
    line |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    old.write_bytes("shards/manifest.json", json.dumps(manifest).encode())
    return old


def inverse_png(depth: np.ndarray, top: float) -> bytes:
    inverse = np.divide(1, depth, out=np.zeros(depth.shape), where=depth > 0)
    return cv2.imencode(".png", np.rint(inverse / top * 65535).astype(np.uint16))[1].tobytes()


def test_shards_of_schema_1_5_are_read(store: ClipStore, tmp_path: Path) -> None:
    old = as_of_1_5(store, tmp_path)
    assert verify_shards(old) == []
    index, now = find_shards(old.root), find_shards(store.root)
    for number in range(2):
        before, after = (
            RowReader(i.root, 0).read(i.place(number))["frames"].to_pylist() for i in (index, now)
        )
        assert before == after
    row = table_from_bytes(old.read_bytes("shards/4d-00000.parquet")).to_pylist()[0]
    np.testing.assert_array_equal(decode_ids(image_bytes(row["masks"])), clip_data().masks)
    depth, valid = depth_from_row(row) or (None, None)
    assert valid is not None
    np.testing.assert_allclose(depth, depth_of(), rtol=5e-4)
    np.testing.assert_array_equal(valid, depth_of() > 0)
    with DatasetWriter(old.root) as writer:
        writer.add(clip_data("c"))
    assert old.list_names("shards") == ["4d-00000.parquet", "_manifest.json"]
    assert old.exists(MANIFEST)
