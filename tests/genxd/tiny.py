"""A GenXD UNet of 5.7 M parameters with weights that follow from their names, and recorded numbers.

The recorded numbers were computed by another implementation with the same weights. Weight i of
tensor NAME is centre + amp * x, rounded to float16; x = 2 u - 1; u is made of the upper 24 bits of
splitmix64(s + i) and s of the first 8 bytes of sha256(NAME).
"""

import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camvid.genxd.model import GenXDUNet
from tests.genxd.records import DATA, read

# As in a released config.json, narrower. Keys of its diffusers header included.
CONFIG: dict[str, Any] = {
    "_class_name": "UNetMVTemporalConditionModel",
    "_diffusers_version": "0.24.0.dev0",
    "_name_or_path": "unet",
    "addition_time_embed_dim": 256,
    "block_out_channels": [32, 32, 64, 64],
    "cross_attention_dim": None,
    "camera_embedding_dim": -1,
    "down_block_types": ["CrossAttnDownBlockMVCascadeTemporal"] * 3
    + ["DownBlockMVCascadeTemporal"],
    "in_channels": 15,
    "ray_condition": True,
    "uncertainty_condition": False,
    "camera_add_time": False,
    "scale_add_time": False,
    "motion_condition": True,
    "layers_per_block": 2,
    "num_attention_heads": [2, 2, 4, 4],
    "num_frames": 4,
    "out_channels": 4,
    "projection_class_embeddings_input_dim": 512,
    "sample_size": 8,
    "transformer_layers_per_block": 1,
    "up_block_types": ["UpBlockMVCascadeTemporal"] + ["CrossAttnUpBlockMVCascadeTemporal"] * 3,
}


def manifest(name: str) -> dict[str, tuple[int, ...]]:
    """Tensor names and shapes of the released configuration ("full") or the one above ("tiny")."""
    lines = gzip.decompress((DATA / f"manifest_{name}.txt.gz").read_bytes()).decode().splitlines()
    pairs = (line.split() for line in lines)
    return {tensor: tuple(int(n) for n in shape.split(",")) for tensor, shape in pairs}


def recorded(file: str, prefix: str) -> dict[str, Tensor]:
    """As `records.read`, as tensors."""
    return {name: torch.from_numpy(array) for name, array in read(file, prefix).items()}


def recipe_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(_recipe(name, shape)) for name, shape in shapes.items()}


def make_unet(weights: Mapping[str, Tensor], dtype: torch.dtype = torch.float64) -> GenXDUNet:
    """The tiny UNet in evaluation mode, with copies of the weights."""
    with torch.device("meta"):
        unet = GenXDUNet(**CONFIG)
    unet.load_state_dict({k: v.to(dtype, copy=True) for k, v in weights.items()}, assign=True)
    return unet.eval()


def make_inputs(
    indicator: list[int], *, num_frames: int = 4, side: int = 8, seed: int = 0
) -> dict[str, Tensor]:
    """Random arguments of `GenXDUNet.forward`, float64."""
    generator = torch.Generator().manual_seed(seed)
    num_samples = len(indicator)
    random = torch.randn(num_samples, num_frames, 15, side, side, generator=generator)
    return {
        "sample": random.double(),
        "timestep": torch.linspace(-0.7, 1.1, num_samples),
        "added_time_ids": torch.tensor([0.0, 1.0]).expand(num_samples, num_frames, 2),
        "indicator": torch.tensor(indicator),
        "motion_ids": torch.linspace(0.5, 9.0, num_samples),
    }


def _recipe(name: str, shape: tuple[int, ...]) -> np.ndarray:
    x = _uniform(name, int(np.prod(shape)))
    if name.endswith(("spatial_mv_factor", "gamma")):
        values = x
    elif len(shape) == 1:
        is_scale = name.endswith("weight") and "norm" in name
        values = 1 + 0.3 * x if is_scale else 0.2 * x
    else:
        gain = 1.5 if ".to_q." in name or ".to_k." in name else 1.0
        values = gain * np.sqrt(3 / np.prod(shape[1:])) * x
    return values.astype(np.float16).astype(np.float32).reshape(shape)


def _uniform(name: str, size: int) -> np.ndarray:
    """In [-1, 1), float64."""
    start = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u8")
    z = start + np.arange(size, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return 2 * ((z >> np.uint64(40)).astype(np.float64) / 2**24) - 1
