"""Shards for training alone: smaller images, or latents, and of the rest what training reads.

A sample of a run's shards is megabytes, for their images are whole; that of a pack is less than
one, and a clip is a row group, so that nothing is read for another one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from camvid.artifacts import U8
from camvid.errors import ClipError, ConfigError, StoreError
from camvid.genxd.data.choices import Framing
from camvid.genxd.data.options import Fit
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.sample import decode_jpeg
from camvid.genxd.data.shards import Place
from camvid.shards.columns import FRAME_CRC32, FRAMES, LATENTS, SHARD_COLUMNS, TRAINING_COLUMNS
from camvid.shards.row import checksums
from camvid.shards.schema import shard_schema
from camvid.shards.writer import open_writer

# To find a clip again, and to say what it may be used for.
_KEPT = {"indicator", "source_uri", "source_sha256", "licence", "caption", "camera", "registered"}
_BAD_CLIP = (ClipError, StoreError, OSError, pa.ArrowException, cv2.error, ValueError, KeyError)

Row = dict[str, Any]
Repack = Callable[[Row], Row]  # of a row whose `frames` are Arrow's scalars


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOptions:
    """Images with a shorter side of `side_px`, or latents of images of a size and crop."""

    side_px: int = 0  # 0: latents
    square: bool = False  # of images, the middle alone
    jpeg_quality: int = 90
    height_px: int = 256  # of the images that are encoded
    width_px: int = 256
    fit: Fit = "centre_crop"
    codec: str = ""  # a VAE's folder or a saved PatchCodec

    def __post_init__(self) -> None:
        if self.side_px and self.side_px < 64:
            raise ConfigError(f"--side must be 64 pixels or more, got {self.side_px}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"--quality must be from 1 to 100, got {self.jpeg_quality}")

    @property
    def as_latents(self) -> bool:
        return self.side_px == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPacked:
    """A clip that could not be read, and why."""

    clip_id: str
    why: str


def pack_schema(metadata: Mapping[bytes, bytes] | None = None, *, latents: bool) -> pa.Schema:
    """Of a pack's shards: columns of a run's, and `latents` in place of images."""
    images = set[str]() if latents else {FRAMES, FRAME_CRC32}
    kept = (({*TRAINING_COLUMNS} | _KEPT) - {FRAME_CRC32}) | images
    whole = shard_schema()
    fields = [whole.field(known.name) for known in SHARD_COLUMNS if known.name in kept]
    if latents:
        fields.append(pa.field(LATENTS, pa.list_(pa.binary())))
    drop = {b"huggingface"} if latents else set[bytes]()  # speaks of all columns
    inherited = {k: v for k, v in (whole.metadata or {}).items() if k not in drop}
    return pa.schema(fields, inherited | dict(metadata or {}))


def write_pack(
    path: str, schema: pa.Schema, reader: RowReader, places: Iterable[Place], repack: Repack
) -> tuple[list[str], list[NotPacked]]:
    """Writes clips to a local file, each into a row group of its own.

    Returns the ids of those that are in it, and the others.
    """
    clip_ids: list[str] = []
    failed: list[NotPacked] = []
    with open_writer(path, schema) as writer:
        for place in places:
            try:
                row = repack(_read(reader, place))
                table = pa.Table.from_pylist([row], schema=schema)
            except _BAD_CLIP as error:
                why = " ".join(str(error).split()) or type(error).__name__
                failed.append(NotPacked(clip_id=place.clip_id, why=why))
                continue
            writer.write_table(table)
            clip_ids.append(place.clip_id)
    return clip_ids, failed


def smaller(row: Row, options: PackOptions) -> Row:
    """The row with images whose shorter side is `side_px`, K and checksums with them.

    Images that are no larger stay as they are, to the bit.
    """
    image_hw = (row["height_px"], row["width_px"])
    framing, size_hw = _framing(image_hw, options)
    if size_hw == image_hw:
        jpegs = [scalar.as_py() for scalar in row[FRAMES]]
    else:
        images = (decode_jpeg(scalar, image_hw) for scalar in row[FRAMES])
        jpegs = [_encoded(framing.of_image(bgr, size_hw), options) for bgr in images]
    return row | {
        "height_px": size_hw[0],
        "width_px": size_hw[1],
        "K": row["K"] and _framed_K(row["K"], framing, size_hw),
        FRAMES: [{"bytes": jpeg} for jpeg in jpegs],
        FRAME_CRC32: checksums(jpegs),
    }


def _framing(image_hw: tuple[int, int], options: PackOptions) -> tuple[Framing, tuple[int, int]]:
    """What is kept of an image, and its height and width then."""
    shorter = min(image_hw)
    side = min(options.side_px, shorter)
    height, width = (shorter, shorter) if options.square else image_hw
    y, x = (image_hw[0] - height) // 2, (image_hw[1] - width) // 2
    framing = Framing(x_px=x, y_px=y, width_px=width, height_px=height)
    return framing, (round(height * side / shorter), round(width * side / shorter))


def _framed_K(
    K: Mapping[str, float], framing: Framing, size_hw: tuple[int, int]
) -> dict[str, float]:
    matrix = np.array([[K["fx"], 0, K["cx"]], [0, K["fy"], K["cy"]], [0, 0, 1.0]])
    framed = framing.of_K(matrix, size_hw)
    at = {"fx": (0, 0), "fy": (1, 1), "cx": (0, 2), "cy": (1, 2)}
    return {name: float(framed[index]) for name, index in at.items()}


def _read(reader: RowReader, place: Place) -> Row:
    """All that a pack keeps of a row; ClipError where its images are not those written."""
    row = reader.read(place)
    if row.get(FRAMES) is None:
        raise ClipError(f"the row must have {FRAMES}")
    found = checksums(scalar.as_py() or b"" for scalar in row[FRAMES])
    if row.get(FRAME_CRC32, found) != found:
        raise ClipError(f"{FRAME_CRC32} must be the CRC-32 of each frame, but is not")
    return row | reader.read_columns(place, sorted(_KEPT))


def _encoded(bgr: U8, options: PackOptions) -> bytes:
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, options.jpeg_quality])[1].tobytes()
