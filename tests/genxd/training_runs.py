"""A training run that takes a second: a network of two resolutions on three frames of 64 x 64."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from camvid.genxd.data.options import DataOptions
from camvid.genxd.model import GenXDUNet
from camvid.genxd.training.options import (
    CodecOptions,
    ModelOptions,
    OptimizerOptions,
    RunOptions,
    TrainConfig,
    ValidationOptions,
)
from tests.genxd.runs import write_run

SMALL = TrainConfig(
    data=DataOptions(num_frames=3, height_px=64, width_px=64, fit="centre_crop", max_given_views=2),
    codec=CodecOptions(num_fit_samples=4),
    model=ModelOptions(block_out_channels=(32, 32), num_attention_heads=(1, 1), layers_per_block=1),
    optimizer=OptimizerOptions(learning_rate=1e-3, warmup_steps=2, ema_decay=0.9),
    run=RunOptions(
        num_steps=4,
        batch_size=2,
        micro_batch_size=2,
        loader_workers=0,
        log_every_steps=1,
        save_every_steps=100,  # and at the end
        gradient_checkpointing=False,
    ),
    validation=ValidationOptions(every_steps=0, num_samples=1, num_sampler_steps=2),
)


def small(**sections: dict[str, Any]) -> TrainConfig:
    """SMALL with other values: small(run={"num_steps": 2})."""
    changed = {name: replace(getattr(SMALL, name), **values) for name, values in sections.items()}
    return replace(SMALL, **changed)


def write_shards(folder: Path, request: pytest.FixtureRequest) -> str:
    """A run with clips of all kinds; its folder."""
    names = ("masks", "reconstruction", "depth", "tracks", "motion")
    return write_run(folder, "443v", tuple(map(request.getfixturevalue, names))).root


def losses(out: Path) -> dict[int, float]:
    """Step -> loss, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return {event.step: event.value for event in events.Scalars("train/loss")}


def curve(out: Path, name: str) -> dict[int, float]:
    """Step -> number, as metrics.jsonl has them."""
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: line[name] for line in lines if name in line}


def saved_unet(checkpoint: Path) -> dict[str, Tensor]:
    """The weights that one samples with."""
    unet: Any = GenXDUNet.from_pretrained(str(checkpoint / "unet"))
    return unet.state_dict()


def saved_state(checkpoint: Path) -> dict[str, Any]:
    """Weights, optimiser and average, as one process would read them."""
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    with tempfile.NamedTemporaryFile() as whole:
        dcp_to_torch_save(str(checkpoint / "state"), whole.name)
        return _flat(torch.load(whole.name, weights_only=False))


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, part in value.items() for k, v in _flat(part, f"{name}/{key}").items()}
