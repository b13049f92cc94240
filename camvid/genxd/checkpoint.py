"""What sampling needs from a folder: the UNet, its codec, and what it was trained on.

CHECKPOINT/            of a training run (or the run's folder: its newest), or the released one
  config.json, diffusion_pytorch_model.safetensors     by save_pretrained; here or in unet/
  codec.safetensors, or a VAE in vae/                  unless train.toml or the caller names one
  train.toml                                           units and sizes; else those of the release
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from camvid.config import read_toml
from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.codec import LatentCodec, load_codec
from camvid.genxd.data.options import DataOptions
from camvid.genxd.model import GenXDUNet
from camvid.plain import from_plain

UNET_FOLDER, CODEC_FILE, CONFIG_FILE = "unet", "codec.safetensors", "train.toml"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Loaded and ready to sample."""

    model: GenXDUNet
    codec: LatentCodec
    trained_on: DataOptions  # its frames and size are good to sample at; its rules are the units


def load_checkpoint(
    folder: str | Path,
    *,
    codec: str | Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Checkpoint:
    """Reads a checkpoint; `codec` is a saved PatchCodec or a VAE's folder, if not its own."""
    folder = _newest(Path(folder))
    configured = read_toml(str(folder / CONFIG_FILE)) if (folder / CONFIG_FILE).is_file() else {}
    found = load_codec(codec or _find_codec(folder, configured))
    return Checkpoint(
        model=_read_unet(folder, dtype).to(device).eval(),
        codec=found.to(device).eval(),
        trained_on=from_plain(DataOptions, configured.get("data", {}), "data"),
    )


def _newest(folder: Path) -> Path:
    """The last checkpoint of a run's folder; any other folder as it is."""
    steps = sorted(
        path for path in folder.glob("checkpoints/step-*") if (path / UNET_FOLDER).is_dir()
    )
    return steps[-1] if steps else folder


def _read_unet(folder: Path, dtype: torch.dtype) -> Any:
    places = [
        place for place in (folder, folder / UNET_FOLDER) if (place / "config.json").is_file()
    ]
    if not places:
        raise BackendUnavailable(
            f"{folder} must hold a GenXD UNet (config.json and safetensors, here or in"
            f" {UNET_FOLDER}/), but does not"
        )
    try:
        return GenXDUNet.from_pretrained(
            str(places[0]), torch_dtype=dtype, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{places[0]} must hold a GenXD UNet: {error}") from error


def _find_codec(folder: Path, configured: dict[str, Any]) -> Path:
    if (folder / CODEC_FILE).is_file():
        return folder / CODEC_FILE
    named = configured.get("codec", {}).get("path", "")
    for place in (folder / "vae", folder.parent / "vae"):
        if not named and (place / "config.json").is_file():
            return place
    if named:
        return Path(named)
    raise BackendUnavailable(
        f"{folder} must hold a codec ({CODEC_FILE} or vae/), but does not: name one with --codec"
    )
