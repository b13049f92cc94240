"""Frames of clips to latents, images decoded in threads while others are encoded."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
import torch

from camvid.artifacts import F32
from camvid.errors import ClipError
from camvid.genxd.codec import LatentCodec
from camvid.genxd.data.choices import choose_framing
from camvid.genxd.data.dataset import DAMAGE
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.sample import read_images
from camvid.parallel import num_threads
from camvid.shards.columns import FRAMES, LATENTS

FRAMES_AT_ONCE = 16  # decoded and encoded together; bounds the memory


class ClipFrames(NamedTuple):
    """The images of a clip as they are stored."""

    clip_id: str
    jpegs: Sequence[Any]  # Arrow's scalars
    image_hw: tuple[int, int]


class FrameEncoder:
    """Clips to latents: little-endian bfloat16 of each frame, None for a bad one."""

    def __init__(self, options: DataOptions, codec: LatentCodec) -> None:
        self._options, self._codec = options, codec
        self._pool = ThreadPoolExecutor(num_threads())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def encode(self, clips: Sequence[ClipFrames]) -> list[list[bytes | None]]:
        """The latents of each clip's frames."""
        latents: list[list[bytes | None]] = [[] for _ in clips]
        for number, images in self._decoded(_parts(clips)):
            latents[number] += self._of_images(images)
        return latents

    def _decoded(self, parts: Iterable["_Part"]) -> Iterator[tuple[int, list[F32 | None]]]:
        """The images of each part, while those of the next are decoded."""
        ahead: deque[tuple[int, list[Future[F32 | None]]]] = deque()
        for part in parts:
            asked = [self._pool.submit(self._read, jpeg, part.image_hw) for jpeg in part.jpegs]
            ahead.append((part.clip, asked))
            if len(ahead) > 1:
                yield _results(*ahead.popleft())
        while ahead:
            yield _results(*ahead.popleft())

    def _of_images(self, images: Sequence[F32 | None]) -> list[bytes | None]:
        good = [image for image in images if image is not None]
        encoded: Iterator[bytes] = iter(())
        if good:
            rgb_BFCHW = torch.from_numpy(np.stack(good))[None].to(self._codec.device)
            halves = self._codec.encode(rgb_BFCHW)[0].to(torch.bfloat16).view(torch.int16)
            encoded = (frame.astype("<i2").tobytes() for frame in halves.cpu().numpy())
        return [None if image is None else next(encoded) for image in images]

    def _read(self, jpeg: Any, image_hw: tuple[int, int]) -> F32 | None:
        """An image [3, H, W] framed as in training, which draws nothing where crops are fixed."""
        try:
            framing = choose_framing(image_hw, self._options, np.random.default_rng(0))
            return read_images([jpeg], image_hw, framing, self._options)[0]
        except DAMAGE:
            return None


def encoded_row(row: dict[str, Any], options: DataOptions, codec: LatentCodec) -> dict[str, Any]:
    """A shard's row with `latents` in place of its `frames`, which are Arrow's scalars."""
    image_hw = (row["height_px"], row["width_px"])
    with FrameEncoder(options, codec) as encoder:
        (latents,) = encoder.encode([ClipFrames(row["clip_id"], row[FRAMES], image_hw)])
    if None in latents:
        raise ClipError(f"frame {latents.index(None)} must be an image that can be decoded")
    return {name: value for name, value in row.items() if name != FRAMES} | {LATENTS: latents}


class _Part(NamedTuple):
    clip: int
    jpegs: Sequence[Any]
    image_hw: tuple[int, int]


def _parts(clips: Sequence[ClipFrames]) -> Iterator[_Part]:
    for number, clip in enumerate(clips):
        for start in range(0, len(clip.jpegs), FRAMES_AT_ONCE):
            yield _Part(number, clip.jpegs[start : start + FRAMES_AT_ONCE], clip.image_hw)


def _results(clip: int, asked: Iterable[Future[F32 | None]]) -> tuple[int, list[F32 | None]]:
    return clip, [future.result() for future in asked]
