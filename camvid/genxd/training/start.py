"""Builds the codec, and the network with its initial weights."""

import json
from pathlib import Path
from typing import Any

import torch

from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.checkpoint import CODEC_FILE, UNET_FOLDER
from camvid.genxd.codec import LatentCodec, PatchCodec, codec_of_pack, fit_on_shards, load_codec
from camvid.genxd.conditioning import NUM_INPUT_CHANNELS
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.model import GenXDUNet
from camvid.genxd.svd_init import init_from_svd
from camvid.genxd.training.options import CodecOptions, ModelOptions

_DOWN, _UP = "DownBlockMVCascadeTemporal", "UpBlockMVCascadeTemporal"
_OTHER_CHANNELS = NUM_INPUT_CHANNELS - 2 * 4  # of the UNet's input: rays and mask


def make_codec(
    options: CodecOptions, checkpoint: Path | str | None, dataset: ClipDataset
) -> LatentCodec:
    """That of the path, of the checkpoint that is started from, of the pack, or one fitted now."""
    if options.path:
        return load_codec(options.path)
    if checkpoint and (Path(checkpoint) / CODEC_FILE).is_file():
        return PatchCodec.load(Path(checkpoint) / CODEC_FILE)
    if packed := codec_of_pack(dataset.index):
        return packed
    return fit_on_shards(
        dataset, num_samples=options.num_fit_samples, num_channels=options.num_channels
    )


def make_unet(options: ModelOptions, num_latent_channels: int, seed: int) -> GenXDUNet:
    """The network with its first weights, in float32 on the CPU."""
    config = _config_at(options.init)
    if config is not None and config.get("_class_name") != "UNetSpatioTemporalConditionModel":
        unet = _read_genxd(options.init)
    else:
        unet = _new_unet(options, num_latent_channels, seed)
        if options.init:
            init_from_svd(unet, options.init)
    if unet.config["out_channels"] != num_latent_channels:
        raise ConfigError(
            f"model.init must have the codec's {num_latent_channels} latent channels,"
            f" got {unet.config['out_channels']}: name the codec it was trained with (codec.path)"
        )
    return unet


def check_levels(unet: GenXDUNet, latent_hw: tuple[int, int]) -> None:
    """ConfigError where the coarsest resolution is too small for its norms.

    A norm's group is a few channels of one image. Over a single pixel those are so few values that
    rounding alone moves the gradients by half.
    """
    halvings = len(unet.config["block_out_channels"]) - 1
    smallest = min(latent_hw) >> halvings
    if smallest < 2:
        raise ConfigError(
            f"the network's {halvings + 1} resolutions must end in 2 x 2 latents or more, but those"
            f" of {latent_hw[0]} x {latent_hw[1]} end in {smallest} x {smallest}: raise"
            " data.height_px and width_px, or shorten model.block_out_channels"
        )


def _new_unet(options: ModelOptions, num_latent_channels: int, seed: int) -> GenXDUNet:
    num_attending = len(options.block_out_channels) - 1  # all resolutions but the coarsest
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GenXDUNet(
            in_channels=2 * num_latent_channels + _OTHER_CHANNELS,
            out_channels=num_latent_channels,
            down_block_types=[f"CrossAttn{_DOWN}"] * num_attending + [_DOWN],
            up_block_types=[_UP] + [f"CrossAttn{_UP}"] * num_attending,
            block_out_channels=options.block_out_channels,
            num_attention_heads=options.num_attention_heads,
            layers_per_block=options.layers_per_block,
            disentangled=options.disentangled,
            camera_condition=options.camera,
        )


def _read_genxd(init: str) -> GenXDUNet:
    folder = _folder_of(init)
    try:
        unet: Any = GenXDUNet.from_pretrained(str(folder), torch_dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"model.init must hold a GenXD UNet: {folder}: {error}") from error
    return unet


def _config_at(init: str) -> dict[str, Any] | None:
    """The config.json of a diffusers folder; None from scratch."""
    if not init:
        return None
    return json.loads((_folder_of(init) / "config.json").read_text())


def _folder_of(init: str) -> Path:
    """The folder itself, or the `unet` in it."""
    for folder in (Path(init), Path(init) / UNET_FOLDER):
        if (folder / "config.json").is_file():
            return folder
    raise BackendUnavailable(
        f"model.init must be the folder of a UNet (or its parent), but {init} has no config.json"
    )
