"""Turns artifacts into a shard's row, and a row back into arrays."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from camvid.artifacts import (
    F32,
    F64,
    Bool,
    Clip,
    DepthMaps,
    Frames,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.codecs import decode_depth, decode_inverse_depth, stored_depth, stored_masks
from camvid.geometry import camera_centers, transform_points
from camvid.outcome import Kind
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.tracking.tracks import with_owners

A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipParts:
    """All that a shard's row is made of; masks and depth go in as the PNGs they are kept as."""

    kind: Kind
    row: ClipRow
    weights: list[str]
    clip: Clip
    jpegs: list[bytes]  # [T]
    mask_pngs: list[bytes]  # [T]
    objects: tuple[MaskedObject, ...]
    depth: tuple[list[bytes], F64] | None  # PNGs [T], and the depth [T] of code 1
    reconstruction: Reconstruction
    tracks: PointTracks
    motion: MotionReport
    verdict: Verdict


def load_parts(store: ClipStore, row: ClipRow, kind: Kind, weights: list[str]) -> ClipParts:
    """What the stages left of a clip in the store; DamagedArtifact as `store.load`."""

    store = store.of_clip(row.clip_id)

    def load(kind: type[A]) -> A:
        return store.load(row.clip_id, kind, row.stored(kind))

    def read(kind: type) -> bytes:
        return store.read_artifact(row.clip_id, kind, row.stored(kind))

    with store.decoding(row.clip_id, ObjectMasks):
        mask_pngs, objects = stored_masks(read(ObjectMasks))
    with store.decoding(row.clip_id, DepthMaps):
        depth = stored_depth(read(DepthMaps))
    return ClipParts(
        kind=kind,
        row=row,
        weights=weights,
        clip=load(Clip),
        jpegs=store.load_jpegs(row.clip_id, row.stored(Frames)),
        mask_pngs=mask_pngs,
        objects=objects,
        depth=depth,
        reconstruction=load(Reconstruction),
        tracks=with_owners(load(PointTracks), load(ObjectMasks)),
        motion=load(MotionReport),
        verdict=load(Verdict),
    )


def checksums(jpegs: Iterable[bytes]) -> list[int]:
    """What `frame_crc32` has to be for these frames."""
    return [zlib.crc32(jpeg) for jpeg in jpegs]


def cameras_to_lists(cam_from_world: F64, registered: Bool) -> list[list[float] | None]:
    """T rows of 12 numbers, null where not registered; no rows at all where no camera is known."""
    if not registered.any():
        return []
    flat = cam_from_world.reshape(-1, 12)
    return [row.tolist() if ok else None for row, ok in zip(flat, registered, strict=True)]


def cameras_from_row(row: Mapping[str, Any]) -> tuple[F64, Bool]:
    """`cam_from_world` [T, 3, 4] (NaN where not registered) and `registered` [T] of a shard row."""
    num_frames = int(row["num_frames"])
    cam_from_world = np.full((num_frames, 3, 4), np.nan)
    for index, flat in enumerate(row["cam_from_world"]):
        if flat is not None:
            cam_from_world[index] = np.reshape(flat, (3, 4))
    return cam_from_world, np.asarray(np.isfinite(cam_from_world).all(axis=(1, 2)))


def image_bytes(images: Iterable[Any]) -> list[bytes]:
    """The encoded images of a row's `frames` or `masks`; up to schema 1.5 they are bytes alone."""
    return [image["bytes"] if isinstance(image, Mapping) else image for image in images]


# Whatever the version, to be read for `depth_from_row`.
DEPTH_COLUMNS = ("depth", "depth_farthest", "depth_max_inverse")


def depth_from_row(row: Mapping[str, Any]) -> tuple[F32, Bool] | None:
    """Depth [T, H, W] (0 where not valid) and valid of a shard row; None where it has none."""
    if not row.get("depth"):
        return None
    if "depth_farthest" in row:
        return decode_depth(row["depth"], np.array(row["depth_farthest"]))
    return decode_inverse_depth(row["depth"], np.array(row["depth_max_inverse"]))  # up to 1.5


def scene_scale(reconstruction: Reconstruction) -> float | None:
    """Median depth of the sparse points over the registered cameras, in scene units.

    SfM has no metric scale: dividing translations by this makes clips comparable.
    """
    if not reconstruction.has_trajectory or not len(reconstruction.points_world):
        return None
    cameras = reconstruction.cam_from_world[reconstruction.registered]
    points = transform_points(cameras, reconstruction.points_world.astype(np.float64))
    depth = points[..., 2]
    if not (depth > 0).any():
        return float(np.linalg.norm(np.ptp(camera_centers(cameras), axis=0))) or None
    return float(np.median(depth[depth > 0]))
