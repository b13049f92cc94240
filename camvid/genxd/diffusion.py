"""Noise levels, preconditioning, loss and sampler: EDM (arXiv:2206.00364) with v-prediction.

Noisy latents are x = x0 + sigma * noise. The UNet sees x / sqrt(sigma^2 + 1) and predicts
v = (noise - sigma * x0) / sqrt(sigma^2 + 1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from camvid.errors import ConfigError
from camvid.genxd.conditioning import Conditions

# (sample, timestep, added_time_ids, indicator, motion_ids) -> v, as `GenXDUNet.forward`
Denoiser = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
OnStep = Callable[[int], None]  # called with how many steps are done


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerOptions:
    """Defaults: the released pipeline with Stable Video Diffusion's published noise levels."""

    num_steps: int = 25
    guidance: float = 3.0  # 1: conditions alone; 0: none; below 1 is weaker, not off
    strength: float = 1.0  # of the noise on a video that is started from: the last steps alone
    sigma_min: float = 0.002
    sigma_max: float = 700.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        if self.num_steps < 2:
            raise ConfigError(f"num_steps must be 2 or more, got {self.num_steps}")
        if not 1 <= self.strength * self.num_steps <= self.num_steps:
            raise ConfigError(
                f"strength must leave from 1 to all of {self.num_steps} steps, got {self.strength}"
            )
        if not 0 < self.sigma_min < self.sigma_max:
            raise ConfigError(
                "sigma_min must be above 0 and below sigma_max,"
                f" got {self.sigma_min} and {self.sigma_max}"
            )

    def sigmas(self) -> Tensor:
        """Falling noise levels and a last 0, [num_steps + 1] float64; EDM eq. 5."""
        ends = torch.tensor([self.sigma_max, self.sigma_min], dtype=torch.float64)
        high, low = ends ** (1 / self.rho)
        ramp = torch.linspace(0, 1, self.num_steps, dtype=torch.float64)
        return torch.cat([(high + ramp * (low - high)) ** self.rho, torch.zeros(1)])


def velocity(x0_BFCHW: Tensor, noise_BFCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """What the UNet should predict."""
    sigma = _like_latents(sigma_B)
    return (noise_BFCHW - sigma * x0_BFCHW) / (sigma**2 + 1).sqrt()


def denoised(x_BFCHW: Tensor, v_BFCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """The clean latents that a prediction stands for: c_skip * x + c_out * v."""
    sigma = _like_latents(sigma_B)
    return x_BFCHW / (sigma**2 + 1) - v_BFCHW * sigma / (sigma**2 + 1).sqrt()


def predict_velocity(
    model: Denoiser, x_BFCHW: Tensor, sigma_B: Tensor, conditions: Conditions
) -> Tensor:
    """One call of the UNet on noisy latents, in their dtype."""
    scaled = x_BFCHW / (_like_latents(sigma_B) ** 2 + 1).sqrt()
    v_BFCHW = model(
        conditions.unet_sample(scaled),
        0.25 * sigma_B.log(),
        conditions.added_time_ids,
        conditions.indicator,
        conditions.motion_ids,
    )
    return v_BFCHW.to(x_BFCHW.dtype)


def velocity_loss(
    model: Denoiser,
    x0_BFCHW: Tensor,
    noise_BFCHW: Tensor,
    sigma_B: Tensor,
    conditions: Conditions,
) -> Tensor:
    """Mean squared error of v over the target frames of each sample, [B].

    Equals EDM's error of the clean latents with weight (1 + sigma^2) / sigma^2. Condition frames
    carry no noise and are not supervised.
    """
    x_BFCHW = x0_BFCHW + _like_latents(sigma_B) * noise_BFCHW
    error = predict_velocity(model, x_BFCHW, sigma_B, conditions) - velocity(
        x0_BFCHW, noise_BFCHW, sigma_B
    )
    is_target_BF = (~conditions.is_given).to(error.dtype)
    error_BF = error.square().mean(dim=(2, 3, 4)) * is_target_BF
    return error_BF.sum(dim=1) / is_target_BF.sum(dim=1).clamp(min=1)


@torch.no_grad()
def sample_latents(
    model: Denoiser,
    conditions: Conditions,
    noise_BFCHW: Tensor,
    options: SamplerOptions = SamplerOptions(),
    on_step: OnStep | None = None,
    start_BFCHW: Tensor | None = None,
) -> Tensor:
    """Euler's method from noise to latents [B, F, 4, H, W].

    Condition frames come out as given. Computes in the dtype of the noise, whatever the model's.
    `start`: clean latents that are noised by `options.strength` and denoised (SDEdit,
    arXiv:2108.01073), instead of pure noise: as the released pipeline's `video` and `strength`.
    """
    sigmas = options.sigmas()
    if start_BFCHW is None:
        x_BFCHW = noise_BFCHW * float((sigmas[0] ** 2 + 1).sqrt())
    else:
        sigmas = sigmas[options.num_steps - int(options.num_steps * options.strength) :]
        x_BFCHW = start_BFCHW.to(noise_BFCHW) + noise_BFCHW * float(sigmas[0])
    for step, (sigma, next_sigma) in enumerate(sigmas.unfold(0, 2, 1).tolist()):
        sigma_B = x_BFCHW.new_full((len(x_BFCHW),), sigma)
        v_BFCHW = _guided(model, x_BFCHW, sigma_B, conditions, options.guidance)
        slope = (x_BFCHW - denoised(x_BFCHW, v_BFCHW, sigma_B)) / sigma
        x_BFCHW = x_BFCHW + slope * (next_sigma - sigma)
        if on_step is not None:
            on_step(step + 1)
    return conditions.put_given(x_BFCHW)


def _guided(
    model: Denoiser, x_BFCHW: Tensor, sigma_B: Tensor, conditions: Conditions, guidance: float
) -> Tensor:
    """v_without + guidance * (v_with - v_without); leaves out a half that has no weight."""
    if guidance == 1:
        return predict_velocity(model, x_BFCHW, sigma_B, conditions)
    without = conditions.unconditional()
    if guidance == 0:
        return predict_velocity(model, x_BFCHW, sigma_B, without)
    v_without, v_with = predict_velocity(
        model, torch.cat([x_BFCHW] * 2), torch.cat([sigma_B] * 2), without.joined(conditions)
    ).chunk(2)
    return v_without + guidance * (v_with - v_without)


def _like_latents(x_B: Tensor) -> Tensor:
    return x_B.view(-1, 1, 1, 1, 1)
