"""Datasets of tiny clips, where they lie, and shards whose rows are changed."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.parquet import table_from_bytes
from camvid.shards.columns import FRAME_CRC32, FRAMES
from camvid.shards.row import checksums
from camvid.shards.schema import shard_schema
from camvid.store import ClipStore

KINDS = "44334vv4"
SMALL: dict[str, Any] = {"num_frames": 4, "height_px": 64, "width_px": 64}


def dataset(store: ClipStore, **options: Any) -> ClipDataset:
    return ClipDataset(store.root, DataOptions(**(SMALL | options)))


def row_of(data: ClipDataset, clip: str) -> int:
    return next(row for row in range(data.index.num_rows) if data.index.place(row).clip_id == clip)


def equal(a: object, b: object) -> bool:
    return all(
        np.array_equal(
            getattr(a, name), getattr(b, name), equal_nan=name in ("K", "cam_from_world")
        )
        for name in ("clip_id", "rgb", "is_given", "rays", "K", "cam_from_world", "frame_index")
    )


def change_row(store: ClipStore, name: str, row: int, **values: Any) -> None:
    """Rewrites a shard with other values in one row; its manifest goes, as it speaks of the old."""
    rows = table_from_bytes(store.read_bytes(f"shards/{name}")).to_pylist()
    if frames := values.get(FRAMES):
        values[FRAME_CRC32] = checksums(image["bytes"] if image else b"" for image in frames)
    rows[row] |= values
    table = pa.Table.from_pylist(rows, schema=shard_schema())
    pq.write_table(table, store.full_path(f"shards/{name}"), row_group_size=2)
    store.remove("shards/_manifest.json")
