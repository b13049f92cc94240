"""A checkpoint of the tiny UNet with a codec of 4 channels, as `camvid train` leaves them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from camvid.genxd.codec import PatchCodec
from tests.genxd.tiny import make_unet


def small_codec() -> PatchCodec:
    """Fitted on smooth noise."""
    generator = torch.Generator().manual_seed(5)
    rough = torch.rand(16, 3, 9, 9, generator=generator) * 2 - 1
    smooth = torch.nn.functional.interpolate(rough, (64, 64), mode="bicubic")
    return PatchCodec.fit([smooth.clamp(-1, 1)])


def write_checkpoint(folder: Path, weights: Mapping[str, Tensor], config: str = "") -> Path:
    """Writes unet/, codec.safetensors and train.toml."""
    make_unet(weights, torch.float32).save_pretrained(folder / "unet")
    small_codec().save(folder / "codec.safetensors")
    (folder / "train.toml").write_text(config)
    return folder
