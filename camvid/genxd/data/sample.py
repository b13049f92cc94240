"""One shard row -> one training sample: frames or latents, rays and what is given. Numpy only."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, U8, Bool
from camvid.errors import ClipError
from camvid.genxd.data.choices import Framing, choose_frames, choose_framing, choose_given
from camvid.genxd.data.latents import read_latents
from camvid.genxd.data.options import DataOptions, MotionRule, ScaleRule
from camvid.genxd.rays import plucker_rays
from camvid.geometry import camera_centers, zoomed_K
from camvid.outcome import INDICATOR
from camvid.shards.columns import FRAME_CRC32, FRAMES, LATENTS
from camvid.shards.row import cameras_from_row

NOMINAL_FOCAL = 1.414  # over the width, of a lens that nothing shows: the released code's
_IDENTITY = np.eye(3, 4).ravel().tolist()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One clip as the model is trained on it; F frames, latents of h x w."""

    clip_id: str
    rgb: F32 | None  # [F, 3, H, W] in [-1, 1]; None where latents are cached
    latents: F32 | None  # [F, C, h, w]; None where they are yet to be encoded
    is_given: Bool  # [F], condition frames
    is_dropped: bool  # to be trained without conditions, for guidance
    rays: F32  # [F, 6, h, w], seen from the first condition frame; 0 without cameras
    indicator: int
    motion_id: float
    frame_index: tuple[int, ...]  # [F] in the clip
    content: tuple[slice, slice]  # rows and columns of rgb that are not black padding
    K: F64  # [F, 3, 3] in pixels of rgb; NaN without cameras
    cam_from_world: F64  # [F, 3, 4], translations by the scale rule; NaN without cameras


def make_sample(row: Mapping[str, Any], options: DataOptions, rng: np.random.Generator) -> Sample:
    """A sample of a row as `RowReader.read` gives it.

    All draws are from `rng`, in one fixed order. ClipError where the row cannot become a sample.
    """
    check_row(row)
    has_camera = row["kind"] != "video"
    cam_from_world, usable = cameras_from_row(row)
    if not has_camera:  # a video may have known rotations; it is trained without them
        cam_from_world, usable = np.full_like(cam_from_world, np.nan), np.ones_like(usable)
    usable = np.flatnonzero(usable)
    image_hw = (row["height_px"], row["width_px"])
    chosen = choose_frames(np.array(row["timestamps_s"])[usable], options, rng, row["kind"])
    framing = choose_framing(image_hw, options, rng)
    is_given = choose_given(options, rng)
    is_dropped = bool(rng.random() < options.dropout)
    frame_index = usable[chosen]
    reference = int(np.argmax(is_given))
    cameras = scale_cameras(
        cam_from_world[frame_index], row["scene_scale"], reference, options.scale_rule
    )
    K = framing.of_K(camera_matrices(row)[frame_index], (options.height_px, options.width_px))
    rgb = latents = None
    if LATENTS in row:
        latents = read_latents(_at(row[LATENTS], frame_index), options.latent_hw)
    else:
        rgb = read_images(_checked_jpegs(row, frame_index), image_hw, framing, options)
    return Sample(
        clip_id=row["clip_id"],
        rgb=rgb,
        latents=latents,
        is_given=is_given,
        is_dropped=is_dropped,
        rays=_rays(cameras, K, reference, options) if has_camera else _no_rays(options),
        indicator=INDICATOR[row["kind"]],
        motion_id=_motion_id(row, options),
        frame_index=tuple(frame_index.tolist()),
        content=framing.content(image_hw, (options.height_px, options.width_px)),
        K=K,
        cam_from_world=cameras,
    )


def check_row(row: Mapping[str, Any]) -> None:
    """ClipError where the columns of a row are missing, or do not fit each other."""
    images = LATENTS if LATENTS in row else FRAMES
    needed = {images, "num_frames", "height_px", "width_px", "timestamps_s", "cam_from_world"}
    needed |= {FRAME_CRC32} & row.keys()  # new in 1.2
    needed |= {"4d": {"K", "motion_strength"}, "3d": {"K"}, "video": {"motion_strength"}}.get(
        row.get("kind", ""), {"a known kind"}
    )
    needed -= {"K"} if _stands(row) else set[str]()
    if absent := sorted(name for name in needed if row.get(name) is None):
        raise ClipError(f"the row must have {', '.join(absent)}")
    num_frames = row["num_frames"]
    for name in (images, "timestamps_s", *({FRAME_CRC32} & row.keys())):
        if len(row[name]) != num_frames:
            raise ClipError(f"{name} must have {num_frames} entries, got {len(row[name])}")
    if len(row["cam_from_world"]) not in (0, num_frames):
        raise ClipError(
            f"cam_from_world must have 0 or {num_frames} entries, got {len(row['cam_from_world'])}"
        )
    if not (np.diff(np.array(row["timestamps_s"], np.float64)) > 0).all():
        raise ClipError("timestamps_s must increase strictly")


def camera_matrices(row: Mapping[str, Any]) -> F64:
    """K [T, 3, 3] in pixels of the stored frames; NaN where there are no cameras."""
    zoom = np.array(row.get("zoom") or [1.0] * row["num_frames"], np.float64)  # new in 1.2
    if row["kind"] == "video":
        return np.full((len(zoom), 3, 3), np.nan)
    K: Mapping[str, Any] = row["K"] or _nominal_K(row)
    if not all(v is not None and np.isfinite(v) for v in K.values()):
        raise ClipError(f"K must be finite, got {K}")
    first = np.array([[K["fx"], 0, K["cx"]], [0, K["fy"], K["cy"]], [0, 0, 1.0]])
    return zoomed_K(first, zoom)


