"""Dense optical flow between neighbouring frames of a clip, and what is built from it.

All at the working size. A flow field is [h, w, 2] in pixels of that size: what is at (x, y) in
one frame is at (x, y) + flow in the other. Fields are kept as float16: 240 frames fit in 100 MB.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, I32, U8
from camvid.parallel import map_threads

F16 = NDArray[np.float16]
WORKING_SIDE_PX = 320  # time and memory grow with its square; masks are drawn to finer edges later
_NO_MAP: Any = None  # cv2.remap takes one map of (x, y), which its stubs do not know


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipFlow:
    """Flow of a clip of T frames: `forward[t]` from t to t + 1, `backward[t]` from t to t - 1.

    `forward[T - 1]` and `backward[0]` do not exist: the lists hold None there.
    """

    small: list[U8]  # RGB images [h, w, 3] at the working size
    gray: list[U8]  # the same in grey
    forward: list[F16 | None]
    backward: list[F16 | None]
    width_px: int
    height_px: int


def working_size(width_px: int, height_px: int, side_px: int) -> tuple[int, int]:
    """(width, height) with the long side at most `side_px`; DIS needs at least 16 px a side."""
    scale = min(1.0, side_px / max(width_px, height_px))
    return max(16, round(width_px * scale)), max(16, round(height_px * scale))


def clip_flow(rgb: U8, side_px: int = WORKING_SIDE_PX) -> ClipFlow:
    """Flow both ways between all neighbouring frames of rgb [T, H, W, 3]."""
    num_frames, height_px, width_px = rgb.shape[:3]
    size = working_size(width_px, height_px, side_px)

    def shrink(t: int) -> tuple[U8, U8]:
        small = cv2.resize(rgb[t], size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8), np.asarray(
            cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8
        )

    small, gray = zip(*map_threads(shrink, range(num_frames)), strict=True)

    def both_ways(t: int) -> tuple[F16, F16]:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        here, there = gray[t], gray[t + 1]
        unknown = np.zeros((*here.shape, 2), np.float32)
        forward, backward = dis.calc(here, there, unknown.copy()), dis.calc(there, here, unknown)
        return np.asarray(forward, np.float16), np.asarray(backward, np.float16)

    pairs = _last_clip.fields(gray, lambda: map_threads(both_ways, range(num_frames - 1)))
    return ClipFlow(
        small=list(small),
        gray=list(gray),
        forward=[*(f for f, _ in pairs), None],
        backward=[None, *(b for _, b in pairs)],
        width_px=size[0],
        height_px=size[1],
    )


class _LastClip:
    """The flow of the clip that was asked for last: its next stages ask again (at 320 px, a frame
    takes 0.5 MB, a tenth of what its decoded image does)."""

    def __init__(self) -> None:
        self._kept: tuple[bytes, list[tuple[F16, F16]]] = (b"", [])

    def fields(
        self, gray: Sequence[U8], compute: Callable[[], list[tuple[F16, F16]]]
    ) -> list[tuple[F16, F16]]:
        """Both ways between neighbours of these images; computed unless they were the last."""
        digest = hashlib.blake2b(repr(gray[0].shape).encode())
        for image in gray:
            digest.update(np.ascontiguousarray(image).data)
        key, kept = self._kept
        if key != digest.digest():
            self._kept = (b"", [])  # let go of the old before computing the new
            kept = compute()
            for field in (f for pair in kept for f in pair):
                field.setflags(write=False)
            self._kept = (digest.digest(), kept)
        return kept


_last_clip = _LastClip()


def pixel_grid(width_px: int, height_px: int) -> F32:
    """[h, w, 2] coordinates of pixel centres in OpenCV's convention (top-left is (0, 0))."""
    x, y = np.meshgrid(np.arange(width_px), np.arange(height_px))
    return np.stack([x, y], axis=-1).astype(np.float32)


def warp(image: NDArray[Any], flow: NDArray[np.floating], grid: F32) -> NDArray[Any]:
    """The other frame's `image` [h, w, ...], backward-warped by `flow` [h, w, 2] in px.

    Past the image's border its last value goes on.
    """
    field = np.asarray(grid + flow, np.float32)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(image, field, _NO_MAP, cv2.INTER_LINEAR, borderMode=border))


def warp_labels(labels: I32, flow: NDArray[np.floating], grid: F32) -> I32:
    """The same for labels, which must not be mixed; 0 past the border."""
    field = np.asarray(grid + flow, np.float32)
    exact = labels.astype(np.float32)  # cv2.remap takes no int32
    return np.asarray(cv2.remap(exact, field, _NO_MAP, cv2.INTER_NEAREST), np.int32)


def compose(first: F16, second: F16, grid: F32) -> F16:
    """Flow a -> c from flows a -> b and b -> c."""
    return (first + warp(second.astype(np.float32), first, grid)).astype(np.float16)
