"""The shard schema: its version and conventions, written into every file."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from camvid.errors import StoreError
from camvid.shards.columns import ONLY_IN_SHARDS, SHARD_COLUMNS

# 1.2: frame_crc32; provenance.stages a list, as not every reader has maps
# 1.3: a camera that travels may zoom as well
# 1.4: provenance says what decoding did to the frames, and how many it lost
# 1.5: reasons; the origin of each object; what was not measured is null, not NaN
# 2.0: frames and masks are structs of bytes and path; depth is coded by its logarithm;
#      provenance.listed, from the list that named the video
SCHEMA_VERSION = "2.0"

CONVENTIONS = {
    "pixels": "the centre of the top-left pixel is (0.5, 0.5)",
    "axes": "OpenCV: x right, y down, z forward",
    "units": "those of the reconstruction: each clip has its own scale",
    "null": "not known or not measured",
    "motion": "strengths are fractions of the image side; people are shown them x100",
}


def _huggingface_features() -> dict[str, Any]:
    """So that `datasets.load_dataset` and Hugging Face's viewer have frames and masks as images."""
    images = {known.name for known in ONLY_IN_SHARDS if known.image}
    image = {"feature": {"_type": "Image"}, "_type": "List"}
    return {c.name: image if c.name in images else _feature(c.arrow) for c in SHARD_COLUMNS}


def _feature(kind: pa.DataType) -> Any:
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _feature(kind.field(i).type) for i in range(kind.num_fields)}
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    names = {"double": "float64", "float": "float32"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}


def shard_schema() -> pa.Schema:
    """The Arrow schema of a shard with its key-value metadata."""
    conventions = CONVENTIONS | {known.name: known.meaning for known in SHARD_COLUMNS}
    metadata = {
        "camvid.schema_version": SCHEMA_VERSION,
        "camvid.conventions": json.dumps(conventions),
        "huggingface": json.dumps({"info": {"features": _huggingface_features()}}),
    }
    return pa.schema([(known.name, known.arrow) for known in SHARD_COLUMNS], metadata=metadata)


def check_version(metadata: dict[bytes, bytes] | None, where: str) -> None:
    """Refuses files that are no camvid shard, or of a newer major version."""
    version = (metadata or {}).get(b"camvid.schema_version", b"").decode()
    if not version:
        raise StoreError(f"{where} must be a camvid shard, but carries no camvid.schema_version")
    known = int(SCHEMA_VERSION.split(".")[0])
    if int(version.split(".")[0]) > known:
        raise StoreError(
            f"{where} has schema version {version}, this camvid reads up to {known}.x: upgrade it"
        )


def length_faults(row: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with the lengths of a row's columns; those of newer versions may be absent."""
    for column in ONLY_IN_SHARDS:
        if not column.per_frame or column.name not in row:
            continue
        length, wanted = len(row[column.name] or ()), row["num_frames"]
        may_be_none = column.per_frame == "each or none"
        if length != wanted and not (may_be_none and length == 0):
            choice = f"0 or {wanted}" if may_be_none else f"{wanted}"
            yield f"{column.name} must have {choice} entries, got {length}"
