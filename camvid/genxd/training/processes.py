"""One process or many, on CPU or GPUs: what they share, and how the model is spread over them."""

import importlib
import os
import warnings
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.attention import CascadeTransformer
from camvid.genxd.model import GenXDUNet
from camvid.genxd.resnet import CascadeResBlock
from camvid.genxd.training.options import RunOptions

# Every process runs all of these in every step, whatever is in its batch; a part that only some
# run, as a temporal branch is, would leave the others waiting.
_LAYERS = (CascadeResBlock, CascadeTransformer)

# How long processes wait for one that writes a checkpoint, or its share of the latents.
_PATIENCE = timedelta(minutes=30)


def join_processes(options: RunOptions) -> Accelerator:
    """What torchrun, Ray or nothing at all started; the process group is made here if need be.

    Raises:
        ConfigError: `accelerate launch` was told something else than the configuration says.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _check_launcher(options, device)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="no",  # `Training.autocast` does that
        kwargs_handlers=[
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
            InitProcessGroupKwargs(timeout=_PATIENCE),
        ],
    )


def leave_processes() -> None:
    """At a process's end, where `join_processes` made a group; torch warns otherwise."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _check_launcher(options: RunOptions, device: torch.device) -> None:
    """`accelerate launch` passes its own options on in the environment, and none may win unseen."""
    ours = "bf16" if uses_half(options, device) else "no"
    wanted = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if wanted not in ("no", ours):
        raise ConfigError(
            "the precision is that of run.precision, which means"
            f" {ours} here, but accelerate launch was given --mixed_precision {wanted}: leave that"
            " out, and set run.precision"
        )
    for plugin in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{plugin}", "false").lower() == "true":
            raise ConfigError(
                f"accelerate launch must leave the spreading to run.sharding, but uses {plugin}:"
                " set run.sharding = fsdp2 instead"
            )


def uses_half(options: RunOptions, device: torch.device) -> bool:
    """Whether to compute in bfloat16. Weights are kept in float32 either way."""
    return options.precision == "bf16" or (options.precision == "auto" and device.type == "cuda")


def check_can_halve(options: RunOptions, half: bool) -> None:
    """ConfigError where frozen weights cannot be in bfloat16."""
    if not half or options.sharding == "fsdp2":
        raise ConfigError(
            "model.frozen_precision = bf16 needs run.precision = bf16 and run.sharding = ddp, got"
            f" {'bf16' if half else 'fp32'} and {options.sharding}"
        )


def spread(unet: GenXDUNet, accelerator: Accelerator, options: RunOptions) -> nn.Module:
    """The model to be called: on its device, replicated or sharded."""
    if options.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if options.compile_backend:
        _compile(unet, options.compile_backend)
    if options.sharding == "fsdp2":
        return _sharded(unet, accelerator, options)
    model: nn.Module = accelerator.prepare(unet)
    return model


def _compile(unet: GenXDUNet, backend: str) -> None:
    """In place, so that names of weights stay; layer by layer, as many of them are alike."""
    dynamo: Any = importlib.import_module("torch._dynamo")
    # Widths and resolutions of one class of layers: beyond the default of 8, dynamo gives up.
    dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, 128)
    for module in layers(unet):
        module.compile(backend=backend)


def _sharded(unet: GenXDUNet, accelerator: Accelerator, options: RunOptions) -> nn.Module:
    # By torch itself: accelerate 1.15 shards on accelerators only, and not on the CPU.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    if accelerator.num_processes < 2:
        raise ConfigError("run.sharding = fsdp2 needs two processes or more: use torchrun or --ray")
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    half = torch.bfloat16 if uses_half(options, accelerator.device) else None
    policy = MixedPrecisionPolicy(
        param_dtype=half,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,  # times and motion must reach their sinusoids in full precision
    )
    # torch warns that a layer returns a view; nothing changes those in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    unet.to(accelerator.device)
    for module in layers(unet):
        fully_shard(module, mesh=mesh, mp_policy=policy)
    fully_shard(unet, mesh=mesh, mp_policy=policy)
    return unet


def micro_batch(
    model: nn.Module, options: RunOptions, *, is_last: bool
) -> AbstractContextManager[object]:
    """In which to compute one of a step: gradients are exchanged with the last.

    With each, where the model is sharded, unless `run.reduce_once`.
    """
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(is_last or not options.reduce_once)
    elif isinstance(model, DistributedDataParallel) and not is_last:
        return model.no_sync()
    return nullcontext()


@contextmanager
def enough_memory(options: RunOptions) -> Generator[None, None, None]:
    """Says what to do where the device's memory, or the machine's, does not suffice."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        ran_out = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not ran_out and "can't allocate memory" not in str(error):  # as the CPU's allocator says
            raise
        raise BackendUnavailable(
            "the device must have memory for run.micro_batch_size ="
            f" {options.micro_batch_size} samples, but it ran out: lower it (run.batch_size may"
            " stay), set run.gradient_checkpointing = true, or run.sharding = fsdp2 on several GPUs"
        ) from error


def clip_gradients(parameters: Any, limit: float) -> Tensor:
    """Scales all gradients together to at most `limit`; returns their norm before."""
    norm: Any = torch.nn.utils.clip_grad_norm_(parameters, limit)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def layers(unet: GenXDUNet) -> list[nn.Module]:
    """The units of sharding and of compilation."""
    return [module for module in unet.modules() if isinstance(module, _LAYERS)]
