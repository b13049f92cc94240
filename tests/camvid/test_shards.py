"""Shards: the schema, the way there and back, damage, sizes, and readers that are not ours."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from camvid.artifacts import (
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.codecs import decode_ids, decode_jpegs
from camvid.errors import StoreError
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.plain import from_plain
from camvid.report.encode import encode_jpeg
from camvid.shards.columns import EVIDENCE_COLUMNS
from camvid.shards.manifest import MANIFEST, ShardInfo, read_manifest, shards_of
from camvid.shards.row import (
    cameras_from_row,
    checksums,
    depth_from_row,
    image_bytes,
    scene_scale,
)
from camvid.shards.schema import check_version, shard_schema
from camvid.shards.writer import faults_of, verify_shards
from camvid.stage import ClipRow
from camvid.store import ClipStore, StageRecord
from tests.factories import make_clip
from tests.shard_runs import write_shards


@pytest.fixture
def store(
    tmp_path: Path,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
    verdict: Verdict,
) -> ClipStore:
    """Five clips with equal artifacts and different images."""
    store = ClipStore(str(tmp_path / "run"))
    for index in range(5):
        clip = make_clip(f"{index:016x}")
        rng = np.random.default_rng(index)
        jpegs = [encode_jpeg(rng.integers(0, 255, (24, 32, 3), np.uint8)) for _ in range(6)]
        store.save_frames(clip, jpegs)
        for artifact in (clip, masks, reconstruction, depth, tracks, motion, verdict):
            store.save(clip.clip_id, artifact)
    return store


def write(store: ClipStore, kinds: str = "44334", **sizes: int) -> dict[str, Any]:
    names = {"4": "4d", "3": "3d", "v": "video", "n": "none"}
    rows: Any = {
        f"{i:016x}": (ClipRow(clip_id=f"{i:016x}", video_uri="a.mp4"), names[kind])
        for i, kind in enumerate(kinds)
    }
    return write_shards(store, rows, ["net 309c Apache-2.0"], **sizes)


def rows_of(store: ClipStore, name: str) -> list[dict[str, Any]]:
    return table_from_bytes(store.read_bytes(f"shards/{name}")).to_pylist()


def test_what_goes_in_comes_out(
    store: ClipStore,
    clip: Clip,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
) -> None:
    write(store)
    row = rows_of(store, "4d-00000.parquet")[0]
    assert (row["kind"], row["indicator"], row["num_frames"]) == ("4d", 2, 6)
    jpegs = image_bytes(row["frames"])
    assert jpegs == store.load_jpegs("0" * 16)
    assert row["frame_crc32"] == checksums(jpegs)
    assert decode_jpegs(jpegs).shape == (6, 24, 32, 3)
    cam_from_world, registered = cameras_from_row(row)
    np.testing.assert_array_equal(registered, reconstruction.registered)
    np.testing.assert_array_equal(cam_from_world, reconstruction.cam_from_world)
    assert row["K"] == {"fx": 30.0, "fy": 30.0, "cx": 16.0, "cy": 12.0}
    np.testing.assert_array_equal(np.float32(row["points_world"]), reconstruction.points_world)
    np.testing.assert_array_equal(decode_ids(image_bytes(row["masks"])), masks.object_id)
    stored = store.load("0" * 16, DepthMaps)
    z, valid = depth_from_row(row) or (None, None)
    np.testing.assert_array_equal(z, stored.depth)
    np.testing.assert_array_equal(valid, depth.valid)
    shape = (6, row["tracks"]["num_tracks"], 2)
    xy_px = np.frombuffer(row["tracks"]["xy_px"], "<f4").reshape(shape)
    np.testing.assert_array_equal(xy_px, tracks.xy_px)
    assert row["objects"][0]["motion_strength"] == 0.02
    assert row["objects"][1]["motion_strength"] is None
    assert row["timestamps_s"] == clip.timestamps_s.tolist()


@pytest.mark.parametrize("column", ["clip_id", "num_frames", "registered", "frames"])
def test_a_shard_without_a_column_is_a_fault(store: ClipStore, column: str) -> None:
    """Even one that the manifest vouches for."""
    write(store, "3")
    name = "shards/3d-00000.parquet"
    whole = table_from_bytes(store.read_bytes(name))
    at = whole.schema.get_field_index(column)
    nulls = whole.set_column(at, whole.schema.field(at), pa.nulls(1, whole.schema.field(at).type))
    (shard,) = (from_plain(ShardInfo, each) for each in read_manifest(store)["shards"])
    said = {"drop": "must have the columns", "null": "must have a value"}
    tables = {"drop": whole.drop_columns([column]), "null": nulls}
    if column == "frames":
        said["text"] = "columns must be of the schema's types"
        texts = pa.array([["no bytes"] * 6])
        tables["text"] = whole.set_column(at, column, texts)
    for what, table in tables.items():
        data = table_to_bytes(table)
        store.write_bytes(name, data)
        vouched = replace(shard, sha256=hashlib.sha256(data).hexdigest())
        assert said[what] in faults_of(store, vouched)[0]


def test_what_decoding_did_is_reported(store: ClipStore) -> None:
    plain, treated = "0" * 16, f"{1:016x}"
    clip = replace(make_clip(treated), processing=("deinterlaced",), num_lost=2)
    store.save(treated, clip)
    assert store.load(treated, Clip).processing == ("deinterlaced",)
    write(store)
    stored = {row["clip_id"]: row["provenance"] for row in rows_of(store, "4d-00000.parquet")}
    assert (stored[plain]["processing"], stored[plain]["num_lost_frames"]) == ([], 0)
    assert (stored[treated]["processing"], stored[treated]["num_lost_frames"]) == (
        ["deinterlaced"],
        2,
    )


def test_the_schema_is_pinned() -> None:
    """A change here is a change of contract: raise the version with it."""
    names = shard_schema().names
    assert set(EVIDENCE_COLUMNS) < set(names)
    assert len(names) == 42
    pinned = {
        "clip_id": "string",
        "indicator": "int8",
        "num_frames": "int32",
        "timestamps_s": "list<item: double>",
        "frames": "list<item: struct<bytes: binary, path: string>>",
        "K": "struct<fx: double, fy: double, cx: double, cy: double>",
        "points_world": "list<item: fixed_size_list<item: float>[3]>",
        "motion_strength": "double",
        "caption": "string",
    }
    assert {name: str(shard_schema().field(name).type) for name in pinned} == pinned
    assert str(shard_schema().field("cam_from_world").type) == "list<item: list<item: double>>"
    assert shard_schema().metadata[b"camvid.schema_version"] == b"2.0"


def test_shards_open_everywhere(store: ClipStore) -> None:
    """Without our code; `datasets` has no maps, and takes features only where they fit columns."""
    values = {"version": 3, "artifact": "Clip", "fingerprint": "f" * 64, "status": "ok"}
    record = StageRecord(clip_id="0" * 16, stage="split", **values)
    row = ClipRow(clip_id="0" * 16, video_uri="a.mp4").after(record)
    write_shards(store, {row.clip_id: (row, "4d")})
    path = store.full_path("shards/4d-00000.parquet")
    stages = [{"stage": "split", "version": 3, "fingerprint": "f" * 16}]
    assert pq.ParquetFile(path).read(use_threads=False)["provenance"][0]["stages"].as_py() == stages
    frame = pd.read_parquet(path, engine="pyarrow", use_threads=False)
    assert list(frame["provenance"][0]["stages"]) == stages
    assert [image["bytes"] for image in frame["frames"][0]] == store.load_jpegs(row.clip_id)
    schema = pq.read_schema(path)
    kinds = {type(kind) for column in schema for kind in with_parts(column.type)}
    assert pa.MapType not in kinds
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert features["provenance"]["stages"]["feature"]["version"]["dtype"] == "int32"


def with_parts(kind: pa.DataType) -> Iterator[pa.DataType]:
    """A type, the types that it is made of, theirs, and so on."""
    yield kind
    for index in range(kind.num_fields):
        yield from with_parts(kind.field(index).type)


def test_newer_and_foreign_files_are_refused() -> None:
    with pytest.raises(StoreError, match=r"x has schema version 3\.0, this camvid reads up to 2"):
        check_version({b"camvid.schema_version": b"3.0"}, "x")
    with pytest.raises(StoreError, match="must be a camvid shard"):
        check_version(None, "x")
    check_version({b"camvid.schema_version": b"2.7"}, "x")


def test_sizes_make_groups_and_shards_and_places_hold(store: ClipStore) -> None:
    write(store, "44444")
    whole = pq.ParquetFile(store.full_path("shards/4d-00000.parquet"))
    clip_bytes = whole.read(use_threads=False).nbytes // 5
    assert clip_bytes > 1.5 * sum(map(len, store.load_jpegs("0" * 16))), "the evidence counts, too"
    places = write(store, "44444", max_row_group_clips=2, max_shard_bytes=4 * clip_bytes + 99)
    shards = shards_of(read_manifest(store))
    assert [shard.row_group_sizes for shard in shards] == [(2, 2), (1,)]
    for clip_id, place in places.items():
        file = pq.ParquetFile(store.full_path(f"shards/{place.shard}"))
        group = file.read_row_group(place.row_group, columns=["clip_id"], use_threads=False)
        assert group["clip_id"][place.row].as_py() == clip_id
    assert verify_shards(store) == []


def test_none_is_in_no_shard_and_kinds_do_not_mix(store: ClipStore) -> None:
    places = write(store, "43vnn")
    assert sorted(place.shard for place in places.values()) == [
        "3d-00000.parquet",
        "4d-00000.parquet",
        "video-00000.parquet",
    ]
    assert read_manifest(store)["counts"] == {"4d": 1, "3d": 1, "video": 1}


def test_equal_content_is_not_written_again_and_gives_equal_bytes(store: ClipStore) -> None:
    write(store)
    path = Path(store.full_path("shards/4d-00000.parquet"))
    before, changed = path.read_bytes(), path.stat().st_mtime_ns
    write(store)
    assert path.stat().st_mtime_ns == changed
    store.remove(MANIFEST)
    write(store)
    assert path.read_bytes() == before
    write(store, "33333")
    assert not path.exists()
    assert verify_shards(store) == []


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_found(store: ClipStore, where: float) -> None:
    write(store)
    path = Path(store.full_path("shards/4d-00000.parquet"))
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 0x10
    path.write_bytes(data)
    faults = verify_shards(store)
    assert len(faults) == 1
    assert "shards/4d-00000.parquet: sha256 must be" in faults[0]


def rewrite(store: ClipStore, change: Callable[[dict[str, Any]], None]) -> list[str]:
    """Changes a shard's rows and vouches for it, as a faulty writer would."""
    import hashlib

    name = "shards/4d-00000.parquet"
    rows = table_from_bytes(store.read_bytes(name)).to_pylist()
    change(rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=shard_schema()), store.full_path(name))
    manifest = read_manifest(store)
    shard = next(s for s in manifest["shards"] if s["name"] == "4d-00000.parquet")
    shard["sha256"] = hashlib.sha256(store.read_bytes(name)).hexdigest()
    store.write_bytes(MANIFEST, json.dumps(manifest).encode())
    return verify_shards(store)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("timestamps_s", [0.0], "timestamps_s must have 6 entries, got 1"),
        ("registered", [False] * 6, "kind 4d needs registered cameras, got none"),
        ("frames", [{"bytes": b"no jpeg"}] * 6, "frame 0 must be a JPEG of 32x24"),
        ("frame_crc32", [0] * 6, "frame_crc32 must be the CRC-32 of each frame, but is not"),
        ("cam_from_world", [[0.0] * 12], "cam_from_world must have 0 or 6 entries, got 1"),
    ],
)
def test_a_wrong_row_is_found(store: ClipStore, column: str, value: Any, message: str) -> None:
    write(store)
    crcs = {"frame_crc32": checksums(image_bytes(value))} if column == "frames" else {}
    faults = rewrite(store, lambda row: row.update({column: value} | crcs))
    assert faults == [f"shards/4d-00000.parquet: clip {'0' * 16}: {message}"]


def test_missing_and_unlisted_files_are_found(store: ClipStore) -> None:
    write(store)
    path = Path(store.full_path("shards/4d-00000.parquet"))
    path.rename(path.with_name("4d-00009.parquet"))
    assert verify_shards(store) == [
        "shards/4d-00009.parquet: not in the manifest",
        "shards/4d-00000.parquet: missing",
    ]
    with pytest.raises(StoreError, match=r"must hold shards/_manifest.json"):
        verify_shards(ClipStore(str(path.parent)))


def test_training_reads_leave_the_evidence_alone(store: ClipStore) -> None:
    write(store)
    file = pq.ParquetFile(store.full_path("shards/4d-00000.parquet"))
    columns = [n for n in shard_schema().names if n not in EVIDENCE_COLUMNS]
    table = file.read(columns=columns, use_threads=False)
    assert not set(EVIDENCE_COLUMNS) & set(table.column_names)
    assert file.metadata.row_group(0).column(0).is_stats_set


def test_scene_scale_is_the_median_depth(reconstruction: Reconstruction) -> None:
    assert scene_scale(reconstruction) == pytest.approx(
        float(np.median(reconstruction.points_world[:, 2])), rel=1e-5
    )
