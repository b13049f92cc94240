"""A folder for the Hugging Face Hub: `load_dataset` opens it, its videos play, Croissant names it.

`clips/*.parquet` hold the videos as MP4 with their cameras. Three configurations: `preview`, the
default, is the first file of these; `clips` all of them; `index` what is known of each clip but
the video.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camvid.artifacts import F64
from camvid.exports.croissant import croissant
from camvid.exports.format import Entry, Format
from camvid.exports.hub_card import card_files
from camvid.exports.mp4 import write_mp4
from camvid.exports.view import View

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int32()
INDEX_COLUMNS: Mapping[str, pa.DataType] = {
    "clip_id": _TEXT,
    "kind": _TEXT,
    "camera": _TEXT,
    "camera_moves": _TEXT,
    "caption": _TEXT,
    "motion_strength": _NUMBER,
    "num_frames": _COUNT,
    "fps": _NUMBER,
    "width_px": _COUNT,
    "height_px": _COUNT,
    "source_uri": _TEXT,
    "start_s": _NUMBER,
    "end_s": _NUMBER,
    "licence": _TEXT,
    "length_unit": _NUMBER,
    "file": _TEXT,
}
CLIP_COLUMNS: Mapping[str, pa.DataType] = {
    **INDEX_COLUMNS,
    "video": pa.struct([("bytes", pa.binary()), ("path", _TEXT)]),
    "timestamps_s": pa.list_(_NUMBER),
    "fx_fy_cx_cy": pa.list_(pa.list_(_NUMBER)),  # null where not known
    "cam_from_world": pa.list_(pa.list_(_NUMBER)),  # row-major 3x4; null where not known
}


class HuggingFace(Format):
    """A dataset repository."""

    needs_cameras: ClassVar[bool] = False
    clips_per_part: ClassVar[int] = 16  # as many in a file: the preview stays small

    def write(self, view: View, folder: Path, number: int) -> Entry:
        name = view.clip.clip_id
        file = f"clips/{number // self.clips_per_part:05d}.parquet"
        entry = view.entry() | {"file": file}
        write_mp4(folder / f"{name}.mp4", view.frames(), view.fps, self.options.crf)
        cameras = {
            "timestamps_s": view.timestamps_s.tolist(),
            "fx_fy_cx_cy": _known(view.K[:, [0, 1, 0, 1], [0, 1, 2, 2]]),
            "cam_from_world": _known(view.cam_from_world.reshape(-1, 12)),
        }
        (folder / f"{name}.json").write_text(json.dumps(entry | cameras))
        return entry

    def pack(self, folder: Path, number: int) -> None:
        (folder / "clips").mkdir()
        schema = _schema(CLIP_COLUMNS)
        file = folder / f"clips/{number:05d}.parquet"
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_index=True) as writer:
            for path in sorted(folder.glob("*.json")):
                row: dict[str, Any] = json.loads(path.read_text())
                video = path.with_suffix(".mp4")
                row["video"] = {"bytes": video.read_bytes(), "path": video.name}
                writer.write_table(pa.Table.from_pylist([row], schema=schema))  # a row group each
                path.unlink()
                video.unlink()

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        table = pa.Table.from_pylist([dict(entry) for entry in entries], _schema(INDEX_COLUMNS))
        pq.write_table(table, folder / "index.parquet", compression="zstd")
        for name, text in card_files(entries).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        described = croissant(entries, CLIP_COLUMNS, (folder / "index.parquet").read_bytes())
        (folder / "croissant.json").write_text(json.dumps(described, indent=1))


def _known(numbers: F64) -> list[list[float]] | None:
    """Numbers [F, N] as lists; null unless all are known."""
    return numbers.tolist() if np.isfinite(numbers).all() else None


def _schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    """With the features that `datasets` reads, so that videos are videos."""
    features = {name: _feature(kind) for name, kind in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(list(columns.items()), metadata=metadata)


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"_type": "Video"}
    if pa.types.is_list(kind):
        return {"_type": "List", "feature": _feature(kind.value_type)}
    return {"_type": "Value", "dtype": {"double": "float64"}.get(str(kind), str(kind))}
