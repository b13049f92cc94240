"""The line that a run begins with: on what, of what size, from which clips, from where."""

import platform

import numpy as np
import torch

from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.training.checkpoints import Training
from camvid.genxd.training.options import TrainConfig


def header(training: Training, config: TrainConfig, step: int) -> str:
    """Of a run that has taken `step` steps."""
    run, weights = config.run, list(training.model.parameters())
    million = sum(p.numel() for p in weights) / 1e6
    trained = sum(p.numel() for p in weights if p.requires_grad) / 1e6
    count = training.accelerator.num_processes
    spread_by = f", {run.sharding}" if count > 1 else ""
    return (
        f"{count} x {_device_name(training.accelerator.device)}{spread_by},"
        f" {'bf16' if training.half else 'fp32'};"
        f" {million:.1f} M weights, {trained:.1f} M trained;"
        f" clips: {_clips_by_kind(training.loader.dataset)};"
        f" {run.num_steps} steps of {run.batch_size} samples;"
        f" {f'resumed from step {step}' if step else 'a new run'}"
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _clips_by_kind(dataset: ClipDataset) -> str:
    """Of those trained on; the held-out ones are others."""
    groups = dataset.index.row_groups()
    rows = {kind: np.concatenate(of_kind) for kind, of_kind in groups.items()}
    counts = {kind: int(np.isin(of_kind, dataset.rows).sum()) for kind, of_kind in rows.items()}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
