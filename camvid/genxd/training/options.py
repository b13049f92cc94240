"""The configuration of a training run: one section per part. Loads no torch."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from camvid.errors import ConfigError
from camvid.genxd.data.options import DataOptions
from camvid.plain import to_plain

TrainedPart = Literal["all", "temporal", "multiview", "temporal+multiview"]
Precision = Literal["auto", "fp32", "bf16"]
CameraCondition = Literal["rays", "cross_attention"]
Sharding = Literal["ddp", "fsdp2"]


def require(name: str, value: object, holds: bool, rule: str) -> None:
    """ConfigError unless it holds."""
    if not holds:
        raise ConfigError(f"{name} must be {rule}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecOptions:
    """What turns images into latents."""

    # The folder of Stable Video Diffusion's VAE, or a saved PatchCodec. Empty: that of the
    # checkpoint in `model.init`, else a PatchCodec fitted on the shards.
    path: str = ""
    num_channels: int = 4  # of a codec that is fitted; 4 as the released model
    num_fit_samples: int = 64
    cache_latents: bool = False  # encode once, into files; no random crop then
    cache_dir: str = ""  # of those files, a path or URI; empty: beside the shards

    def __post_init__(self) -> None:
        require("num_channels", self.num_channels, self.num_channels >= 1, "1 or more")
        require("num_fit_samples", self.num_fit_samples, self.num_fit_samples >= 1, "1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """The network, where it starts from, and which of its weights are trained."""

    # A GenXD UNet, a checkpoint of ours, or a Stable Video Diffusion UNet. Empty: from scratch.
    init: str = ""
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)  # unless `init` is a GenXD UNet
    num_attention_heads: tuple[int, ...] = (5, 10, 20, 20)
    layers_per_block: int = 2
    trained: TrainedPart = "all"
    # bf16: half the memory of what is not trained, at the same results, as the step computes in
    # bfloat16 anyway; checkpoints keep it as rounded. Not with run.sharding = fsdp2.
    frozen_precision: Literal["fp32", "bf16"] = "fp32"
    disentangled: bool = True  # false: every kind is fused as 4D is, as in the paper's ablation
    camera: CameraCondition = "rays"  # the other one is the paper's ablation, too


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseOptions:
    """ln(sigma) of each sample is normal. GenXD's distribution is unpublished."""

    log_sigma_mean: float = 0.7  # as a public fine-tune of Stable Video Diffusion has it
    log_sigma_std: float = 1.6

    def __post_init__(self) -> None:
        require("log_sigma_std", self.log_sigma_std, self.log_sigma_std >= 0, "0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerOptions:
    """AdamW. Defaults: the released configuration file, but for its learning rate of 2e-5."""

    learning_rate: float = 5e-4  # the paper's
    warmup_steps: int = 2000
    decay_steps: int = 0  # falls to 0 along a cosine by this step; 0: stays constant
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-2
    clip_norm: float = 1.0  # of all gradients together
    state_bits: Literal[32, 8] = 32  # 8: by bitsandbytes, on CUDA; the released configuration's
    ema_decay: float = 0.9999  # 0: no moving average. The release says it used none

    def __post_init__(self) -> None:
        for name in ("learning_rate", "eps", "clip_norm"):
            require(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        for name in ("warmup_steps", "decay_steps", "weight_decay"):
            require(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        for name in ("beta1", "beta2", "ema_decay"):
            require(name, getattr(self, name), 0 <= getattr(self, name) < 1, "in [0, 1)")

    def learning_rate_at(self, step: int) -> float:
        """Of the step with this number, counted from 0."""
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps))
        if not self.decay_steps:
            return rate
        return rate * (1 + math.cos(math.pi * min(1.0, step / self.decay_steps))) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationOptions:
    """Samples drawn, and the loss measured, on held-out clips; on training clips without any."""

    every_steps: int = 5000  # 0: never
    num_samples: int = 4
    num_sampler_steps: int = 25
    guidance: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How long, how wide, how often."""

    seed: int = 0  # of new weights and of the noise; `data.seed` is that of the samples
    num_steps: int = 500_000
    batch_size: int = 128  # of a step, over all processes
    micro_batch_size: int = 1  # of a process at a time; gradients accumulate to batch_size
    precision: Precision = "auto"  # bf16 on CUDA, fp32 on the CPU; weights are always kept in fp32
    gradient_checkpointing: bool = True
    # Of torch.compile for each layer: inductor; empty: not compiled. Layers that are alike share
    # what was compiled, once for each of their widths and resolutions.
    compile_backend: str = ""
    sharding: Sharding = "ddp"  # fsdp2: weights, gradients and Adam's state in parts
    # fsdp2: gradients are exchanged once a step, not once a micro-batch. Until then every process
    # keeps all of them in float32: 7.7 GB for the full network.
    reduce_once: bool = False
    loader_workers: int = 4  # of each process
    log_every_steps: int = 50
    save_every_steps: int = 1000
    keep_checkpoints: int = 3  # the newest
    # Written while training goes on, from a copy in the host's memory: 39 GB for the full network,
    # in parts under fsdp2.
    async_checkpoints: bool = True
    # In a row, whose loss or gradients are not finite: the update is dropped, the clips are named.
    # One more ends the run.
    max_skipped_steps: int = 3
    wandb: bool = False  # curves to Weights & Biases too; a resumed run goes on under its id
    max_failures: int = 3  # with --ray: how often lost workers are started again and resume
    peak_tflops: float = 0.0  # of one device, to report how much of it is used; 0: if known by name

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "micro_batch_size", "log_every_steps"):
            require(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("save_every_steps", "keep_checkpoints"):
            require(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("seed", "loader_workers", "peak_tflops", "max_skipped_steps", "max_failures"):
            require(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")

    def micro_batches(self, num_processes: int) -> int:
        """How many each process computes for one step."""
        at_once = self.micro_batch_size * num_processes
        if self.batch_size % at_once:
            raise ConfigError(
                "run.batch_size must be a multiple of micro_batch_size times the number of"
                f" processes, got {self.batch_size} for {self.micro_batch_size} x {num_processes}"
            )
        return self.batch_size // at_once


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A training run."""

    data: DataOptions = DataOptions()
    codec: CodecOptions = CodecOptions()
    model: ModelOptions = ModelOptions()
    noise: NoiseOptions = NoiseOptions()
    optimizer: OptimizerOptions = OptimizerOptions()
    run: RunOptions = RunOptions()
    validation: ValidationOptions = ValidationOptions()

    def identity(self) -> dict[str, Any]:
        """Dotted name -> value of all that decides the weights: a resumed run must have the same.

        The rest (how long, how often, where, in how many parts) may change.
        """
        tables: dict[str, dict[str, Any]] = to_plain(self)
        decides = {"run.seed", "run.batch_size"}
        whole = {"data", "codec", "model", "noise", "optimizer"}
        names = {f"{table}.{k}": v for table, keys in tables.items() for k, v in keys.items()}
        return {
            name: value
            for name, value in names.items()
            if (name.partition(".")[0] in whole or name in decides)
            and name not in ("data.cache_mb", "codec.cache_latents", "codec.cache_dir")
        }