def _stands(row: Mapping[str, Any]) -> bool:
    """Whether the row says that its camera stands still, which leaves its lens unknown."""
    cameras = row.get("cam_from_world") or ()
    known = [camera for camera in cameras if camera is not None]
    return bool(known) and all(camera == _IDENTITY for camera in known)


def _nominal_K(row: Mapping[str, Any]) -> dict[str, float]:
    width, height = row["width_px"], row["height_px"]
    focal_px = NOMINAL_FOCAL * width
    return {"fx": focal_px, "fy": focal_px, "cx": width / 2, "cy": height / 2}


def scale_cameras(
    cameras: F64, scene_scale: float | None, reference_frame: int, rule: ScaleRule
) -> F64:
    """Cameras [F, 3, 4] with translations divided as the rule says; NaN stays NaN.

    Args:
        cameras: cam_from_world, in any unit.
        scene_scale: the median depth of the scene in that unit; not looked at but for `scene`.
        reference_frame: the first condition view.
    """
    scale = 1.0
    if np.isnan(cameras).any() or not cameras[..., 3].any():
        return cameras  # rotation-only cameras have nothing to divide
    if rule == "scene":
        if not (scene_scale and 0 < scene_scale < np.inf):
            raise ClipError(f"scene_scale must be above 0, got {scene_scale}: see `scale_rule`")
        scale = scene_scale
    elif rule == "cameras":
        centers = camera_centers(cameras)
        away = np.linalg.norm(centers - centers[reference_frame], axis=-1)
        scale = float(away.max()) or 1.0  # cameras at one place have nothing to divide
    scaled = cameras.copy()
    scaled[..., 3] /= scale
    return scaled


def _rays(cameras: F64, K: F64, reference_frame: int, options: DataOptions) -> F32:
    return plucker_rays(
        cameras,
        K,
        image_hw=(options.height_px, options.width_px),
        latent_hw=options.latent_hw,
        reference_frame=reference_frame,
    )


def _no_rays(options: DataOptions) -> F32:
    return np.zeros((options.num_frames, 6, *options.latent_hw), np.float32)


def _motion_id(row: Mapping[str, Any], options: DataOptions) -> float:
    """Motion strength in the model's scale; 0 for 3D, whose motion the model does not look at."""
    if row["kind"] == "3d":
        return 0.0
    strength = float(row["motion_strength"])
    if not np.isfinite(strength):
        raise ClipError(f"motion_strength must be finite, got {strength}")
    return motion_id_of(strength, options.motion_rule)


def motion_id_of(strength: float, rule: MotionRule) -> float:
    """A raw motion strength in the model's scale."""
    if rule == "sigmoid":
        return 100 * (1 / (1 + float(np.exp(-strength))) - 0.5)
    return 100 * strength


def _at(frames: Any, indices: Sequence[int] | NDArray[np.int64]) -> list[Any]:
    """Some of Arrow's scalars."""
    return [frames[int(index)] for index in indices]


def _checked_jpegs(row: Mapping[str, Any], indices: NDArray[np.int64]) -> list[Any]:
    """Frames as Arrow's scalars; ClipError where one is not what was written.

    Their pages hold the whole clip, and have checksums too: this one is of what is used.
    """
    jpegs = _at(row[FRAMES], indices)
    if FRAME_CRC32 in row:
        for index, jpeg in zip(indices.tolist(), jpegs, strict=True):
            written, found = row[FRAME_CRC32][index], zlib.crc32(jpeg.as_buffer() or b"")
            if found != written:
                raise ClipError(f"frame {index} must have CRC-32 {written}, got {found}")
    return jpegs


def read_images(
    jpegs: Sequence[Any], image_hw: tuple[int, int], framing: Framing, options: DataOptions
) -> F32:
    """JPEGs, as Arrow's scalars, to rgb [F, 3, H, W] in [-1, 1]."""
    cv2.setNumThreads(1)  # the cores are for other samples
    size = (options.height_px, options.width_px)
    bgr = np.empty((len(jpegs), *size, 3), np.uint8)
    for index, jpeg in enumerate(jpegs):
        bgr[index] = framing.of_image(decode_jpeg(jpeg, image_hw), size)
    planes = np.ascontiguousarray(bgr[..., ::-1].transpose(0, 3, 1, 2), np.float32)
    planes /= 127.5
    planes -= 1.0
    return planes


def decode_jpeg(jpeg: Any, image_hw: tuple[int, int]) -> U8:
    """An image, as Arrow's scalar, as OpenCV has it: bgr [H, W, 3]; ClipError where it is none."""
    buffer = jpeg.as_buffer()  # None for a null
    image = None
    if buffer is not None and buffer.size:
        image = cv2.imdecode(np.frombuffer(buffer, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[:2] != image_hw:
        got = "none" if image is None else f"{image.shape[1]}x{image.shape[0]}"
        raise ClipError(f"a frame must be a JPEG of {image_hw[1]}x{image_hw[0]}, got {got}")
    return np.asarray(image, np.uint8)
