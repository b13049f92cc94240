"""Curves and images of a run: TensorBoard always, Weights & Biases where it is installed."""

import importlib
import importlib.util
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from camvid.genxd.training.meter import Reading
from camvid.plain import to_plain

log = logging.getLogger(__name__)

TENSORBOARD = "tensorboard"


class Board:
    """A context, within which the first process writes; the others write nothing."""

    def __init__(self, out: Path, config: object, step: int, *, is_main: bool) -> None:
        """`step`: where the run goes on; what an aborted run wrote beyond it is hidden."""
        self._out, self._config, self._step, self._is_main = out, config, step, is_main
        self._writer: Any = None
        self._wandb: Any = None

    def __enter__(self) -> "Board":
        if self._is_main:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(self._out / TENSORBOARD), purge_step=self._step + 1)
            self._wandb = self._start_wandb()
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._wandb is not None:
            self._wandb.finish()

    def reading(self, reading: Reading) -> None:
        """A line in the log, and a curve for each of its numbers."""
        if self._is_main:
            log.info("%s", reading)
        values = asdict(reading)
        step = values.pop("step")
        self.numbers(step, {f"train/{name}": value for name, value in values.items()})

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Curves; NaN is left out."""
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        if self._writer is not None:
            for name, value in known.items():
                self._writer.add_scalar(name, value, step)
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
        if importlib.util.find_spec("wandb") is None:
            return None
        wandb: Any = importlib.import_module("wandb")
        offline = "offline" if wandb.api.api_key is None else None  # never ask in mid-job
        return wandb.init(
            project="camvid",
            name=self._out.name,
            dir=str(self._out),
            mode=offline,
            config=to_plain(self._config),
        )
