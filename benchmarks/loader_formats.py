"""The clips of the loaders' benchmark, and how each package keeps and reads them."""

import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from torch.utils.data import DataLoader

from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.loader import Batch, ClipLoader, collate
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.genxd.data.sample import make_sample
from camvid.shards.columns import FRAME_CRC32
from camvid.shards.folder import ShardFolder
from camvid.shards.manifest import write_manifest
from camvid.shards.row import checksums
from camvid.shards.writer import ShardOptions, ShardWriter
from camvid.store import ClipStore

FRAMES, HEIGHT_PX, WIDTH_PX = 72, 360, 640  # of a clip: 3 s, about 6 MB
NUM_VIEWS = 8  # different images of a clip, one after the other
BATCH = 4
SHARDS = ShardOptions()
OPTIONS = DataOptions(share_3d=0, share_video=0)

Row = dict[str, Any]  # as `make_sample` takes it, frames as bytes


@dataclass(frozen=True, slots=True)
class Contender:
    """How a package keeps the clips, and batches of them, shuffled."""

    name: str
    package: str
    write: Callable[[Sequence[Row], Path], None]
    batches: Callable[[Path, int], Iterable[Batch]]


# --- the clips ---


def make_row(number: int, num_frames: int = FRAMES) -> Row:
    """A clip of images that compress like natural ones, with a camera that moves."""
    rng = np.random.default_rng(number)
    scene = sum(
        cv2.resize(rng.normal(0, 90 / 2**level, (size, 2 * size, 3)), (960, 540))
        for level, size in enumerate((4, 12, 36, 108, 324))
    )
    views: list[bytes] = []
    for step in range(0, 8 * NUM_VIEWS, 8):
        view = scene[step : step + HEIGHT_PX, 2 * step : 2 * step + WIDTH_PX] + 128
        image = np.clip(view, 0, 255).astype(np.uint8)
        views.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    frames = [views[t % NUM_VIEWS] for t in range(num_frames)]
    cameras = np.tile(np.eye(3, 4), (num_frames, 1, 1))
    cameras[:, 0, 3] = np.linspace(0, 1, num_frames)
    return {
        "clip_id": f"{number:016x}",
        "kind": "4d",
        "num_frames": num_frames,
        "height_px": HEIGHT_PX,
        "width_px": WIDTH_PX,
        "timestamps_s": (np.arange(num_frames) / 24).tolist(),
        "frames": frames,
        "K": {"fx": 600.0, "fy": 600.0, "cx": 320.0, "cy": 180.0},
        "cam_from_world": cameras.reshape(num_frames, 12).tolist(),
        "scene_scale": 4.0,
        "motion_strength": 0.02,
    }


def pack(row: Row) -> tuple[bytes, bytes]:
    """A clip as JSON, and its frames as one piece of bytes: the quickest for most to read."""
    sizes = [len(frame) for frame in row["frames"]]
    return json.dumps(row | {"frames": sizes}).encode(), b"".join(row["frames"])


def unpack(meta: bytes, blob: bytes) -> Row:
    row: Row = json.loads(meta)
    ends = np.cumsum(row["frames"]).tolist()
    view = pa.py_buffer(blob)
    starts = [0, *ends[:-1]]
    frames = [_Jpeg(view[a:b]) for a, b in zip(starts, ends, strict=True)]
    return row | {"frames": frames}


class _Jpeg:
    """Bytes as Arrow's scalars give them, without a copy."""

    def __init__(self, data: pa.Buffer) -> None:
        self._data = data

    def as_buffer(self) -> pa.Buffer:
        return self._data


def to_batch(rows: Sequence[Row]) -> Batch:
    """The work that all have in common; the clip's name is the number to draw from."""
    loaded: list[Any] = []
    for row in rows:
        pick = Pick(int(row["clip_id"], 16), 0)
        sample = make_sample(row, OPTIONS, np.random.default_rng([OPTIONS.seed, pick.number]))
        loaded.append((pick, sample, []))
    return collate(loaded)


# --- ours ---


def write_ours(rows: Sequence[Row], folder: Path, options: ShardOptions = SHARDS) -> None:
    store = ClipStore(str(folder))
    writer = ShardWriter(store, "4d", options, ShardFolder(store, ()).put)
    for row in rows:
        images = [{"bytes": jpeg} for jpeg in row["frames"]]
        writer.add(row | {"frames": images, FRAME_CRC32: checksums(row["frames"])})
    writer.close()
    write_manifest(store, writer.shards)


