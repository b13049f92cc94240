"""Batches of training samples through torch's DataLoader, with a state of one integer."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from camvid.artifacts import F32
from camvid.errors import ConfigError
from camvid.genxd.codec import LatentCodec
from camvid.genxd.conditioning import Conditions
from camvid.genxd.data.dataset import ClipDataset, Skipped
from camvid.genxd.data.order import Pick
from camvid.genxd.data.sample import Sample


class Batch(NamedTuple):
    """B samples of F frames, rgb of H x W and latents of h x w."""

    rgb: Tensor | None  # [B, F, 3, H, W] float32 in [-1, 1]; None where latents are cached
    latents: Tensor | None  # [B, F, C, h, w] float32; None where they are yet to be encoded
    is_given: Tensor  # [B, F] bool
    is_dropped: Tensor  # [B] bool
    rays: Tensor  # [B, F, 6, h, w] float32
    indicator: Tensor  # [B] int64
    motion_ids: Tensor  # [B] float32
    numbers: Tensor  # [B] int64: the samples' numbers, to draw noise from
    clip_ids: tuple[str, ...]
    skipped: tuple[Skipped, ...]  # on the way to these samples

    def encoded(self, codec: LatentCodec, device: torch.device | str = "cpu") -> Tensor:
        """The latents on a device: the cached ones, or the images encoded now."""
        if self.latents is not None:
            return self.latents.to(device)
        assert self.rgb is not None  # one of the two is there
        return codec.encode(self.rgb.to(device)).float()

    def conditions(self, latents: Tensor) -> Conditions:
        """What the model is given, on the device of the latents; nothing is dropped."""
        return Conditions.from_samples(
            latents=latents,
            is_given=self.is_given.to(latents.device),
            rays=self.rays.to(latents.device),
            indicator=self.indicator,
            motion_ids=self.motion_ids.to(latents.device),
        )

    def images(self, codec: LatentCodec) -> Tensor:
        """The images on the CPU, [B, F, 3, H, W]; what the codec keeps of them, of latents."""
        if self.rgb is not None:
            return self.rgb
        assert self.latents is not None  # one of the two is there
        return codec.decode(self.latents.to(codec.device)).float().cpu()


class ClipLoader:
    """Endless batches of one rank, from where the state says.

    The state counts samples that were handed out on all ranks, not those that workers have read
    ahead; it may be taken up with other numbers of ranks, workers and samples a batch. Ranks must
    be at the same step when it is taken.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        pin_memory: bool = False,
        multiprocessing_context: str | None = None,
    ) -> None:
        """The last three are DataLoader's."""
        if not (batch_size >= 1 and 0 <= rank < world_size):
            raise ConfigError(
                "batch_size must be 1 or more and rank below world_size,"
                f" got {batch_size}, {rank} and {world_size}"
            )
        self.dataset, self.batch_size = dataset, batch_size
        self.skipped: dict[str, Skipped] = {}  # by clip id, of this rank
        self.num_samples = 0  # handed out, on all ranks
        self._rank, self._world_size = rank, world_size
        self._order = dataset.order()
        self._options: dict[str, Any] = {
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "multiprocessing_context": multiprocessing_context if num_workers else None,
            "generator": torch.Generator(),  # or DataLoader draws from the global one
        }

    @property
    def epoch(self) -> int:
        """How many times the samples handed out make the number of clips."""
        return self.num_samples // self._order.num_clips

    def __iter__(self) -> Iterator[Batch]:
        batches = self._order.batches(
            self.num_samples, self.batch_size, rank=self._rank, world_size=self._world_size
        )
        source: Any = _Loads(self.dataset)
        # Before workers are forked: in one of those OpenCV would wait for this process's threads,
        # which it has not, for ever.
        cv2.setNumThreads(1)
        for batch in DataLoader(source, batch_sampler=batches, collate_fn=collate, **self._options):
            self.num_samples += self.batch_size * self._world_size
            self.skipped |= {clip.clip_id: clip for clip in batch.skipped}
            yield batch

    def state_dict(self) -> dict[str, int | float | str]:
        """Where the data are, and by what order."""
        return {"num_samples": self.num_samples, **self._identity()}

    def load_state_dict(self, state: dict[str, int | float | str]) -> None:
        """Goes on after the last batch of `state`; ConfigError where the order is another."""
        for name, ours in self._identity().items():
            saved = state.get(name)
            if saved != ours:
                raise ConfigError(
                    f"data `{name}` must be as when the state was saved, {saved}, got {ours}"
                )
        self.num_samples = int(state["num_samples"])

    def _identity(self) -> dict[str, int | float | str]:
        options = self.dataset.options
        return {
            "seed": options.seed,
            "shares": " ".join(f"{k} {share}" for k, share in options.shares().items()),
            "window_row_groups": options.window_row_groups,
            "held_out_fraction": options.held_out_fraction,
            "shards": self.dataset.index.digest(),
        }


class _Loads:
    """The dataset as DataLoader calls it: samples with what was skipped for them."""

    def __init__(self, dataset: ClipDataset) -> None:
        self._dataset = dataset

    def __getitems__(self, picks: Sequence[Pick]) -> list[tuple[Pick, Sample, list[Skipped]]]:
        loaded = self._dataset.load_all(picks)
        return [(pick, *each) for pick, each in zip(picks, loaded, strict=True)]


def collate(loaded: Sequence[tuple[Pick, Sample, list[Skipped]]]) -> Batch:
    """Samples to a batch; runs in the worker, whose tensors travel in shared memory."""
    picks, samples, skipped = zip(*loaded, strict=True)
    return Batch(
        rgb=_stacked([sample.rgb for sample in samples]),
        latents=_stacked([sample.latents for sample in samples]),
        is_given=torch.from_numpy(np.stack([sample.is_given for sample in samples])),
        is_dropped=torch.tensor([sample.is_dropped for sample in samples]),
        rays=torch.from_numpy(np.stack([sample.rays for sample in samples])),
        indicator=torch.tensor([sample.indicator for sample in samples]),
        motion_ids=torch.tensor([sample.motion_id for sample in samples], dtype=torch.float32),
        numbers=torch.tensor([pick.number for pick in picks]),
        clip_ids=tuple(sample.clip_id for sample in samples),
        skipped=tuple(clip for clips in skipped for clip in clips),
    )


def _stacked(arrays: Sequence[F32 | None]) -> Tensor | None:
    present = [array for array in arrays if array is not None]
    return torch.from_numpy(np.stack(present)) if present else None
