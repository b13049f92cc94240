"""One training step of a small network against one of diffusers' own SVD UNet of equal size.

Both get the same clips, the same loss and the same AdamW, in turns, in one run; the best of each.
SVD's UNet gets the widths at which it has about as many weights as ours, which has a third branch.
Machines are noisy: read the ratios, and where others use the cores, those of CPU time. The ratio of
FLOPs is what that of time would be, were all operations equally quick.

    python benchmarks/training.py [--size tiny|middle] [--repeats N]
"""

import argparse
import time
from collections.abc import Callable

import torch
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from torch import Tensor, nn
from torch.utils.flop_counter import (
    FlopCounterMode,
    register_flop_formula,
    sdpa_backward_flop,
    sdpa_flop,
)

from camvid.genxd.conditioning import Conditions
from camvid.genxd.diffusion import Denoiser, velocity_loss
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.training.start import make_unet
from camvid.genxd.training.weights import make_optimizer
from workflows.configs import load_training_config

CONTEXT = 16  # width of SVD's one token of context, which GenXD does without
# Of four resolutions as the full network, which `tiny` has not: that one has to train as well.
OURS = {
    "tiny": ["model.block_out_channels=[32,32,64,64]", "model.num_attention_heads=[2,2,4,4]"],
    "middle": ["model.block_out_channels=[64,128,256,256]", "model.num_attention_heads=[1,2,4,4]"],
}
# SVD's widths with about as many weights.
EQUAL_SIZE = {"tiny": (32, 64, 64, 64), "middle": (64, 160, 288, 288)}
WARM_UP = 2
# Attention on a CPU, which torch's counter passes over.
for operation, formula in (
    (torch.ops.aten._scaled_dot_product_flash_attention_for_cpu, sdpa_flop),
    (torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward, sdpa_backward_flop),
):
    register_flop_formula(operation, get_raw=True)(formula)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--size", choices=[*OURS], default="tiny")
    asked = parser.parse_args()
    config = load_training_config("tiny", OURS[asked.size])
    channels = config.codec.num_channels
    ours = make_unet(config.model, channels, seed=0)
    models = {"ours": ours, "SVD, equal size": make_svd(EQUAL_SIZE[asked.size], ours)}
    models["SVD, equal widths"] = make_svd(config.model.block_out_channels, ours)
    steps = {name: make_step(model, config) for name, model in models.items()}
    flops = {name: _count(step) for name, step in steps.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for repeat in range(WARM_UP + asked.repeats):
        for name, step in steps.items():
            pair = _measure(step)
            if repeat >= WARM_UP:
                taken[name].append(pair)
    wall_s, cpu_s = (
        {name: min(pair[clock] for pair in pairs) for name, pairs in taken.items()}
        for clock in (0, 1)
    )
    print(f"{config.run.batch_size} clips of {config.data.num_frames} frames, best of", end=" ")
    print(f"{asked.repeats}; a ratio of 1 or less: ours is no slower")
    for name, model in models.items():
        size = sum(p.numel() for p in model.parameters()) / 1e6
        print(f"{name:20}{size:6.2f} M weights, {flops[name] / 1e9:5.2f} GFLOP,", end=" ")
        print(f"ratio {flops['ours'] / flops[name]:.2f}", end="; ")
        for clock, seconds in (("", wall_s), ("of CPU ", cpu_s)):
            ratio = seconds["ours"] / seconds[name]
            print(f"{1000 * seconds[name]:7.1f} ms {clock}a step, ratio {ratio:.2f}", end="; ")
        print()


def make_svd(widths: tuple[int, ...], ours: nn.Module) -> nn.Module:
    """With as many channels in and out, heads and layers as ours."""
    config = ours.config
    return UNetSpatioTemporalConditionModel(
        in_channels=config["in_channels"],
        out_channels=config["out_channels"],
        block_out_channels=widths,
        num_attention_heads=tuple(config["num_attention_heads"]),
        layers_per_block=config["layers_per_block"],
        cross_attention_dim=CONTEXT,
    )


def make_step(model: nn.Module, config: TrainConfig) -> Callable[[], None]:
    """A step on 4D clips, all branches of ours at work."""
    optimizer = make_optimizer(model.parameters(), config.optimizer)
    is_svd = isinstance(model, UNetSpatioTemporalConditionModel)
    denoise = _as_denoiser(model) if is_svd else model
    latents, conditions = make_clips(config)
    noise, sigma = torch.randn_like(latents), torch.ones(len(latents))

    def step() -> None:
        velocity_loss(denoise, latents, noise, sigma, conditions).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    return step


def make_clips(config: TrainConfig) -> tuple[Tensor, Conditions]:
    """A batch of noise in the shapes of the configuration."""
    count, frames = config.run.batch_size, config.data.num_frames
    latents = torch.randn(count, frames, config.codec.num_channels, *config.data.latent_hw)
    conditions = Conditions.from_samples(
        latents=latents,
        is_given=torch.arange(frames).expand(count, -1) == 0,
        rays=torch.randn(count, frames, 6, *config.data.latent_hw),
        indicator=torch.full((count,), 2),
        motion_ids=torch.ones(count),
    )
    return latents, conditions


def _as_denoiser(svd: nn.Module) -> Denoiser:
    def denoise(
        sample: Tensor, timestep: Tensor, ids: Tensor, indicator: Tensor, motion: Tensor
    ) -> Tensor:
        context = sample.new_zeros(len(sample), 1, CONTEXT)
        three_ids = torch.stack([ids[:, 0, 0], ids[:, 0, 1], motion], dim=-1)
        return svd(sample, timestep, context, three_ids, return_dict=False)[0]

    return denoise


def _count(step: Callable[[], None]) -> int:
    """Of matrix products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def _measure(step: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the wall, and of all threads."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


if __name__ == "__main__":
    main()
