"""Noise and noise levels that follow from the seed and a sample's number alone.

So they do not depend on which process, worker or batch the sample is in, nor on what came before.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from camvid.genxd.training.options import NoiseOptions

_NOISE = 2  # what the draw is for: the data draw from other streams of the same numbers


def draw_noise(
    numbers: Sequence[int], shape_FCHW: Sequence[int], options: NoiseOptions, seed: int
) -> tuple[Tensor, Tensor]:
    """Standard normal noise [B, F, C, H, W] and sigma [B], float32 on the CPU."""
    noises: list[Tensor] = []
    log_sigmas: list[float] = []
    for number in numbers:
        rng = np.random.default_rng([seed, number, _NOISE])
        log_sigmas.append(options.log_sigma_mean + options.log_sigma_std * rng.standard_normal())
        noises.append(torch.from_numpy(rng.standard_normal(tuple(shape_FCHW), np.float32)))
    return torch.stack(noises), torch.tensor(log_sigmas).exp()
