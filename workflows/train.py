"""Training GenXD (arXiv 2411.02319, section 4): shards to checkpoints.

The same function alone, under torchrun, and inside Ray's TorchTrainer (`train_on_ray`):

    camvid train RUN --out DIR --config tiny
    camvid torchrun --nproc-per-node 8 train RUN --out DIR --config stage1 --init SVD
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from camvid.errors import RunAborted
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.latent_cache import ready_latents
from camvid.genxd.data.latents import check_codec
from camvid.genxd.data.loader import Batch, ClipLoader
from camvid.genxd.data.shards import ShardIndex, find_shards
from camvid.genxd.diffusion import velocity_loss
from camvid.genxd.training.board import Board
from camvid.genxd.training.checkpoints import Checkpoints, Training
from camvid.genxd.training.flops import peak_tflops, step_flops
from camvid.genxd.training.header import header
from camvid.genxd.training.meter import Meter
from camvid.genxd.training.noise import draw_noise
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.training.processes import (
    check_can_halve,
    clip_gradients,
    enough_memory,
    join_processes,
    micro_batch,
    spread,
    uses_half,
)
from camvid.genxd.training.skips import SkippedSteps
from camvid.genxd.training.start import check_levels, make_codec, make_unet
from camvid.genxd.training.stop import STOP_FILE, StopSignal
from camvid.genxd.training.validation import Validation
from camvid.genxd.training.weights import (
    MovingAverage,
    choose_trained,
    halve_frozen,
    make_optimizer,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a run ended."""

    step: int
    checkpoint: Path
    stopped: bool  # asked to, before its last step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """What each step of a run needs."""

    training: Training
    config: TrainConfig
    batches: Iterator[Batch]
    meter: Meter
    stop: StopSignal
    skips: SkippedSteps


def train(shards: str, out: Path, config: TrainConfig, *, resume: bool = False) -> Trained:
    """Trains to `run.num_steps`, or until asked to stop; either way a checkpoint is left.

    SIGTERM, SIGINT and SIGUSR1 ask for it, and a file `out`/stop.

    Args:
        shards: see `find_shards`.
        out: where all goes; the same folder for all machines.
        config: the run.
        resume: go on from the newest checkpoint in `out`, if there is one.

    Raises:
        RunAborted: more than `run.max_skipped_steps` steps in a row were not finite.
    """
    checkpoints = Checkpoints(out, config)
    saved = checkpoints.to_go_on_from(resume=resume)
    index = find_shards(shards)
    training = set_up(index, config, saved)
    step = checkpoints.resume(training)
    validation = make_validation(index, config)
    is_main = training.accelerator.is_main_process
    with (
        StopSignal(out / STOP_FILE if is_main else None) as stop,
        Board(out, config, step, is_main=is_main) as board,
    ):
        if is_main:
            log.info("%s", header(training, config, step))
        loop = Loop(
            training=training,
            config=config,
            batches=iter(training.loader),
            meter=make_meter(training, config),
            stop=stop,
            skips=SkippedSteps(config.run.max_skipped_steps, is_main=is_main),
        )
        while step < config.run.num_steps and not stop.agreed:
            try:
                take_step(loop, step)
            except RunAborted:
                checkpoints.save(training, step + 1)  # the weights are those before the bad steps
                checkpoints.wait(training)
                raise
            step += 1
            if _is_due(step, config.run.log_every_steps):
                board.reading(loop.meter.read(step, config.optimizer.learning_rate_at(step - 1)))
            if _is_due(step, config.run.save_every_steps):
                checkpoints.save(training, step)
            if _is_due(step, config.validation.every_steps):
                validation.run(training, out, board, step)
        saved = checkpoints.save(training, step)
        checkpoints.wait(training)
    return Trained(step=step, checkpoint=saved, stopped=step < config.run.num_steps)


def set_up(index: ShardIndex, config: TrainConfig, saved: Path | None = None) -> Training:
    """Data, codec, network and optimiser as they are before the first step."""
    accelerator = join_processes(config.run)
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
    check_levels(unet, config.data.latent_hw)
    choose_trained(unet, config.model.trained)
    half = uses_half(config.run, accelerator.device)
    if config.model.frozen_precision == "bf16":
        check_can_halve(config.run, half)
        halve_frozen(unet)
    model = spread(unet, accelerator, config.run)
    return Training(
        accelerator=accelerator,
        model=model,
        unet=unet,
        optimizer=make_optimizer(model.parameters(), config.optimizer),
        average=MovingAverage(model, config.optimizer.ema_decay),
        codec=codec,
        loader=loader,
        half=half,
    )


def take_step(loop: Loop, step: int) -> None:
    """One update of the weights from `run.batch_size` samples; none where it is not finite.

    Raises:
        RunAborted: too many in a row are not finite; the weights are those before them.
    """
    training, config = loop.training, loop.config
    loss, clips = accumulate(loop)
    norm = clip_gradients(training.model.parameters(), config.optimizer.clip_norm)
    # One exchange for all: what the step measured, and whether any process was asked to stop.
    shared = torch.stack([loss, norm, loss.new_tensor(float(loop.stop.heard))])
    reduced: Any = training.accelerator.reduce(shared, "mean")
    mean_loss, mean_norm, stops = reduced.tolist()
    loop.stop.agreed = stops > 0
    is_finite = math.isfinite(mean_loss + mean_norm)
    if is_finite:
        for group in training.optimizer.param_groups:
            group["lr"] = config.optimizer.learning_rate_at(step)
        training.optimizer.step()
        training.average.update(step)
        loop.meter.stepped(mean_loss, mean_norm)
        loop.skips.taken()
    training.optimizer.zero_grad()
    if not is_finite:
        loop.meter.skipped()
        everywhere: list[str] = gather_object(clips)  # all processes are here
        loop.skips.skip(step + 1, mean_loss, mean_norm, sorted(set(everywhere)))


def accumulate(loop: Loop) -> tuple[Tensor, list[str]]:
    """Gradients of this process's share of a step; its mean loss, and its clips."""
    training, run = loop.training, loop.config.run
    num_micro = run.micro_batches(training.accelerator.num_processes)
    loss = torch.zeros((), device=training.accelerator.device)
    clips: set[str] = set()
    for micro in range(num_micro):
        batch = next(loop.batches)
        is_last = micro == num_micro - 1
        with micro_batch(training.model, run, is_last=is_last), enough_memory(run):
            part = batch_loss(training, batch, loop.config) / num_micro
            part.backward()
        loss += part.detach()
        loop.meter.computed(batch.indicator)
        clips |= set(batch.clip_ids)
    return loss, sorted(clips)


def batch_loss(training: Training, batch: Batch, config: TrainConfig) -> Tensor:
    """Mean squared error of v over the batch's target frames."""
    device = training.accelerator.device
    latents = batch.encoded(training.codec, device)
    noise, sigma = draw_noise(
        batch.numbers.tolist(), latents.shape[1:], config.noise, config.run.seed
    )
    conditions = batch.conditions(latents).dropped(batch.is_dropped.to(device))
    with training.autocast():
        return velocity_loss(
            training.model, latents, noise.to(device), sigma.to(device), conditions
        ).mean()


def make_meter(training: Training, config: TrainConfig) -> Meter:
    """Counts what this run's samples cost, where the device's peak is known."""
    known = config.run.peak_tflops or peak_tflops(training.accelerator.device)
    return Meter(
        num_steps=config.run.num_steps,
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
