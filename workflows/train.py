"""Training GenXD (arXiv 2411.02319, section 4): shards to checkpoints.

The same function alone, under torchrun, and inside Ray's TorchTrainer (`train_on_ray`):

    camvid train RUN --out DIR --config tiny
    torchrun --nproc-per-node 8 -m workflows.cli train RUN --out DIR --config stage1 --init SVD
"""

import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camvid.errors import RunAborted
from camvid.genxd.data import ClipDataset
from camvid.genxd.data_latents import check_codec
from camvid.genxd.data_loader import Batch, ClipLoader
from camvid.genxd.data_shards import ShardIndex, find_shards
from camvid.genxd.diffusion import velocity_loss
from camvid.genxd.latent_cache import ready_latents
from camvid.genxd.training.board import Board
from camvid.genxd.training.checkpoints import Checkpoints, Training
from camvid.genxd.training.flops import peak_tflops, step_flops
from camvid.genxd.training.meter import Meter
from camvid.genxd.training.noise import draw_noise
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.training.processes import (
    clip_gradients,
    enough_memory,
    join_processes,
    spread,
    uses_half,
)
from camvid.genxd.training.start import make_codec, make_unet
from camvid.genxd.training.stop import StopSignal
from camvid.genxd.training.validation import Validation, conditions_of
from camvid.genxd.training.weights import MovingAverage, choose_trained, make_optimizer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a run ended."""

    step: int
    checkpoint: Path
    stopped: bool  # by SIGTERM, before its last step


def train(shards: str, out: Path, config: TrainConfig, *, resume: bool = False) -> Trained:
    """Trains to `run.num_steps`, or until SIGTERM; either way a checkpoint is left.

    Args:
        shards: see `find_shards`.
        out: where all goes; the same folder for all machines.
        config: the run.
        resume: go on from the newest checkpoint in `out`, if there is one.
    """
    checkpoints = Checkpoints(out, config)
    saved = checkpoints.to_go_on_from(resume=resume)
    index = find_shards(shards)
    training = set_up(index, config, saved)
    step = checkpoints.resume(training)
    validation = make_validation(index, config)
    meter, batches = make_meter(training, config), iter(training.loader)
    is_main = training.accelerator.is_main_process
    with StopSignal() as stop, Board(out, config, step, is_main=is_main) as board:
        while step < config.run.num_steps and not stop.wanted:
            rate = config.optimizer.learning_rate_at(step)
            try:
                take_step(training, batches, config, meter, stop, step=step, rate=rate)
            except RunAborted:
                checkpoints.save(training, step)  # the weights are those before the bad step
                raise
            step, saved = step + 1, None
            if _is_due(step, config.run.log_every_steps):
                board.reading(meter.read(step, rate))
            if _is_due(step, config.run.save_every_steps):
                saved = checkpoints.save(training, step)
            if _is_due(step, config.validation.every_steps):
                validation.run(training, out, board, step)
        saved = saved or checkpoints.save(training, step)
    return Trained(step=step, checkpoint=saved, stopped=step < config.run.num_steps)


def set_up(index: ShardIndex, config: TrainConfig, saved: Path | None = None) -> Training:
    """Data, codec, network and optimiser as they are before the first step."""
    accelerator = join_processes()
    config.run.micro_batches(accelerator.num_processes)  # fails now, not in the first step
    with_images = ClipDataset(index, config.data)
    codec = make_codec(config.codec, saved or config.model.init, with_images).to(accelerator.device)
    check_codec(index, codec.identity())
    latents = None
    if config.codec.cache_latents and not index.latents:
        latents = ready_latents(
            index,
            config.data,
            codec,
            folder=config.codec.cache_dir,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
        )
    loader = ClipLoader(
        ClipDataset(index, config.data, latents=latents),
        batch_size=config.run.micro_batch_size,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        num_workers=config.run.loader_workers,
        pin_memory=accelerator.device.type == "cuda",
    )
    unet = make_unet(config.model, codec.num_channels, config.run.seed)
    choose_trained(unet, config.model.trained)
    model = spread(unet, accelerator, config.run)
    return Training(
        accelerator=accelerator,
        model=model,
        unet=unet,
        optimizer=make_optimizer(model.parameters(), config.optimizer),
        average=MovingAverage(model, config.optimizer.ema_decay),
        codec=codec,
        loader=loader,
        half=uses_half(config.run, accelerator.device),
    )


def take_step(
    training: Training,
    batches: Iterator[Batch],
    config: TrainConfig,
    meter: Meter,
    stop: StopSignal,
    *,
    step: int,
    rate: float,
) -> None:
    """One update of the weights from `run.batch_size` samples.

    Raises:
        RunAborted: loss or gradients are not finite; the weights are left as they were.
    """
    loss, clips = accumulate(training, batches, config, meter)
    norm = clip_gradients(training.model.parameters(), config.optimizer.clip_norm)
    # One exchange for all: what the step measured, and whether any process was asked to stop.
    shared = torch.stack([loss, norm, loss.new_tensor(float(stop.wanted))])
    reduced: Any = training.accelerator.reduce(shared, "mean")
    mean_loss, mean_norm, stops = reduced.tolist()
    if not math.isfinite(mean_loss + mean_norm):
        training.optimizer.zero_grad()
        raise RunAborted(
            f"loss and gradients must be finite, got {mean_loss} and {mean_norm} in step"
            f" {step + 1} (clips {', '.join(clips)}): the weights before it are saved;"
            " lower optimizer.learning_rate and start from them with --init"
        )
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    training.optimizer.step()
    training.optimizer.zero_grad()
    training.average.update(step)
    meter.stepped(mean_loss, mean_norm)
    stop.wanted = stops > 0


def accumulate(
    training: Training, batches: Iterator[Batch], config: TrainConfig, meter: Meter
) -> tuple[Tensor, list[str]]:
    """Gradients of this process's share of a step; its mean loss, and its clips."""
    accelerator = training.accelerator
    num_micro = config.run.micro_batches(accelerator.num_processes)
    loss = torch.zeros((), device=accelerator.device)
    clips: set[str] = set()
    for micro in range(num_micro):
        batch = next(batches)
        alone = nullcontext() if micro == num_micro - 1 else accelerator.no_sync(training.model)
        with alone, enough_memory(config.run):
            part = batch_loss(training, batch, config) / num_micro
            part.backward()
        loss += part.detach()
        meter.computed(batch.indicator)
        clips |= set(batch.clip_ids)
    return loss, sorted(clips)


