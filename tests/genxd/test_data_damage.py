"""Damaged shards and bad rows: found, named, and made up for by other clips."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from camvid.artifacts import DepthMaps, MotionReport, ObjectMasks, PointTracks, Reconstruction
from camvid.errors import StoreError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.shards.columns import FRAME_CRC32
from camvid.store import ClipStore
from tests.genxd.datasets import KINDS, SMALL, change_row, dataset, equal, row_of
from tests.genxd.runs import clip_id, write_run


@pytest.fixture
def store(
    tmp_path: Path,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
) -> ClipStore:
    return write_run(tmp_path / "run", KINDS, (masks, reconstruction, depth, tracks, motion))


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"frames": [{"bytes": b"no jpeg"}] * 6}, "a frame must be a JPEG of 32x24, got none"),
        ({"frames": [{"bytes": b""}] * 6}, "a frame must be a JPEG of 32x24, got none"),
        ({"frames": [None] * 6}, "a frame must be a JPEG of 32x24, got none"),
        ({"frames": None}, "the row must have frames"),
        ({FRAME_CRC32: None}, "the row must have frame_crc32"),
        ({FRAME_CRC32: [0]}, "frame_crc32 must have 6 entries, got 1"),
        ({FRAME_CRC32: [0] * 6}, "frame 0 must have CRC-32 0, got "),
        ({"height_px": 25}, "a frame must be a JPEG of 32x25, got 32x24"),
        ({"timestamps_s": [0.0] * 6}, "timestamps_s must increase strictly"),
        ({"cam_from_world": [[0.0] * 11] * 6}, "cannot reshape array of size 11"),
        ({"cam_from_world": []}, "num_frames must be at most the clip's usable frames, 0"),
        ({"K": None}, "the row must have K"),
        ({"K": dict.fromkeys(("fx", "fy", "cx", "cy"))}, "K must be finite"),
        ({"scene_scale": None}, "scene_scale must be above 0, got None"),
        ({"motion_strength": float("nan")}, "motion_strength must be finite, got nan"),
    ],
)
def test_a_bad_row_gives_way_and_is_named(
    store: ClipStore, caplog: pytest.LogCaptureFixture, values: dict[str, Any], cause: str
) -> None:
    change_row(store, "4d-00000.parquet", 2, **values)
    data = dataset(store)
    row = row_of(data, clip_id(4))
    sample, skipped = data.load(Pick(5, row))
    assert sample.clip_id in {clip_id(i) for i in (0, 1, 7)}
    assert sample.indicator == 2
    assert skipped[0].clip_id == clip_id(4)
    assert skipped[0].cause.startswith(cause)
    assert skipped[0].shard.endswith("shards/4d-00000.parquet")
    data.load(Pick(6, row))
    assert len(data.skipped) == 1
    assert caplog.text.count(f"clip {clip_id(4)} of") == 1
    assert equal(dataset(store)[Pick(5, row)], sample)


@pytest.mark.parametrize("column", ["clip_id", "scene_scale", "frames", "num_frames"])
def test_a_shard_without_a_column_is_named(store: ClipStore, column: str) -> None:
    path = store.full_path("shards/3d-00000.parquet")
    table = pq.ParquetFile(path).read(use_threads=False).drop_columns([column])
    index = dataset(store).index  # which the manifest tells
    pq.write_table(table, path, row_group_size=2)
    data = ClipDataset(index, DataOptions(**SMALL))
    row = row_of(data, clip_id(3))
    with pytest.raises(StoreError, match=f"clip {clip_id(3)} of .*: the row must have {column}"):
        data.load(Pick(0, row))


def test_a_flipped_bit_in_a_image_is_found(store: ClipStore) -> None:
    """In every sample that would show it; those of other frames and clips are as they were."""
    whole = dataset(store, num_frames=2, max_given_views=1)
    row = row_of(whole, clip_id(4))
    flip_bit(store, in_image(store, clip_id(4), 4))
    data, causes, num_good = dataset(store, num_frames=2, max_given_views=1), set[str](), 0
    for number in range(20):
        pick = Pick(number, row)
        sample, skipped = data.load(pick)
        if 4 in whole[pick].frame_index:
            assert {clip.clip_id for clip in skipped} == {clip_id(4)}
            causes.add(skipped[0].cause.split(",")[0])
        else:
            assert equal(sample, whole[pick])
            num_good += 1
    assert 0 < num_good < 20
    assert len(causes) == 1
    assert causes.pop().startswith("frame 4 must have CRC-32 ")
    beside = Pick(0, row_of(data, clip_id(7)))  # in the same row group
    assert equal(data[beside], whole[beside])


@pytest.mark.parametrize("damaged", ["cam_from_world.list.element.list.element", "frames"])
def test_a_flipped_bit_is_found_by_pages_where_frames_have_no_checksums(
    store: ClipStore, damaged: str
) -> None:
    """All other columns; and the frames of shards before schema version 1.2."""
    path = store.full_path("shards/4d-00000.parquet")
    if damaged == "frames":
        table = pq.ParquetFile(path).read(use_threads=False).drop_columns([FRAME_CRC32])
        pq.write_table(table, path, row_group_size=2, write_page_checksum=True, compression="none")
        store.remove("shards/_manifest.json")
        flip_bit(store, in_image(store, clip_id(4), 3))
    else:
        group = pq.ParquetFile(path).metadata.row_group(1)
        chunks = [group.column(index) for index in range(group.num_columns)]
        chunk = next(c for c in chunks if c.path_in_schema == damaged)
        flip_bit(store, chunk.data_page_offset + chunk.total_compressed_size - 9)
    data = dataset(store)
    sample, skipped = data.load(Pick(0, row_of(data, clip_id(4))))
    assert sample.clip_id in (clip_id(0), clip_id(1))  # clip 7 shares the damaged page
    assert "CRC" in skipped[0].cause
    assert {clip_id(4)} <= {skip.clip_id for skip in data.skipped} <= {clip_id(4), clip_id(7)}


def in_image(store: ClipStore, clip: str, frame: int) -> int:
    """The middle of an image, in bytes from the start of the shard of 4D clips."""
    jpeg = store.load_jpegs(clip)[frame]
    return store.read_bytes("shards/4d-00000.parquet").find(jpeg) + len(jpeg) // 2


def flip_bit(store: ClipStore, at: int) -> None:
    path = Path(store.full_path("shards/4d-00000.parquet"))
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def test_a_shard_that_is_cut_short_is_found_before_training_or_gives_way(
    store: ClipStore,
) -> None:
    """Before by its manifest, and without one by its footer; while training runs, by its reads."""
    running = dataset(store)
    shard = Path(store.full_path("shards/4d-00000.parquet"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        StoreError,
        match=rf"4d-00000.parquet must have {len(whole)} bytes by its manifest, got"
        rf" {len(whole) // 2}: run `camvid shards verify`",
    ):
        dataset(store)
    store.remove("shards/_manifest.json")
    with pytest.raises(StoreError, match=r"the shards of .* must be readable: .*[Pp]arquet"):
        dataset(store)
    still_whole = row_of(running, clip_id(2))
    assert running[Pick(0, still_whole)].clip_id == clip_id(2)
    with pytest.raises(StoreError, match=r"tries failed, the first with clip 0+4 of .*4d-00000"):
        running[Pick(0, row_of(running, clip_id(4)))]  # no other shard has clips of its kind


def test_when_nothing_can_be_read_that_is_an_error(store: ClipStore) -> None:
    for row in range(2):
        change_row(store, "3d-00000.parquet", row, scene_scale=-1.0)
    data = dataset(store)
    with pytest.raises(StoreError, match=r"tries failed, the first with clip 0+2 of .*3d-00000"):
        data[Pick(0, row_of(data, clip_id(2)))]
    assert data[Pick(0, row_of(data, clip_id(0)))].clip_id == clip_id(0)
