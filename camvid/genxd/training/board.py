"""Curves and images of a run: TensorBoard and metrics.jsonl; Weights & Biases where asked for."""

import importlib
import json
import logging
import math
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from camvid.errors import BackendUnavailable
from camvid.genxd.training.meter import Reading
from camvid.genxd.training.options import TrainConfig
from camvid.plain import to_plain

log = logging.getLogger(__name__)

TENSORBOARD, METRICS_FILE, WANDB_ID_FILE = "tensorboard", "metrics.jsonl", "wandb_id"


class Board:
    """A context, within which the first process writes; the others write nothing."""

    def __init__(self, out: Path, config: TrainConfig, step: int, *, is_main: bool) -> None:
        """`step`: where the run goes on; what an aborted run wrote beyond it is dropped."""
        self._out, self._config, self._step, self._is_main = out, config, step, is_main
        self._writer: Any = None
        self._metrics: Any = None
        self._wandb: Any = None

    def __enter__(self) -> "Board":
        if self._is_main:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(self._out / TENSORBOARD), purge_step=self._step + 1)
            self._metrics = _open_metrics(self._out / METRICS_FILE, self._step)
            self._wandb = self._start_wandb() if self._config.run.wandb else None
        return self

    def __exit__(self, *_: object) -> None:
        for writer in (self._writer, self._metrics):
            if writer is not None:
                writer.close()
        if self._wandb is not None:
            self._wandb.finish()

    def reading(self, reading: Reading) -> None:
        """A line in the log, and a curve for each of its numbers."""
        if self._is_main:
            log.info("%s", reading)
        values = asdict(reading)
        step, _ = values.pop("step"), values.pop("num_steps")
        self.numbers(step, {f"train/{name}": value for name, value in values.items()})

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Curves; NaN is left out."""
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        if self._writer is not None:
            for name, value in known.items():
                self._writer.add_scalar(name, value, step)
        if self._metrics is not None:
            print(json.dumps({"step": step, **known}), file=self._metrics, flush=True)
        if self._wandb is not None:
            self._wandb.log(known, step=step)

    def image(self, step: int, name: str, rgb_3HW: Tensor) -> None:
        """An image in [0, 1]."""
        if self._writer is not None:
            self._writer.add_image(name, rgb_3HW, step)
        if self._wandb is not None:
            wandb: Any = importlib.import_module("wandb")
            self._wandb.log({name: wandb.Image(rgb_3HW)}, step=step)

    def _start_wandb(self) -> Any:
        """The same folder continues the same run. Its login and modes are wandb's own."""
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise BackendUnavailable("run.wandb = true needs wandb: pip install wandb") from error
        kept = self._out / WANDB_ID_FILE
        if not kept.exists():
            kept.write_text(uuid.uuid4().hex[:8])
        offline = "offline" if wandb.api.api_key is None else None  # never ask in mid-job
        return wandb.init(
            project="camvid",
            name=self._out.name,
            id=kept.read_text(),
            resume="allow",
            dir=str(self._out),
            mode=offline,
            config=to_plain(self._config),
        )


def _open_metrics(path: Path, step: int) -> Any:
    """To append to, without what lies beyond the step, nor a line that was cut off."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    path.write_text("".join(line for line in whole if json.loads(line)["step"] <= step))
    return path.open("a")
