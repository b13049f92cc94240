"""Checkpoints: written beside, then renamed, so that one is there whole or not at all.

Training waits until all is copied to the host's memory; the copy is written while it goes on.

OUT/checkpoints/step-00001000/
  unet/               what one samples with: the moving average, in diffusers' layout
  codec.safetensors   the codec where it is ours; a VAE stays where it is (train.toml names it)
  train.toml          the whole configuration
  state/              weights, average and optimiser in parts, from which a run goes on: with any
                      number of processes, sharded or not
  progress.json       the step, and where the data are
"""

import json
import shutil
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load as load_parts
from torch.distributed.checkpoint.state_dict_saver import async_save as save_parts

from camvid.config import dump_toml, load_config
from camvid.errors import ConfigError, StoreError
from camvid.genxd.checkpoint import CODEC_FILE, CONFIG_FILE, UNET_FOLDER
from camvid.genxd.codec import LatentCodec, PatchCodec
from camvid.genxd.data.loader import ClipLoader
from camvid.genxd.model import GenXDUNet
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.training.weights import MovingAverage, whole_weights

_PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """All that a step changes, and what is saved with it."""

    accelerator: Accelerator
    model: nn.Module  # as `processes.spread` gives it
    unet: GenXDUNet  # the same, for its configuration and to sample with
    optimizer: torch.optim.Optimizer
    average: MovingAverage
    codec: LatentCodec
    loader: ClipLoader
    half: bool  # computes in bfloat16

    def autocast(self) -> torch.autocast:
        """The precision to call the model in."""
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.half)

    def tensors(self) -> dict[str, Any]:
        """Weights, optimiser and average by name, in the parts that are here."""
        weights, optimizer = get_state_dict(self.model, self.optimizer)
        return {"weights": weights, "optimizer": optimizer, "average": self.average.values}

    def restore(self, tensors: dict[str, Any]) -> None:
        """Puts back what `tensors` gave; the average was read in place."""
        set_state_dict(
            self.model,
            self.optimizer,
            model_state_dict=tensors["weights"],
            optim_state_dict=tensors["optimizer"],
        )


