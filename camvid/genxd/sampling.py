"""New frames for given ones: conditions -> latents -> images.

conditions = conditions_of([scene], codec)
rgb = sample_images(model, codec, conditions, seeds=[0])  # [1, F, 3, H, W]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from camvid.artifacts import F32, F64
from camvid.errors import ConfigError
from camvid.genxd.codec import LatentCodec
from camvid.genxd.conditioning import Conditions
from camvid.genxd.data.options import LATENT_FACTOR
from camvid.genxd.diffusion import OnStep, SamplerOptions, sample_latents
from camvid.genxd.model import GenXDUNet
from camvid.genxd.rays import plucker_rays
from camvid.outcome import INDICATOR, Kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One sample to be made: the known images, where they stand, and all cameras."""

    images: F32  # [G, 3, H, W] in [-1, 1]
    at: tuple[int, ...]  # [G], the frame of each image; the earliest frame is the rays' reference
    cam_from_world: F64  # [F, 3, 4] in the unit that the model was trained with
    K: F64  # [3, 3], or [F, 3, 3] where the camera zooms; in pixels of the images
    kind: Kind = "4d"  # `3d`: nothing moves; `video`: the cameras are not looked at
    motion_id: float = 0.0  # motion strength in the model's scale; no effect on `3d`

    def __post_init__(self) -> None:
        num_frames = len(self.cam_from_world)
        if not self.at or len(self.at) != len(self.images):
            raise ConfigError(
                "`at` must name one frame for each image and at least one,"
                f" got {len(self.at)} for {len(self.images)} images"
            )
        if len({*self.at}) < len(self.at) or not {*self.at} < {*range(num_frames)}:
            raise ConfigError(
                f"`at` must name different frames from 0 to {num_frames - 1} and leave one to be"
                f" made, got {', '.join(map(str, self.at))}"
            )

    @property
    def num_frames(self) -> int:
        return len(self.cam_from_world)


def conditions_of(scenes: Sequence[Scene], codec: LatentCodec) -> Conditions:
    """Scenes of one size and number of frames as a batch."""
    shapes = {(scene.num_frames, *scene.images.shape[1:]) for scene in scenes}
    if len(shapes) != 1:
        raise ConfigError(
            "scenes of one batch must agree in frames and size,"
            f" got {sorted(shapes)} as (frames, channels, height, width)"
        )
    given = [_given_latents(scene, codec) for scene in scenes]
    is_given = torch.zeros(len(scenes), scenes[0].num_frames, dtype=torch.bool)
    for row, scene in zip(is_given, scenes, strict=True):
        row[list(scene.at)] = True
    device = given[0].device
    return Conditions.from_samples(
        latents=torch.stack(given),
        is_given=is_given.to(device),
        rays=torch.from_numpy(np.stack([_rays(scene) for scene in scenes])).to(device),
        indicator=torch.tensor([INDICATOR[scene.kind] for scene in scenes]),
        motion_ids=torch.tensor([scene.motion_id for scene in scenes], device=device),
    )


@torch.no_grad()
def sample_images(
    model: GenXDUNet,
    codec: LatentCodec,
    conditions: Conditions,
    *,
    seeds: Sequence[int],
    options: SamplerOptions,
    on_step: OnStep | None = None,
    video_BFCHW: Tensor | None = None,
) -> Tensor:
    """All frames of each sample, [B, F, 3, H, W] float32 in [-1, 1] on the CPU.

    `video`: images to start from instead of pure noise, by `options.strength`.

    Condition frames come out as the codec returns them. A sample follows from its own seed, of
    `seeds` [B], whatever else is in the batch; on the CPU it does so to the bit for the same batch.
    The model is put back into the mode in which it was given.
    """
    _check(model, codec, len(conditions.is_given), seeds)
    was_training = model.training
    model.eval()
    try:
        noise = initial_noise(seeds, conditions.given_latents.shape[1:]).to(model.device)
        start = None if video_BFCHW is None else codec.encode(video_BFCHW.to(codec.device))
        made = sample_latents(model, conditions.to(model.device), noise, options, on_step, start)
    finally:
        model.train(was_training)
    # One sample at a time: decoding takes more memory than all the steps before.
    latents = made.to(codec.device).split(1)
    return torch.cat([codec.decode(one).float().cpu() for one in latents])


def initial_noise(seeds: Sequence[int], shape_FCHW: Sequence[int]) -> Tensor:
    """Standard normal [B, F, C, H, W]; drawn on the CPU, so that all devices start alike."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(tuple(shape_FCHW), generator=g) for g in generators])


def _given_latents(scene: Scene, codec: LatentCodec) -> Tensor:
    """[F, C, h, w], 0 on the frames to be made."""
    images = torch.from_numpy(scene.images).to(codec.device)
    encoded = codec.encode(images[None])[0].float()
    latents = encoded.new_zeros(scene.num_frames, *encoded.shape[1:])
    latents[list(scene.at)] = encoded
    return latents


def _rays(scene: Scene) -> F32:
    height, width = scene.images.shape[-2:]
    latent_hw = (height // LATENT_FACTOR, width // LATENT_FACTOR)
    if scene.kind == "video":
        return np.zeros((scene.num_frames, 6, *latent_hw), np.float32)
    return plucker_rays(
        scene.cam_from_world,
        scene.K,
        image_hw=(height, width),
        latent_hw=latent_hw,
        reference_frame=min(scene.at),
    )


def _check(model: GenXDUNet, codec: LatentCodec, num_samples: int, seeds: Sequence[int]) -> None:
    if len(seeds) != num_samples:
        raise ConfigError(f"seeds must be one per sample, {num_samples}, got {len(seeds)}")
    num_channels = model.config["out_channels"]
    if codec.num_channels != num_channels:
        raise ConfigError(
            f"the codec must have the model's {num_channels} latent channels,"
            f" got {codec.num_channels}"
        )