def batch_loss(training: Training, batch: Batch, config: TrainConfig) -> Tensor:
    """Mean squared error of v over the batch's target frames."""
    device = training.accelerator.device
    latents = batch.encoded(training.codec, device)
    noise, sigma = draw_noise(
        batch.numbers.tolist(), latents.shape[1:], config.noise, config.run.seed
    )
    conditions = conditions_of(batch, latents).dropped(batch.is_dropped.to(device))
    with training.autocast():
        return velocity_loss(
            training.model, latents, noise.to(device), sigma.to(device), conditions
        ).mean()


def make_meter(training: Training, config: TrainConfig) -> Meter:
    """Counts what this run's samples cost, where the device's peak is known."""
    known = config.run.peak_tflops or peak_tflops(training.accelerator.device)
    return Meter(
        num_images=config.run.batch_size * config.data.num_frames,
        peak_flops=known * 1e12,
        flops_of=partial(
            step_flops,
            training.unet.config,
            config.model.trained,
            num_frames=config.data.num_frames,
            latent_hw=config.data.latent_hw,
        ),
    )


def make_validation(index: ShardIndex, config: TrainConfig) -> Validation:
    """On the held-out clips, or on those trained on where none are held out."""
    held_out = ClipDataset(index, config.data, held_out=True)
    if not len(held_out):
        log.warning("no clips are held out (data.held_out_fraction): validation uses the others")
        held_out = ClipDataset(index, config.data)
    return Validation(held_out, config)


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
