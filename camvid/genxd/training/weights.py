"""Which weights are trained, by whom, and their moving average."""

import importlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.training.options import OptimizerOptions, TrainedPart

# Parts of parameter names. Each mixer has a scalar of the one branch and one of the other.
_NAMES = {
    "temporal": ("temporal_", "time_pos_embed", ".gamma", "motion_embedding"),
    "multiview": ("mv_res_block", "multiview_", ".spatial_mv_factor"),
}


def choose_trained(model: nn.Module, part: TrainedPart) -> int:
    """Freezes all weights but those of the part; returns how many values are trained."""
    wanted = [name for p in part.split("+") for name in _NAMES.get(p, ("",))]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(text in name for text in wanted))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def halve_frozen(model: nn.Module) -> None:
    """Keeps frozen matrices and convolutions in bfloat16, which autocast would make of them.

    Vectors stay: norms compute in float32, and take next to no memory.
    """
    for parameter in model.parameters():
        if not parameter.requires_grad and parameter.ndim > 1:
            parameter.data = parameter.data.bfloat16()


def make_optimizer(
    parameters: Iterable[nn.Parameter], options: OptimizerOptions
) -> torch.optim.Optimizer:
    """AdamW over the trained weights; call it after they were sharded."""
    trained = [p for p in parameters if p.requires_grad]
    settings: dict[str, Any] = {
        "lr": options.learning_rate,
        "betas": (options.beta1, options.beta2),
        "eps": options.eps,
        "weight_decay": options.weight_decay,
    }
    if options.state_bits == 8:
        return _adam_8bit(trained, settings)
    return torch.optim.AdamW(trained, fused=True, **settings)


def _adam_8bit(trained: list[nn.Parameter], settings: dict[str, Any]) -> torch.optim.Optimizer:
    if trained[0].device.type != "cuda" or hasattr(trained[0], "placements"):
        raise ConfigError("optimizer.state_bits = 8 needs a CUDA device and run.sharding = ddp")
    try:
        bitsandbytes: Any = importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise BackendUnavailable(
            "optimizer.state_bits = 8 needs bitsandbytes: pip install bitsandbytes"
        ) from error
    return bitsandbytes.optim.AdamW8bit(trained, **settings)


class MovingAverage:
    """The exponential moving average of the trained weights, sharded as they are.

    diffusers' EMAModel copies whole weights to save them, which FSDP2's parts are not.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """`decay` 0: the weights themselves, at no cost."""
        self._parameters = {
            name: p for name, p in _plain_names(model) if p.requires_grad and decay > 0
        }
        self.values = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after the step with this number, counted from 0."""
        # Early on the average forgets faster, or the first weights would weigh on it for long.
        decay = min(self._decay, (1 + step) / (10 + step))
        averages = [_local(value) for value in self.values.values()]
        weights = [_local(p.detach()) for p in self._parameters.values()]
        if averages:
            _lerp(averages, weights, 1 - decay)

    @contextmanager
    def applied(self) -> Generator[None, None, None]:
        """Within it, the model computes with the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            weight, average = _local(parameter.detach()), _local(self.values[name])
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)


def _lerp(averages: list[Tensor], weights: list[Tensor], share: float) -> None:
    """All in one go: with thousands of tensors, one after the other takes longer than a step."""
    together: Any = torch
    together._foreach_lerp_(averages, weights, share)


def whole_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and full value of each weight, wherever its parts are; all processes must ask."""
    for name, parameter in _plain_names(model):
        value: Any = parameter.detach()
        yield name, value.full_tensor() if hasattr(value, "full_tensor") else value


def _plain_names(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """As in a checkpoint: without the prefix of DistributedDataParallel."""
    for name, parameter in model.named_parameters():
        yield name.removeprefix("module."), parameter


def _local(value: Any) -> Tensor:
    """The part of a sharded tensor that is here."""
    return value.to_local() if hasattr(value, "to_local") else value