def read_ours(folder: Path, workers: int) -> Iterable[Batch]:
    dataset = ClipDataset(str(folder), OPTIONS)
    return ClipLoader(dataset, batch_size=BATCH, num_workers=workers)


# --- the others, as their manuals show ---


def write_webdataset(rows: Sequence[Row], folder: Path) -> None:
    webdataset = importlib.import_module("webdataset")
    folder.mkdir()
    with webdataset.ShardWriter(f"{folder}/%03d.tar", maxcount=8, verbose=0) as writer:
        for row in rows:
            meta, blob = pack(row)
            writer.write({"__key__": row["clip_id"], "meta": meta, "blob": blob})


def read_webdataset(folder: Path, workers: int) -> Iterable[Batch]:
    return read_tars(sorted(str(path) for path in folder.glob("*.tar")), workers)


def read_tars(shards: Sequence[str], workers: int) -> Iterable[Batch]:
    """WebDataset's, at paths or URLs; endless, or it would live on its buffers in a short run."""
    webdataset = importlib.import_module("webdataset")
    clips = webdataset.WebDataset(shards, resampled=True, shardshuffle=False, seed=0)
    clips = clips.shuffle(32).to_tuple("meta", "blob")
    return DataLoader(clips, batch_size=BATCH, num_workers=workers, collate_fn=_from_pairs)


def write_mosaic(rows: Sequence[Row], folder: Path) -> None:
    streaming = importlib.import_module("streaming")
    columns = {"meta": "bytes", "blob": "bytes"}
    with streaming.MDSWriter(out=str(folder), columns=columns) as writer:
        for row in rows:
            writer.write(dict(zip(columns, pack(row), strict=True)))


def read_mosaic(folder: Path, workers: int) -> Iterable[Batch]:
    streaming = importlib.import_module("streaming")
    clips = streaming.StreamingDataset(local=str(folder), shuffle=True, batch_size=BATCH)
    return DataLoader(clips, batch_size=BATCH, num_workers=workers, collate_fn=_from_dicts)


def write_litdata(rows: Sequence[Row], folder: Path) -> None:
    litdata = importlib.import_module("litdata")
    packed = [dict(zip(("meta", "blob"), pack(row), strict=True)) for row in rows]
    litdata.optimize(_itself, packed, str(folder), chunk_bytes="64MB", num_workers=1, verbose=False)


def read_litdata(folder: Path, workers: int) -> Iterable[Batch]:
    litdata = importlib.import_module("litdata")
    clips = litdata.StreamingDataset(str(folder), shuffle=True, drop_last=False)
    return litdata.StreamingDataLoader(
        clips, batch_size=BATCH, num_workers=workers, collate_fn=_from_dicts
    )


def write_hugging_face(rows: Sequence[Row], folder: Path) -> None:
    datasets = importlib.import_module("datasets")
    datasets.Dataset.from_list(list(rows)).save_to_disk(str(folder))


def read_hugging_face(folder: Path, workers: int) -> Iterable[Batch]:
    """Memory-mapped Arrow files: quicker than its streaming."""
    datasets = importlib.import_module("datasets")
    clips = datasets.load_from_disk(str(folder)).with_format("arrow")
    return DataLoader(
        _One(clips),
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        collate_fn=_from_tables,
    )


class _One:
    """Its tables row by row: its own way of fetching a batch fails on tables."""

    def __init__(self, clips: Any) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, number: int) -> pa.Table:
        return self._clips[number]


def _itself(item: Any) -> Any:
    return item


def _from_pairs(pairs: Sequence[tuple[bytes, bytes]]) -> Batch:
    return to_batch([unpack(meta, blob) for meta, blob in pairs])


def _from_dicts(items: Sequence[Mapping[str, bytes]]) -> Batch:
    return to_batch([unpack(item["meta"], item["blob"]) for item in items])


def _from_tables(tables: Sequence[pa.Table]) -> Batch:
    rows: list[Row] = []
    for table in tables:
        row = {name: table[name][0] for name in table.column_names}
        rows.append({k: v.values if k == "frames" else v.as_py() for k, v in row.items()})
    return to_batch(rows)


CONTENDERS = (
    Contender("camvid", "camvid", write_ours, read_ours),
    Contender("WebDataset", "webdataset", write_webdataset, read_webdataset),
    Contender("MosaicML Streaming", "streaming", write_mosaic, read_mosaic),
    Contender("LitData", "litdata", write_litdata, read_litdata),
    Contender("Hugging Face datasets", "datasets", write_hugging_face, read_hugging_face),
)
