"""A clip from anywhere as plain arrays, and the checks that it passes before it is written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import (
    F32,
    F64,
    I32,
    NAN,
    U8,
    U16,
    CameraKind,
    Clip,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Verdict,
    Video,
)
from camvid.codecs import encode_depth, encode_ids
from camvid.errors import ClipError, ConfigError
from camvid.objects import MaskedObject
from camvid.outcome import INDICATOR, Kind
from camvid.record import SAFE_ID
from camvid.shards.row import ClipParts
from camvid.stage import ClipRow

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipData:
    """A clip as others have it: T frames, H rows, W columns, P points, N tracks.

    Camera axes are OpenCV's (x right, y down, z forward), the centre of the top-left pixel is
    (0.5, 0.5), lengths are in any unit, the same throughout the clip.
    """

    clip_id: str  # of its own in the dataset: letters, digits, "_", "-" and "."
    kind: Kind  # 4d, 3d or video
    frames: Sequence[bytes] | U8  # [T] JPEGs, stored as they are, or rgb [T, H, W, 3]
    timestamps_s: F64  # [T] in the source, strictly increasing
    source_frame_index: I32 | None = None  # [T] in the source; None: 0, 1, ...
    source_uri: str = ""
    source_sha256: str = ""  # of the source's bytes: train and validation are split by it
    licence: str = ""
    caption: str | None = None
    camera: CameraKind = "moving"  # of which nothing is known without `cam_from_world`
    K: F64 | None = None  # [3, 3] in pixels of these frames
    zoom: F64 | None = None  # [T] focal length over that of K
    cam_from_world: F64 | None = None  # [T, 3, 4], x_cam = R x_world + t; NaN where not known
    points_world: F32 | None = None  # [P, 3]
    point_rgb: U8 | None = None  # [P, 3]
    quality: ReconstructionQuality = ReconstructionQuality()
    masks: U16 | None = None  # [T, H, W] object ids, 0 = background
    objects: Sequence[MaskedObject] = ()
    depth: F32 | None = None  # [T, H, W], z in the camera frame; 0 where not known
    tracks: PointTracks | None = None
    motion: MotionReport | float = NAN  # or the motion strength alone, a fraction of the image side
    processing: Sequence[str] = ()  # where it comes from, in words: "imported from COLMAP"


def checked_parts(clip: ClipData) -> ClipParts:
    """What a shard's row is made of; ClipError in one line where the clip's arrays do not agree."""
    try:
        return _parts(clip)
    except (ValueError, ConfigError) as error:  # of the artifacts' own checks
        raise ClipError(f"clip {clip.clip_id}: {error}") from error


def _parts(clip: ClipData) -> ClipParts:
    _check_kind(clip)
    jpegs, (height, width) = _jpegs(clip.frames)
    shape = (len(jpegs), height, width)
    about = _clip(clip, shape)
    masks = _masks(clip, shape)
    cameras = _reconstruction(clip, len(jpegs))
    tracks = clip.tracks or _no_tracks(len(jpegs))
    _check_length("tracks", len(tracks.visible), len(jpegs))
    return ClipParts(
        kind=clip.kind,
        row=ClipRow(clip_id=clip.clip_id, video_uri=clip.source_uri),
        weights=[],
        clip=about,
        jpegs=jpegs,
        mask_pngs=encode_ids(masks.object_id),
        objects=masks.objects,
        depth=_depth(clip, shape),
        reconstruction=cameras,
        tracks=tracks,
        motion=clip.motion if isinstance(clip.motion, MotionReport) else _strength(clip.motion),
        verdict=Verdict(kind=clip.kind, reasons=(), camera=cameras.camera, caption=clip.caption),
    )


def _check_kind(clip: ClipData) -> None:
    if not re.fullmatch(SAFE_ID, clip.clip_id):
        raise ValueError(f"clip_id must be letters, digits, _, - and ., got {clip.clip_id!r}")
    if clip.kind not in INDICATOR:
        raise ValueError(f"kind must be one of {', '.join(INDICATOR)}, got {clip.kind!r}")
    if clip.kind != "video" and (clip.K is None or clip.cam_from_world is None):
        raise ValueError(f"kind {clip.kind} needs K and cam_from_world; `video` does without")
    motion = clip.motion
    strength = motion.motion_strength if isinstance(motion, MotionReport) else motion
    if clip.kind != "3d" and not np.isfinite(strength):
        raise ValueError(f"kind {clip.kind} needs a finite motion strength, got {strength}")


def _jpegs(frames: Sequence[bytes] | U8) -> tuple[list[bytes], tuple[int, int]]:
    """The JPEGs [T] and their height and width."""
    if isinstance(frames, np.ndarray):
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
            raise ValueError(
                "frames must be JPEGs, or rgb as uint8 [T, H, W, 3],"
                f" got {frames.dtype} {list(frames.shape)}"
            )
        encoded = [cv2.imencode(".jpg", rgb[..., ::-1], _JPEG)[1].tobytes() for rgb in frames]
        return encoded, (frames.shape[1], frames.shape[2])
    sizes = {_size_px(index, jpeg) for index, jpeg in enumerate(frames)}
    if len(sizes) != 1:
        raise ValueError(f"frames must be of one size, and one at least, got {sorted(sizes)}")
    return list(frames), sizes.pop()


def _size_px(index: int, jpeg: bytes) -> tuple[int, int]:
    is_jpeg = jpeg[:2] == b"\xff\xd8"
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if is_jpeg else None
    if image is None:
        raise ValueError(f"frames must be JPEGs, frame {index} is not")
    return image.shape[0], image.shape[1]


def _clip(clip: ClipData, shape: tuple[int, int, int]) -> Clip:
    num_frames, height, width = shape
    times_s = np.asarray(clip.timestamps_s, np.float64)
    if not np.isfinite(times_s).all():
        raise ValueError("timestamps_s must be finite")
    index = clip.source_frame_index
    index = np.arange(num_frames) if index is None else np.asarray(index)
    _check_length("timestamps_s", len(times_s), num_frames)
    _check_length("source_frame_index", len(index), num_frames)
    gap_s = float(np.median(np.diff(times_s))) if num_frames > 1 else 0.0
    video = Video(
        video_id=clip.source_sha256[:16],
        uri=clip.source_uri,
        sha256=clip.source_sha256,
        width_px=width,
        height_px=height,
        fps=1 / gap_s if gap_s > 0 else 0.0,
        num_frames=num_frames,
        duration_s=float(np.ptp(times_s)) + gap_s,
        licence=clip.licence,
    )
    return Clip(
        clip_id=clip.clip_id,
        video=video,
        start_s=float(times_s[0]),
        end_s=float(times_s[-1]) + gap_s,
        timestamps_s=times_s,
        source_frame_index=index.astype(np.int32),
        width_px=width,
        height_px=height,
        crop_px=(0, 0, width, height),
        processing=tuple(clip.processing),
    )


def _reconstruction(clip: ClipData, num_frames: int) -> Reconstruction:
    if clip.cam_from_world is None:
        return Reconstruction.without_trajectory(
            "unknown", num_frames, quality=clip.quality, reasons=()
        )
    cameras = np.asarray(clip.cam_from_world, np.float64)
    if cameras.shape != (num_frames, 3, 4):
        raise ValueError(f"cam_from_world must be {[num_frames, 3, 4]}, got {list(cameras.shape)}")
    registered = np.asarray(np.isfinite(cameras).all(axis=(1, 2)))
    turns = cameras[registered, :, :3]
    if not np.allclose(turns @ turns.swapaxes(1, 2), np.eye(3), atol=1e-4):
        raise ValueError("cam_from_world must begin with rotations: R R^T must be 1 within 1e-4")
    if (np.linalg.det(turns) < 0).any():
        raise ValueError("cam_from_world must not mirror: det R must be 1, got -1")
    K = np.full((3, 3), NAN) if clip.K is None else np.asarray(clip.K, np.float64)
    if clip.K is not None and not (np.isfinite(K).all() and K.shape == (3, 3) and K[0, 0] > 0):
        raise ValueError("K must be finite, [3, 3], with a focal length above 0")
    points = np.zeros((0, 3)) if clip.points_world is None else clip.points_world
    rgb = np.zeros((len(points), 3)) if clip.point_rgb is None else clip.point_rgb
    return Reconstruction(
        camera=clip.camera,
        K=K,
        zoom=np.ones(num_frames) if clip.zoom is None else np.asarray(clip.zoom, np.float64),
        cam_from_world=np.where(registered[:, None, None], cameras, NAN),
        registered=registered,
        points_world=np.asarray(points, np.float32),
        point_rgb=np.asarray(rgb, np.uint8),
        observation_frame=np.zeros(0, np.int32),
        observation_point=np.zeros(0, np.int32),
        observation_xy_px=np.zeros((0, 2), np.float32),
        quality=clip.quality,
    )


def _masks(clip: ClipData, shape: tuple[int, int, int]) -> ObjectMasks:
    ids = np.zeros(shape, np.uint16) if clip.masks is None else np.asarray(clip.masks)
    _check_shape("masks", ids.shape, shape)
    if ids.dtype.kind not in "ui" or ids.min(initial=0) < 0 or ids.max(initial=0) > 65535:
        raise ValueError(f"masks must be object ids, integers from 0 to 65535, got {ids.dtype}")
    return ObjectMasks(object_id=ids.astype(np.uint16), objects=tuple(clip.objects))


def _depth(clip: ClipData, shape: tuple[int, int, int]) -> tuple[list[bytes], F64] | None:
    if clip.depth is None:
        return None
    depth = np.asarray(clip.depth, np.float32)
    _check_shape("depth", depth.shape, shape)
    if not np.isfinite(depth).all() or (depth < 0).any():
        raise ValueError("depth must be finite and not below 0; 0 where it is not known")
    return encode_depth(depth, depth > 0)


def _strength(motion_strength: float) -> MotionReport:
    """A report of which nothing is known but the strength."""
    return MotionReport(
        motion_strength=motion_strength,
        lower_bound=NAN,
        background=NAN,
        confidence=NAN,
        pair_gap_s=NAN,
        method="depth",
        per_object=(),
        pair_frames=np.zeros((0, 2), np.int32),
        pair_strength=np.zeros((0, 1)),
        num_tracks=0,
        overlay_fraction=NAN,
    )


def _no_tracks(num_frames: int) -> PointTracks:
    return PointTracks(
        xy_px=np.zeros((num_frames, 0, 2), np.float32),
        visible=np.zeros((num_frames, 0), bool),
        object_id=np.zeros(0, np.uint16),
        query_frame=np.zeros(0, np.int32),
    )


def _check_length(name: str, length: int, num_frames: int) -> None:
    if length != num_frames:
        raise ValueError(f"{name} must have an entry for each of {num_frames} frames, got {length}")


def _check_shape(name: str, got: Sequence[int], wanted: Sequence[int]) -> None:
    if tuple(got) != tuple(wanted):
        raise ValueError(f"{name} must have shape {list(wanted)} as the frames, got {list(got)}")
