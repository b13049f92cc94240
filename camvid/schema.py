"""The shard schema, version 1: one row per clip; what a reader must know stands in the file."""

import json
from typing import Any

import pyarrow as pa

from camvid.errors import StoreError

# 1.2: frame_crc32; provenance.stages a list, as not every reader has maps
# 1.3: a camera that travels may zoom as well
# 1.4: provenance says what decoding did to the frames, and how many it lost
SCHEMA_VERSION = "1.4"

FRAME_CRC32 = "frame_crc32"  # the column by which each frame can be checked alone

CONVENTIONS = {
    "cam_from_world": "x_cam = R x_world + t, row-major 3x4; OpenCV axes: x right, y down, z"
    " forward; null where the frame was not registered, empty where no camera is known; translation"
    " is exactly 0 for a camera that turns in place (rotating, zooming, fixed)",
    "pixels": "the centre of the top-left pixel is (0.5, 0.5)",
    "K": "fx, fy, cx, cy in pixels of the stored frames; null where unknown",
    "zoom": "focal length of each frame over that of K; 1 where the lens does not zoom",
    "scene_scale": "median depth of the sparse points; null where the camera does not travel",
    FRAME_CRC32: "zlib's CRC-32 of each frame's bytes, for who reads some frames of a clip",
    "depth": "z in the camera frame, in scene units; PNG code c is inverse depth"
    " c / 65535 * depth_max_inverse[frame], code 0 is invalid",
    "masks": "PNG of object ids, 0 = background",
    "motion_strength": "mean camera-compensated displacement over motion_pair_gap_s as a fraction"
    " of the image side, maximum over objects; people are shown x100",
    "motion_interval": "90 % interval of motion_strength, from the noise of tracks and depth;"
    " motion_low and motion_high of an object bound it over all depths that it may have",
    "tracks": "xy_px little-endian float32 [num_frames, num_tracks, 2], visible uint8 of the same"
    " leading shape, object_id and query_frame one per track",
    "provenance": "processing is what decoding did to the frames (deinterlaced, tone-mapped from PQ"
    " or HLG); num_lost_frames of the source lie in the span but were damaged",
    "kind": "4d: cameras and motion; 3d: cameras, nothing moves; video: motion, no camera",
    "indicator": "GenXD's: 4d = 2, 3d = 0, video = 1",
}

_OBJECT = pa.struct(
    [
        ("object_id", pa.int32()),
        ("label", pa.string()),
        ("score", pa.float64()),
        ("area_fraction", pa.float64()),
        ("motion_strength", pa.float64()),
        ("motion_low", pa.float64()),
        ("motion_high", pa.float64()),
        ("motion_interval_low", pa.float64()),
        ("motion_interval_high", pa.float64()),
        ("motion_lower_bound", pa.float64()),
        ("num_tracks", pa.int32()),
    ]
)

_QUALITY = pa.struct(
    [
        ("registered_fraction", pa.float64()),
        ("num_points", pa.int32()),
        ("points_per_frame", pa.float64()),
        ("mean_reprojection_error_px", pa.float64()),
        ("median_triangulation_angle_deg", pa.float64()),
        ("focal_px", pa.float64()),
        ("focal_uncertainty", pa.float64()),
        ("inlier_fraction", pa.float64()),
        ("masked_fraction", pa.float64()),
        ("depth_residual", pa.float64()),
        ("solver", pa.string()),
    ]
)

_STAGE = pa.struct(
    [
        ("stage", pa.string()),
        ("version", pa.int32()),
        ("fingerprint", pa.string()),
    ]
)

_PROVENANCE = pa.struct(
    [
        ("camvid_version", pa.string()),
        ("stages", pa.list_(_STAGE)),
        ("weights", pa.list_(pa.string())),  # as str(Weight)
        ("processing", pa.list_(pa.string())),
        ("num_lost_frames", pa.int32()),
    ]
)

_TRACKS = pa.struct(
    [
        ("num_tracks", pa.int32()),
        ("xy_px", pa.binary()),
        ("visible", pa.binary()),
        ("object_id", pa.list_(pa.int32())),
        ("query_frame", pa.list_(pa.int32())),
    ]
)

_FIELDS: list[tuple[str, pa.DataType]] = [
    ("clip_id", pa.string()),
    ("kind", pa.string()),
    ("indicator", pa.int8()),
    ("source_uri", pa.string()),
    ("source_sha256", pa.string()),
    ("licence", pa.string()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("fps", pa.float64()),
    ("num_frames", pa.int32()),
    ("height_px", pa.int32()),
    ("width_px", pa.int32()),
    ("timestamps_s", pa.list_(pa.float64())),
    ("source_frame_index", pa.list_(pa.int32())),
    ("frames", pa.list_(pa.binary())),
    (FRAME_CRC32, pa.list_(pa.uint32())),
    ("camera", pa.string()),
    ("K", pa.struct([(n, pa.float64()) for n in ("fx", "fy", "cx", "cy")])),
    ("zoom", pa.list_(pa.float64())),
    ("cam_from_world", pa.list_(pa.list_(pa.float64()))),
    ("registered", pa.list_(pa.bool_())),
    ("points_world", pa.list_(pa.list_(pa.float32(), 3))),
    ("point_rgb", pa.list_(pa.list_(pa.uint8(), 3))),
    ("scene_scale", pa.float64()),
    ("motion_strength", pa.float64()),
    ("motion_interval_low", pa.float64()),
    ("motion_interval_high", pa.float64()),
    ("motion_lower_bound", pa.float64()),
    ("motion_background", pa.float64()),
    ("motion_confidence", pa.float64()),
    ("motion_pair_gap_s", pa.float64()),
    ("objects", pa.list_(_OBJECT)),
    ("quality", _QUALITY),
    ("caption", pa.string()),
    ("provenance", _PROVENANCE),
    ("masks", pa.list_(pa.binary())),
    ("depth", pa.list_(pa.binary())),
    ("depth_max_inverse", pa.list_(pa.float64())),
    ("tracks", _TRACKS),
]

BLOB_COLUMNS = (
    "frames.list.element",
    "masks.list.element",
    "depth.list.element",
    "tracks.xy_px",
    "tracks.visible",
)
"""Parquet paths of columns that are compressed already or do not compress."""

EVIDENCE_COLUMNS = ("masks", "depth", "depth_max_inverse", "tracks")
"""What a training read leaves out."""


def _huggingface_features() -> dict[str, Any]:
    """So that the Hugging Face viewer shows the frames as pictures.

    `datasets.load_dataset("parquet", ...)` gives them as bytes, and as pictures where it is handed
    these: `features=Features.from_dict(...)`.
    """
    features: dict[str, Any] = {
        name: _feature(kind) for name, kind in _FIELDS if name not in ("frames", "masks")
    }
    for name in ("frames", "masks"):
        features[name] = {"feature": {"_type": "Image"}, "_type": "List"}
    return {name: features[name] for name, _ in _FIELDS}


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
    metadata = {
        "camvid.schema_version": SCHEMA_VERSION,
        "camvid.conventions": json.dumps(CONVENTIONS),
        "huggingface": json.dumps({"info": {"features": _huggingface_features()}}),
    }
    return pa.schema(_FIELDS, metadata=metadata)


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
