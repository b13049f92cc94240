"""Sampling from a checkpoint: images and a camera path in, a video out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from camvid.artifacts import F32, U8
from camvid.errors import ConfigError
from camvid.genxd.camera_paths import NAMED_PATHS, CameraPath, named_path, read_path
from camvid.genxd.checkpoint import Checkpoint, load_checkpoint
from camvid.genxd.data.choices import Framing, choose_framing
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.sample import motion_id_of, scale_cameras
from camvid.genxd.device import choose_device
from camvid.genxd.diffusion import OnStep, SamplerOptions
from camvid.genxd.pose_groups import group_poses
from camvid.genxd.sampling import Scene, conditions_of, sample_images
from camvid.genxd.video_out import contact_sheet, to_rgb, write_mp4, write_png
from camvid.outcome import Kind
from camvid.video.decode import read_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """What is asked for; paths as the user gave them."""

    images: tuple[str, ...]
    at: tuple[int, ...] = ()  # frame of each image; none: evenly apart, both ends included
    camera: str = "orbit"  # NAME[:AMOUNT] of `NAMED_PATHS`, or a source for `read_path`
    kind: Kind = "4d"
    motion: float = 0.5  # x100, as people are shown it
    num_frames: int | None = None  # None: as the checkpoint was trained
    size_hw: tuple[int, int] | None = None
    scene_scale: float | None = None  # of the camera file: its unit times this is the scene's depth
    seeds: tuple[int, ...] = (0,)  # one sample each
    group: int = 0  # frames made together, of poses near each other; 0: all
    video: str = ""  # to start from, its frames evenly apart; empty: from noise


def load(folder: str, codec: str | None = None, device: str = "") -> Checkpoint:
    """A checkpoint on a device, in half precision on CUDA."""
    device = choose_device(device)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    return load_checkpoint(folder, codec=codec, device=device, dtype=dtype)


def sample(
    checkpoint: Checkpoint,
    request: SampleRequest,
    options: SamplerOptions,
    on_step: OnStep | None = None,
) -> list[U8]:
    """One video [F, H, W, 3] for each seed."""
    if options.strength < 1 and not request.video:
        raise ConfigError("--strength says how much of a video is made anew: name it by --video")
    scene = make_scene(request, checkpoint.trained_on)
    start = make_start(request, checkpoint.trained_on, scene.num_frames)
    parts = [range(scene.num_frames)]
    scenes = [scene]
    if 0 < request.group < scene.num_frames:
        groups = group_poses(scene, request.group)
        parts, scenes = [group.frames for group in groups], [group.scene(scene) for group in groups]
    height, width = scene.images.shape[-2:]
    videos = np.zeros((len(request.seeds), scene.num_frames, height, width, 3), np.uint8)
    for frames, part in zip(parts, scenes, strict=True):
        made = sample_images(
            checkpoint.model,
            checkpoint.codec,
            conditions_of([part] * len(request.seeds), checkpoint.codec),
            seeds=request.seeds,
            options=options,
            on_step=on_step,
            video_BFCHW=None if start is None else torch.from_numpy(start[list(frames)])[None],
        )
        videos[:, list(frames)] = to_rgb(made.numpy())
    return list(videos)


def write_sample(path: Path, rgb: U8, given: Sequence[int] = ()) -> tuple[Path, Path]:
    """The video of frames [F, H, W, 3], and beside it a sheet of them as PNG; returns both paths.

    `given` frames are marked on the sheet.
    """
    sheet = path.with_suffix(".png")
    write_mp4(path, rgb)
    write_png(sheet, contact_sheet(rgb, np.isin(np.arange(len(rgb)), given)))
    return path, sheet


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of WxH."""
    width, x, height = text.partition("x")
    if not (x and width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"--size must look like 256x256, got {text!r}")
    return int(height), int(width)


