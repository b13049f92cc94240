"""How much a training step computes, and how much a device could."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from camvid.genxd.model import GenXDUNet
from camvid.genxd.training.options import TrainedPart
from camvid.genxd.training.weights import choose_trained

# Dense bf16 matrix products, TFLOP/s, by the makers' data sheets; the first name that fits counts.
_PEAK_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "H800": 989.0,
    "A100": 312.0,
    "A800": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A40": 150.0,
    "A10": 125.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}


def peak_tflops(device: torch.device) -> float:
    """What the device could do by its name; NaN where that is not known."""
    if device.type != "cuda":
        return math.nan
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in _PEAK_TFLOPS.items() if known in name), math.nan)


def step_flops(
    config: Mapping[str, Any],
    trained: TrainedPart,
    *,
    num_frames: int,
    latent_hw: tuple[int, int],
    all_3d: bool,
) -> int:
    """Of one sample forward and backward, as torch counts them; what is recomputed counts once.

    Counted on tensors without memory. Batches of 3D samples alone leave the temporal branch out.
    """
    with torch.device("meta"):
        unet: Any = GenXDUNet.from_config(dict(config))
        sample = torch.empty(1, num_frames, config["in_channels"], *latent_hw)
        time, ids, motion = torch.empty(1), torch.empty(1, num_frames, 2), torch.empty(1)
    choose_trained(unet, trained)
    with FlopCounterMode(display=False) as counter:
        v = unet(sample, time, ids, torch.tensor([0 if all_3d else 2], device="cpu"), motion)
        v.square().mean().backward()
    return counter.get_total_flops()