class Checkpoints:
    """Those of one run; all processes call each method together."""

    def __init__(self, out: Path, config: TrainConfig) -> None:
        self.folder = out / "checkpoints"
        self._config = config
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._begun: tuple[Path, Future[Any]] | None = None
        self._group: Any = None
        # What one process saves, or reads, alone: torch warns that it is so.
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")

    def newest(self) -> Path | None:
        """The whole checkpoint with the highest step."""
        found = self._all()
        return found[-1] if found else None

    def to_go_on_from(self, *, resume: bool) -> Path | None:
        """The newest; ConfigError where there is one, but the run should be a new one."""
        path = self.newest()
        if path and not resume:
            raise ConfigError(
                f"{self.folder.parent} already holds a run ({path.name}): --resume, or another"
                " --out"
            )
        return path

    def reached(self) -> tuple[int, Path]:
        """The step of the newest checkpoint, and its folder."""
        path = self.newest()
        if path is None:
            raise StoreError(f"{self.folder} must hold a checkpoint, but has none")
        return int(json.loads((path / _PROGRESS).read_text())["step"]), path

    def save(self, training: Training, step: int) -> Path:
        """Begins a checkpoint of the weights after `step` steps; `wait` sees it finished."""
        self.wait(training)
        path = self.folder / f"step-{step:08d}"
        if path.exists():
            return path  # of the same configuration, step and seed: the same weights
        partial = self.folder / f".{path.name}"
        with _named(path):
            if training.accelerator.is_main_process:
                self._make_empty(partial)
            training.accelerator.wait_for_everyone()
            state = self._copy_and_write(training, partial / "state")
            with training.average.applied():
                weights = dict(_on_main(training))
            if training.accelerator.is_main_process:
                self._write_rest(training, step, partial)
                state = self._thread.submit(self._finish, training, weights, state, path)
        self._begun = (path, state)
        if not self._config.run.async_checkpoints:
            self.wait(training)
        return path

    def wait(self, training: Training) -> None:
        """Until the checkpoint that was begun is there.

        Raises:
            StoreError: it could not be written.
        """
        if self._begun is None:
            return
        path, writing = self._begun
        self._begun = None
        with _named(path):
            writing.result()
        training.accelerator.wait_for_everyone()

    def resume(self, training: Training) -> int:
        """Goes on from the newest checkpoint; returns its step, 0 where there is none."""
        path = self.newest()
        if path is None:
            return 0
        self._check_same(path)
        try:
            progress = json.loads((path / _PROGRESS).read_text())
            tensors = training.tensors()
            alone = training.accelerator.num_processes == 1
            load_parts(tensors, checkpoint_id=path / "state", no_dist=alone)
        except (OSError, ValueError, KeyError, CheckpointException) as error:
            raise StoreError(
                f"{path} must be readable: {_line(error)}; remove it to go on from the one before"
            ) from error
        training.restore(tensors)
        training.loader.load_state_dict(progress["loader"])
        return int(progress["step"])

    def _copy_and_write(self, training: Training, folder: Path) -> Future[Any]:
        """Each process its parts; what is not sharded is the same everywhere, and the first's."""
        sharded = self._config.run.sharding == "fsdp2"
        if training.accelerator.num_processes > 1 and self._group is None:
            # Its own, on CPUs: it must not meet what training exchanges meanwhile.
            self._group = torch.distributed.new_group(backend="gloo")
        if not (sharded or training.accelerator.is_main_process):
            nothing: Future[Any] = Future()
            nothing.set_result(None)
            return nothing
        writing: Any = save_parts(
            training.tensors(),
            checkpoint_id=folder,
            process_group=self._group,
            no_dist=not sharded,
        )
        return writing

    def _finish(
        self, training: Training, weights: dict[str, Tensor], state: Future[Any], path: Path
    ) -> None:
        """In the first process. Its part of the state is written when all parts are."""
        partial = path.with_name(f".{path.name}")
        _write_unet(training.unet.config, weights, partial / UNET_FOLDER)
        state.result()
        partial.rename(path)
        self._remove_oldest()

    def _make_empty(self, partial: Path) -> None:
        for broken in self.folder.glob(".step-*"):
            shutil.rmtree(broken)
        partial.mkdir(parents=True)

    def _write_rest(self, training: Training, step: int, partial: Path) -> None:
        if isinstance(training.codec, PatchCodec):
            training.codec.save(partial / CODEC_FILE)
        (partial / CONFIG_FILE).write_text(dump_toml(self._config), encoding="utf-8")
        progress = {"step": step, "loader": training.loader.state_dict()}
        (partial / _PROGRESS).write_text(json.dumps(progress, indent=2), encoding="utf-8")

    def _check_same(self, path: Path) -> None:
        ours = self._config.identity()
        saved = load_config(TrainConfig, str(path / CONFIG_FILE)).identity()
        if changed := [name for name in ours if ours[name] != saved.get(name)]:
            name = changed[0]
            raise ConfigError(
                f"--resume needs the configuration of the run, but {', '.join(changed)} changed"
                f" ({name} was {saved.get(name)}, is {ours[name]}): keep it, or start another run"
                f" with --init {path}"
            )

    def _remove_oldest(self) -> None:
        for path in self._all()[: -self._config.run.keep_checkpoints]:
            shutil.rmtree(path)

    def _all(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("step-*") if path.is_dir())


@contextmanager
def _named(path: Path) -> Generator[None, None, None]:
    """What cannot be written is a StoreError that names the checkpoint."""
    try:
        yield
    except (OSError, CheckpointException) as error:
        raise StoreError(f"{path} must be writable: {_line(error)}") from error


def _line(error: BaseException) -> str:
    """The last line: a CheckpointException holds the tracebacks of all processes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _write_unet(config: Any, weights: dict[str, Tensor], folder: Path) -> None:
    with torch.device("meta"):
        whole: Any = GenXDUNet.from_config(config)
    whole.load_state_dict(weights, assign=True)
    whole.save_pretrained(folder)


def _on_main(training: Training) -> Iterator[tuple[str, Tensor]]:
    """Copies of the weights in the first process; gathered one by one, so all must ask."""
    for name, value in whole_weights(training.model):
        if training.accelerator.is_main_process:
            yield name, value.to("cpu", torch.float32, copy=True)
