"""The columns of a shard's row, each declared once: name, type, meaning, value, use.

The scalar ones are those of `camvid.record` that are marked so; the others stand here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

import camvid
from camvid.codecs import DEPTH_STEP
from camvid.columns import Column, columns_of, values_of
from camvid.outcome import INDICATOR
from camvid.plain import to_plain
from camvid.record import ClipRecord, ObjectRecord, caption_of
from camvid.shards.row import ClipParts, cameras_to_lists, checksums, scene_scale

FRAMES = "frames"
LATENTS = "latents"  # in place of frames where shards were packed so, or beside them: bfloat16
FRAME_CRC32 = "frame_crc32"  # the column by which each frame can be checked alone


@dataclass(frozen=True, slots=True)
class ShardColumn(Column):
    """A column of the shards alone, or one of the record as shards hold it."""

    per_frame: Literal["", "each", "each or none"] = ""  # a list with an entry for each frame
    evidence: bool = False  # large, and never read for training
    image: bool = False  # a list of encoded images
    blobs: tuple[str, ...] = ()  # Parquet paths under it that do not compress any further


def _struct(columns: tuple[Column, ...]) -> pa.DataType:
    return pa.struct([(known.name, _narrow(known.arrow)) for known in columns])


def _narrow(kind: pa.DataType) -> pa.DataType:
    """Shards hold counts in 32 bits, where the index has 64."""
    return pa.int32() if kind == pa.int64() else kind


def _images(encoded: Sequence[bytes]) -> list[dict[str, bytes]]:
    return [{"bytes": image} for image in encoded]


def _camera_matrix(parts: ClipParts) -> dict[str, float] | None:
    K = parts.reconstruction.K
    known = bool(np.isfinite(K).all())
    return {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]} if known else None


def _objects(parts: ClipParts) -> list[dict[str, Any]]:
    motions = {motion.object_id: motion for motion in parts.motion.per_object}
    found = [(masked, motions.get(masked.object_id)) for masked in parts.objects]
    return [to_plain(values_of(ObjectRecord, *pair)) for pair in found]


def _quality(parts: ClipParts) -> dict[str, Any]:
    known = _record(parts)
    measured = {column.name: known[column.name] for column in _QUALITY}
    return measured | {"solver": parts.reconstruction.quality.solver}


def _provenance(parts: ClipParts) -> dict[str, Any]:
    return {
        "camvid_version": camvid.__version__,
        "stages": [
            {"stage": r.stage, "version": r.version, "fingerprint": r.fingerprint[:16]}
            for r in parts.row.records
            if r.fingerprint
        ],
        "weights": parts.weights,
        "processing": list(parts.clip.processing),
        "num_lost_frames": parts.clip.num_lost,
        "listed": parts.clip.video.listed,
    }


def _tracks(parts: ClipParts) -> dict[str, Any]:
    tracks = parts.tracks
    return {
        "num_tracks": tracks.xy_px.shape[1],
        "xy_px": np.ascontiguousarray(tracks.xy_px, "<f4").tobytes(),
        "visible": np.ascontiguousarray(tracks.visible, np.uint8).tobytes(),
        "object_id": tracks.object_id.astype(np.int32),
        "query_frame": tracks.query_frame,
    }


TEXT, F64, I32 = pa.string(), pa.float64(), pa.int32()
# As `datasets` has its Image, whatever the encoding; `path` is null, but without it no reader of
# theirs takes the column for images.
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", TEXT)])
_BYTES_OF_IMAGES = "list.element.bytes"
_STAGE = pa.struct([("stage", TEXT), ("version", I32), ("fingerprint", TEXT)])
_PROVENANCE = pa.struct(
    [
        ("camvid_version", TEXT),
        ("stages", pa.list_(_STAGE)),
        ("weights", pa.list_(TEXT)),  # as str(Weight)
        ("processing", pa.list_(TEXT)),
        ("num_lost_frames", I32),
        ("listed", TEXT),
    ]
)
_TRACKS = pa.struct(
    [
        ("num_tracks", I32),
        ("xy_px", pa.binary()),
        ("visible", pa.binary()),
        ("object_id", pa.list_(I32)),
        ("query_frame", pa.list_(I32)),
    ]
)
_SCALARS = tuple(known for known in columns_of(ClipRecord) if known.shard == "column")
_QUALITY = tuple(known for known in columns_of(ClipRecord) if known.shard == "quality")

ONLY_IN_SHARDS = (
    ShardColumn(
        "indicator", pa.int8(), "GenXD's: 4d = 2, 3d = 0, video = 1", lambda p: INDICATOR[p.kind]
    ),
    ShardColumn(
        "source_sha256", TEXT, "of the source video's bytes", lambda p: p.clip.video.sha256
    ),
    ShardColumn(
        "fps",
        F64,
        "usual frame rate of the clip; frames may be unevenly spaced",
        lambda p: p.clip.fps,
    ),
    ShardColumn(
        "height_px", I32, "of the stored frames", lambda p: p.clip.height_px, training=True
    ),
    ShardColumn("width_px", I32, "of the stored frames", lambda p: p.clip.width_px, training=True),
    ShardColumn(
        "timestamps_s",
        pa.list_(F64),
        "time of each frame in the source, strictly increasing",
        lambda p: p.clip.timestamps_s,
        training=True,
        per_frame="each",
    ),
    ShardColumn(
        "source_frame_index",
        pa.list_(I32),
        "number of each frame in the source",
        lambda p: p.clip.source_frame_index,
        per_frame="each",
    ),
    ShardColumn(
        FRAMES,
        pa.list_(_IMAGE),
        "JPEG of each frame; `bytes` has it, `path` is null",
        lambda p: _images(p.jpegs),
        per_frame="each",
        image=True,
        blobs=(_BYTES_OF_IMAGES,),
    ),
    ShardColumn(
        FRAME_CRC32,
        pa.list_(pa.uint32()),
        "zlib's CRC-32 of each frame's bytes, for who reads some frames of a clip",
        lambda p: checksums(p.jpegs),
        training=True,
        per_frame="each",
    ),
    ShardColumn(
        "K",
        pa.struct([(name, F64) for name in ("fx", "fy", "cx", "cy")]),
        "fx, fy, cx, cy in pixels of the stored frames; null where unknown",
        _camera_matrix,
        training=True,
    ),
    ShardColumn(
        "zoom",
        pa.list_(F64),
        "focal length of each frame over that of K; 1 where the lens does not zoom",
        lambda p: p.reconstruction.zoom,
        training=True,
        per_frame="each",
    ),
    ShardColumn(
        "cam_from_world",
        pa.list_(pa.list_(F64)),
        "x_cam = R x_world + t of each frame, row-major 3x4; null where the frame was not"
        " registered, empty where no camera is known; translation is exactly 0 for a camera that"
        " turns in place (rotating, zooming, fixed)",
        lambda p: cameras_to_lists(p.reconstruction.cam_from_world, p.reconstruction.registered),
        training=True,
        per_frame="each or none",
    ),
    ShardColumn(
        "registered",
        pa.list_(pa.bool_()),
        "which frames have a camera",
        lambda p: p.reconstruction.registered.tolist(),
        per_frame="each",
    ),
    ShardColumn(
        "points_world",
        pa.list_(pa.list_(pa.float32(), 3)),
        "sparse points of the static scene",
        lambda p: list(p.reconstruction.points_world),
    ),
    ShardColumn(
        "point_rgb",
        pa.list_(pa.list_(pa.uint8(), 3)),
        "colour of each point",
        lambda p: list(p.reconstruction.point_rgb),
    ),
    ShardColumn(
        "scene_scale",
        F64,
        "median depth of the sparse points; null where the camera does not travel",
        lambda p: scene_scale(p.reconstruction),
        training=True,
    ),
    ShardColumn(
        "objects",
        pa.list_(_struct(columns_of(ObjectRecord))),
        "what may move, and overlays",
        _objects,
    ),
    ShardColumn(
        "quality",
        pa.struct([*_struct(_QUALITY), ("solver", TEXT)]),
        "the measures by which cameras and depth are judged, and the pose solver",
        _quality,
    ),
    ShardColumn(
        "provenance",
        _PROVENANCE,
        "what made the clip; processing is what decoding did to the frames (deinterlaced,"
        " tone-mapped from PQ or HLG); num_lost_frames of the source lie in the span but were"
        " damaged; listed are other columns of the list that named the video, as a JSON object",
        _provenance,
    ),
    ShardColumn(
        "masks",
        pa.list_(_IMAGE),
        "PNG of object ids of each frame, 0 = background; as frames",
        lambda p: _images(p.mask_pngs),
        per_frame="each",
        evidence=True,
        image=True,
        blobs=(_BYTES_OF_IMAGES,),
    ),
    ShardColumn(
        "depth",
        pa.list_(pa.binary()),
        "z in the camera frame as 16-bit PNG: code c above 0 is depth_farthest[frame] *"
        f" exp({DEPTH_STEP} * (1 - c)), within {DEPTH_STEP / 2:.2%}; code 0 is not known; null"
        " where the clip has no depth",
        lambda p: p.depth[0] if p.depth else None,
        per_frame="each or none",
        evidence=True,
        blobs=("list.element",),
    ),
    ShardColumn(
        "depth_farthest",
        pa.list_(F64),
        "z of code 1, of each frame",
        lambda p: p.depth[1] if p.depth else None,
        per_frame="each or none",
        evidence=True,
    ),
    ShardColumn(
        "tracks",
        _TRACKS,
        "keypoints: xy_px little-endian float32 [num_frames, num_tracks, 2], visible uint8"
        " of the same leading shape, object_id and query_frame one per track",
        _tracks,
        evidence=True,
        blobs=("xy_px",),
    ),
)

SHARD_COLUMNS: tuple[Column, ...] = (
    *(replace(known, arrow=_narrow(known.arrow)) for known in _SCALARS),
    *ONLY_IN_SHARDS,
)
TRAINING_COLUMNS = tuple(known.name for known in SHARD_COLUMNS if known.training)
"""What a training read touches besides the frames: never the masks, depth and tracks."""
EVIDENCE_COLUMNS = tuple(known.name for known in ONLY_IN_SHARDS if known.evidence)
"""What a training read leaves out."""
BLOB_COLUMNS = (
    *(f"{known.name}.{path}" for known in ONLY_IN_SHARDS for path in known.blobs),
    f"{LATENTS}.list.element",
)
"""Parquet paths of columns that are compressed already or do not compress."""


def shard_row(parts: ClipParts) -> dict[str, Any]:
    """The clip's row."""
    known = _record(parts)
    scalars = {column.name: known[column.name] for column in _SCALARS}
    return scalars | {column.name: column.of(parts) for column in ONLY_IN_SHARDS}


def _record(parts: ClipParts) -> dict[str, Any]:
    """The clip's record, in plain values."""
    solved = parts.reconstruction
    artifacts = (parts.clip, solved, solved.quality, parts.motion, parts.verdict)
    known = values_of(ClipRecord, *artifacts) | {"kind": parts.kind}
    return to_plain(known | caption_of(parts.clip, parts.verdict))
