"""One clip's artifacts -> one shard row, and back to arrays for whoever trains or audits."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

import camvid
from camvid.artifacts import (
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
)
from camvid.codecs import stored_depth, stored_masks
from camvid.geometry import camera_centers, transform_points
from camvid.outcome import INDICATOR, Kind
from camvid.schema import FRAME_CRC32
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.tracks import with_owners

A = TypeVar("A")


def shard_row(store: ClipStore, row: ClipRow, kind: Kind, weights: list[str]) -> dict[str, Any]:
    """The row of a clip, from what the stages left in the store; DamagedArtifact as `load`."""

    def load(kind: type[A]) -> A:
        return store.load(row.clip_id, kind, row.stored(kind))

    def read(kind: type) -> bytes:
        return store.read_artifact(row.clip_id, kind, row.stored(kind))

    clip = load(Clip)
    # Masks and depth go in as the PNGs they are kept as.
    with store.decoding(row.clip_id, ObjectMasks):
        mask_pngs, objects = stored_masks(read(ObjectMasks))
    with store.decoding(row.clip_id, DepthMaps):
        depth = stored_depth(read(DepthMaps))
    reconstruction, motion = load(Reconstruction), load(MotionReport)
    tracks = with_owners(load(PointTracks), load(ObjectMasks))
    jpegs = store.load_jpegs(row.clip_id, row.stored(Frames))
    return {
        **_source_columns(clip),
        "kind": kind,
        "indicator": INDICATOR[kind],
        "frames": jpegs,
        FRAME_CRC32: checksums(jpegs),
        **_camera_columns(reconstruction, motion),
        **_motion_columns(objects, motion),
        "caption": None,
        "provenance": {
            "camvid_version": camvid.__version__,
            "stages": [
                {"stage": r.stage, "version": r.version, "fingerprint": r.fingerprint[:16]}
                for r in row.records
                if r.fingerprint
            ],
            "weights": weights,
            "processing": list(clip.processing),
            "num_lost_frames": clip.num_lost,
        },
        "masks": mask_pngs,
        "depth": depth[0] if depth else None,
        "depth_max_inverse": depth[1] if depth else None,
        "tracks": _tracks_struct(tracks),
    }


def checksums(jpegs: Iterable[bytes]) -> list[int]:
    """What `frame_crc32` has to be for these frames."""
    return [zlib.crc32(jpeg) for jpeg in jpegs]


def _source_columns(clip: Clip) -> dict[str, Any]:
    return {
        "clip_id": clip.clip_id,
        "source_uri": clip.video.uri,
        "source_sha256": clip.video.sha256,
        "licence": clip.video.licence,
        "start_s": clip.start_s,
        "end_s": clip.end_s,
        "fps": clip.fps,
        "num_frames": clip.num_frames,
        "height_px": clip.height_px,
        "width_px": clip.width_px,
        "timestamps_s": clip.timestamps_s,
        "source_frame_index": clip.source_frame_index,
    }


def _camera_columns(reconstruction: Reconstruction, motion: MotionReport) -> dict[str, Any]:
    K, quality = reconstruction.K, reconstruction.quality
    known = bool(np.isfinite(K).all())
    cameras = cameras_to_lists(reconstruction.cam_from_world, reconstruction.registered)
    return {
        "camera": reconstruction.camera,
        "K": {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]} if known else None,
        "zoom": reconstruction.zoom,
        "cam_from_world": cameras,
        "registered": reconstruction.registered.tolist(),
        "points_world": list(reconstruction.points_world),
        "point_rgb": list(reconstruction.point_rgb),
        "scene_scale": scene_scale(reconstruction),
        "quality": {
            "registered_fraction": quality.registered_fraction,
            "num_points": quality.num_points,
            "points_per_frame": quality.points_per_frame,
            "mean_reprojection_error_px": quality.mean_reprojection_error_px,
            "median_triangulation_angle_deg": quality.median_triangulation_angle_deg,
            "focal_px": quality.focal_px,
            "focal_uncertainty": quality.focal_uncertainty,
            "inlier_fraction": quality.inlier_fraction,
            "masked_fraction": quality.masked_fraction,
            "depth_residual": motion.depth_residual,
            "solver": quality.solver,
        },
    }


def _motion_columns(masked_objects: Sequence[MaskedObject], motion: MotionReport) -> dict[str, Any]:
    measured = {o.object_id: o for o in motion.per_object}
    objects: list[dict[str, Any]] = []
    for masked in masked_objects:
        row: dict[str, Any] = {
            "object_id": masked.object_id,
            "label": masked.label,
            "score": masked.score,
        }
        if found := measured.get(masked.object_id):
            row |= {
                "area_fraction": found.area_fraction,
                "motion_strength": found.motion_strength,
                "motion_low": found.low,
                "motion_high": found.high,
                "motion_interval_low": found.interval_low,
                "motion_interval_high": found.interval_high,
                "motion_lower_bound": found.lower_bound,
                "num_tracks": found.num_tracks,
            }
        objects.append(row)
    return {
        "motion_strength": motion.motion_strength,
        "motion_interval_low": motion.interval_low,
        "motion_interval_high": motion.interval_high,
        "motion_lower_bound": motion.lower_bound,
        "motion_background": motion.background,
        "motion_confidence": motion.confidence,
        "motion_pair_gap_s": motion.pair_gap_s,
        "objects": objects,
    }


def _tracks_struct(tracks: PointTracks) -> dict[str, Any]:
    return {
        "num_tracks": tracks.xy_px.shape[1],
        "xy_px": np.ascontiguousarray(tracks.xy_px, "<f4").tobytes(),
        "visible": np.ascontiguousarray(tracks.visible, np.uint8).tobytes(),
        "object_id": tracks.object_id.astype(np.int32),
        "query_frame": tracks.query_frame,
    }


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
