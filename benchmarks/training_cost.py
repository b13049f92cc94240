"""What a training step of the full network costs, on paper: counted on tensors without memory.

python benchmarks/training_cost.py [--write docs/TRAINING_COST.md]
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from figures import marks, with_figures
from torch import Tensor

from camvid.genxd.model import GenXDUNet
from camvid.genxd.training.flops import step_flops
from camvid.genxd.training.options import TrainedPart
from camvid.genxd.training.weights import choose_trained

FRAMES = 12
SIDES_PX = (256, 512)
H100_FLOPS = 989e12  # dense bf16, by the maker's data sheet
MFU = 0.4  # assumed
BATCH, GPUS, STEPS = 128, 8, 500_000  # a stage of the paper on one machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    lines = "\n".join([*step_table(), "", *state_table()])
    print(lines)
    if asked.write:
        page = with_figures(asked.write.read_text(encoding="utf-8"), marks("paper"), lines)
        asked.write.write_text(page, encoding="utf-8")


def step_table() -> list[str]:
    """What a sample computes and keeps, and how long a stage would take."""
    rows: dict[str, list[str]] = {
        "forward and backward": [tflop(side, "all") for side in SIDES_PX],
        "the same of a 3D clip": [tflop(side, "all", all_3d=True) for side in SIDES_PX],
        "the same, the temporal part alone trained": [tflop(side, "temporal") for side in SIDES_PX],
        "activations kept, bf16": [gigabytes(side, checkpointing=False) for side in SIDES_PX],
        "with gradient checkpointing": [gigabytes(side, checkpointing=True) for side in SIDES_PX],
        f"{STEPS:,} steps of {BATCH} on {GPUS} H100 at {100 * MFU:.0f} % of their peak": [
            f"{flops(side, 'all') * BATCH * STEPS / (GPUS * MFU * H100_FLOPS) / 86400:.1f} days"
            for side in SIDES_PX
        ],
    }
    header = f"| a sample of {FRAMES} frames | " + " | ".join(f"{s} x {s}" for s in SIDES_PX) + " |"
    return [header, "|---|" + "---|" * len(SIDES_PX)] + [
        f"| {name} | {' | '.join(values)} |" for name, values in rows.items()
    ]


def state_table() -> list[str]:
    """Bytes a weight: 4 each for itself, gradient and average, 8 for Adam's state."""
    whole = choose_trained(full_network(), "all") / 1e9
    temporal = choose_trained(full_network(), "temporal") / 1e9
    rows = {
        "all trained, on each GPU": 20 * whole,
        f"all trained, `run.sharding = fsdp2` over {GPUS} GPUs, on each": 20 * whole / GPUS,
        "`run.reduce_once`, beside that": 4 * whole,
        "`lowmem`: the temporal part, 8-bit Adam, no average; the rest in bf16": 10 * temporal
        + 2 * (whole - temporal),
        "a checkpoint on disk, and in the host's memory while it is written": 20 * whole,
    }
    return ["| weights and what goes with them | |", "|---|---|"] + [
        f"| {name} | {value:.1f} GB |" for name, value in rows.items()
    ]


def full_network() -> Any:
    """The released configuration, without memory."""
    with torch.device("meta"):
        return GenXDUNet()


def flops(side_px: int, trained: TrainedPart, *, all_3d: bool = False) -> int:
    config, latent_hw = dict(full_network().config), (side_px // 8, side_px // 8)
    return step_flops(config, trained, num_frames=FRAMES, latent_hw=latent_hw, all_3d=all_3d)


def tflop(side_px: int, trained: TrainedPart, *, all_3d: bool = False) -> str:
    return f"{flops(side_px, trained, all_3d=all_3d) / 1e12:.1f} TFLOP"


def gigabytes(side_px: int, *, checkpointing: bool) -> str:
    """What autograd keeps of a forward pass; attention as torch computes it on no device."""
    unet = full_network().to(torch.bfloat16).train()
    if checkpointing:
        unet.enable_gradient_checkpointing()
    weights = {p.untyped_storage()._cdata for p in unet.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage()._cdata] = x.untyped_storage()
        return x

    with torch.device("meta"):
        sample = torch.empty(1, FRAMES, 15, side_px // 8, side_px // 8, dtype=torch.bfloat16)
        time, ids, motion = torch.empty(1), torch.empty(1, FRAMES, 2), torch.empty(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        unet(sample, time, ids, torch.tensor([2]), motion)
    total = sum(storage.nbytes() for key, storage in kept.items() if key not in weights) / 1e9
    return f"{total:.2f} GB" if checkpointing else f"{total:.0f} GB"


if __name__ == "__main__":
    main()