def make_scene(request: SampleRequest, trained_on: DataOptions) -> Scene:
    """The request in the model's units: framed images, scaled cameras, motion."""
    data = _data_options(request, trained_on)
    size_hw = (data.height_px, data.width_px)
    images = read_images(request.images)
    image_hw = images[0].shape[:2]
    framing = choose_framing(image_hw, data, np.random.default_rng(0))
    path = find_path(request.camera, data.num_frames)
    at = places(request, data.num_frames)
    scale = request.scene_scale or path.scene_scale or 1.0
    cameras = scale_cameras(path.seen_from(min(at)), scale, min(at), data.scale_rule)
    return Scene(
        images=_framed(images, framing, size_hw),
        at=at,
        cam_from_world=cameras,
        K=np.stack([framing.of_K(K, size_hw) for K in path.K_of(image_hw)]),
        kind=request.kind,
        motion_id=motion_id_of(request.motion / 100, data.motion_rule),
    )


def make_start(request: SampleRequest, trained_on: DataOptions, num_frames: int) -> F32 | None:
    """As many frames of the request's video, framed [F, 3, H, W]; None where it has none."""
    if not request.video:
        return None
    data = _data_options(request, trained_on)
    frames = [frame.rgb for frame in read_frames(request.video)]
    if len(frames) < num_frames:
        raise ConfigError(f"--video must have {num_frames} frames or more, has {len(frames)}")
    chosen = np.linspace(0, len(frames) - 1, num_frames).round().astype(int)
    framing = choose_framing(frames[0].shape[:2], data, np.random.default_rng(0))
    return _framed([frames[index] for index in chosen], framing, (data.height_px, data.width_px))


def find_path(camera: str, num_frames: int) -> CameraPath:
    """A named path, NAME or NAME:AMOUNT, or the cameras of a file or clip."""
    name, _, amount = camera.partition(":")
    if name not in NAMED_PATHS:
        if "#" not in camera and not Path(camera).exists():
            raise ConfigError(
                f"--camera must be one of {', '.join(NAMED_PATHS)}, or a file with cameras or"
                f" SHARDS#CLIP, got {camera!r}"
            )
        return read_path(camera, num_frames)
    try:
        return named_path(name, num_frames, float(amount) if amount else None)
    except ValueError as error:
        raise ConfigError(f"--camera {name}:AMOUNT must have a number, got {camera!r}") from error


def read_images(paths: Sequence[str]) -> list[U8]:
    """Images [H, W, 3] of one size."""
    images: list[U8] = []
    for path in paths:
        data = np.fromfile(path, np.uint8) if Path(path).is_file() else np.empty(0, np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if bgr is None:
            raise ConfigError(f"--image must be an image that can be decoded, got {path}")
        images.append(np.ascontiguousarray(bgr[..., ::-1], np.uint8))
    sizes = {f"{image.shape[1]}x{image.shape[0]}" for image in images}
    if len(sizes) != 1:
        raise ConfigError(f"images must be given and of one size, got {sorted(sizes) or 'none'}")
    return images


def places(request: SampleRequest, num_frames: int) -> tuple[int, ...]:
    """The frame of each image; ConfigError off the path."""
    if not request.at:
        ends = (0, num_frames - 1)
        return tuple(int(index) for index in np.linspace(*ends, len(request.images)))
    if not 0 <= min(request.at) <= max(request.at) < num_frames:
        raise ConfigError(f"--at must be frames from 0 to {num_frames - 1}, got {[*request.at]}")
    return request.at


def _data_options(request: SampleRequest, trained_on: DataOptions) -> DataOptions:
    """As trained, but for what the request changes and a crop that is never random."""
    height, width = request.size_hw or (trained_on.height_px, trained_on.width_px)
    return replace(
        trained_on,
        num_frames=request.num_frames or trained_on.num_frames,
        max_given_views=1,  # training's; must not hinder few frames here
        height_px=height,
        width_px=width,
        fit="pad" if trained_on.fit == "pad" else "centre_crop",
    )


def _framed(images: Sequence[U8], framing: Framing, size_hw: tuple[int, int]) -> F32:
    """Images [G, 3, H, W] in [-1, 1]."""
    framed = np.stack([framing.of_image(image, size_hw) for image in images])
    return (framed.transpose(0, 3, 1, 2) / np.float32(127.5) - 1).astype(np.float32)
