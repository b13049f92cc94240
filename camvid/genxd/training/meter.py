"""The numbers of the log line: loss, speed, memory, and how much of the device is used."""

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from torch import Tensor

from camvid.memory import peak_gpu_bytes, peak_rss_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Means since the last reading."""

    step: int
    num_steps: int  # of the whole run
    loss: float  # NaN where all steps were skipped, as is the gradient's norm
    gradient_norm: float
    skipped_steps: int  # not finite; not in the means
    learning_rate: float
    images_per_s: float  # frames of all processes
    eta_s: float  # to the run's end at this speed
    memory_gb: float  # the most so far: of the GPU, else of the process
    mfu: float  # share of the device's peak; NaN where that is not known

    def __str__(self) -> str:
        line = (
            f"step {self.step} of {self.num_steps}, ETA {timedelta(seconds=round(self.eta_s))}:"
            f" loss {self.loss:.4f}, gradient {self.gradient_norm:.3f},"
            f" rate {self.learning_rate:.2e}, {self.images_per_s:.1f} images/s,"
            f" {self.memory_gb:.2f} GB"
        )
        return line if math.isnan(self.mfu) else f"{line}, MFU {100 * self.mfu:.1f} %"


class FlopsOf(Protocol):
    """Of one sample forward and backward, by whether all samples of its batch are 3D."""

    def __call__(self, *, all_3d: bool) -> int: ...


class Meter:
    """Adds up steps until they are read."""

    def __init__(
        self,
        *,
        num_steps: int,
        num_images: int,
        peak_flops: float,
        flops_of: FlopsOf,
    ) -> None:
        """Per step and device.

        Args:
            num_steps: of the whole run.
            num_images: of a step, on all devices.
            peak_flops: of one device in a second; NaN if unknown.
            flops_of: asked once for each kind of batch, and only where the peak is known.
        """
        self._num_steps, self._num_images = num_steps, num_images
        self._peak_flops, self._flops_of = peak_flops, flops_of
        self._known_flops: dict[bool, int] = {}
        self._start()

    def computed(self, indicator_B: Tensor) -> None:
        """Counts a micro-batch of this process, given the kinds of its samples."""
        if math.isnan(self._peak_flops):
            return
        all_3d = not bool(indicator_B.any())  # then the temporal branch is left out
        if all_3d not in self._known_flops:
            self._known_flops[all_3d] = self._flops_of(all_3d=all_3d)
        self._flops += len(indicator_B) * self._known_flops[all_3d]

    def stepped(self, loss: float, gradient_norm: float) -> None:
        """Counts a step."""
        self._losses.append(loss)
        self._norms.append(gradient_norm)

    def skipped(self) -> None:
        """Counts a step that changed nothing."""
        self._skipped += 1

    def read(self, step: int, learning_rate: float) -> Reading:
        """The means since the last time."""
        seconds = time.perf_counter() - self._started_s
        count = len(self._losses) + self._skipped
        reading = Reading(
            step=step,
            num_steps=self._num_steps,
            loss=_mean(self._losses),
            gradient_norm=_mean(self._norms),
            skipped_steps=self._skipped,
            learning_rate=learning_rate,
            images_per_s=self._num_images * count / seconds,
            eta_s=(self._num_steps - step) * seconds / count,
            memory_gb=(peak_gpu_bytes() or peak_rss_bytes()) / 1e9,
            mfu=self._flops / seconds / self._peak_flops,
        )
        self._start()
        return reading

    def _start(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._skipped = 0
        self._flops = 0
        self._started_s = time.perf_counter()


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
