"""Movers cut out of real footage by tight masks, as images with opacity.

Read from folders `davis_*/frames/*.jpg` beside `davis_*/masks/*.png` (DAVIS-2016, 480p, 24 fps).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter1d

from camvid.artifacts import F32, F64, U8, Bool

FPS = 24.0
View = Literal["side", "end"]  # walking across the image (to the right), or along the gaze
_EDGE_PX = 1.0  # Gaussian that softens an outline
_SHRINK_PX = 1  # the outermost pixels of a mask hold the old background
_BORDER_PX = 4  # transparent, so that resampling finds an edge
_PLACE_FRAMES, _SIZE_FRAMES = 3.0, 6.0  # Gaussians over time: a gait stays, a camera shake goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A sequence, the frames in which its mover is whole and seen from one side, and its height."""

    sequence: str
    first: int
    last: int  # counted
    height_m: float
    aspect: float  # width over height, roughly
    view: View

    @property
    def num_frames(self) -> int:
        return self.last - self.first + 1


# Chosen by eye: no frame in which the mover leaves the image or is cut by what stands before it.
ACTORS = (
    Actor(sequence="camel", first=0, last=28, height_m=2.1, aspect=1.3, view="side"),
    Actor(sequence="camel", first=64, last=89, height_m=2.1, aspect=0.6, view="end"),
    Actor(sequence="car_roundabout", first=0, last=40, height_m=1.5, aspect=2.6, view="side"),
    Actor(sequence="car_roundabout", first=62, last=74, height_m=1.5, aspect=2.0, view="end"),
    Actor(sequence="dance_twirl", first=0, last=34, height_m=1.75, aspect=0.55, view="end"),
    Actor(sequence="dog", first=0, last=8, height_m=0.7, aspect=1.2, view="side"),
    Actor(sequence="dog", first=12, last=21, height_m=0.8, aspect=0.5, view="end"),
    Actor(sequence="goat", first=0, last=14, height_m=0.9, aspect=0.7, view="side"),
    Actor(sequence="parkour", first=48, last=66, height_m=1.6, aspect=0.75, view="end"),
    Actor(sequence="blackswan", first=0, last=49, height_m=0.9, aspect=1.2, view="side"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cutout:
    """A mover's images over time, colours multiplied by opacity, all of one size.

    `foot_px` is where it stands (x, y from the image's corner), `m_per_px` its size in metres:
    one value each for all frames, the images are brought to it.
    """

    name: str
    rgba: F32  # [T, h, w, 4], 0 to 255 and 0 to 1, premultiplied
    foot_px: tuple[float, float]
    m_per_px: float

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height in metres of what is opaque in any frame."""
        return tuple(np.ptp(np.nonzero(self.opaque.any(axis=0))[k]) * self.m_per_px for k in (1, 0))

    @property
    def opaque(self) -> Bool:
        """[T, h, w]."""
        return self.rgba[..., 3] > 0.5


def frames_shown(actor: Actor, num_frames: int, fps: float, *, start: int, frozen: bool) -> U8:
    """Indices [T] into an actor's frames at a world's frame rate: to and fro; frozen shows one."""
    if frozen:
        return np.full(num_frames, actor.first + start % actor.num_frames)
    turn = max(1, 2 * (actor.num_frames - 1))
    step = (start + np.round(np.arange(num_frames) * FPS / fps).astype(int)) % turn
    return actor.first + np.where(step < actor.num_frames, step, turn - step)


def read_cutout(
    folder: Path, actor: Actor, shown: Sequence[int] | np.ndarray, height_m: float, *, mirror: bool
) -> Cutout:
    """The actor as `height_m` tall, in the frames `shown`; `folder` holds its sequence."""
    masks = [
        largest(_read(folder / "masks", "png", i, cv2.IMREAD_GRAYSCALE) > 0)
        for i in range(actor.first, actor.last + 1)
    ]
    feet, zoom, height_px = _stand(masks)
    wanted = {int(i): int(i) - actor.first for i in np.unique(shown)}
    drawn: dict[int, tuple[F32, F64, float]] = {}
    for i, k in wanted.items():
        window, corner = _window(masks[k])
        image = _read(folder / "frames", "jpg", i, cv2.IMREAD_COLOR)
        drawn[i] = soften(image[window], masks[k][window]), feet[k] - corner, float(zoom[k])
    size, foot = _canvas(list(drawn.values()))
    placed = {i: _place(*each, size, foot) for i, each in drawn.items()}
    rgba = np.stack([placed[int(i)] for i in shown])
    foot_px = (size[0] - foot[0], foot[1]) if mirror else foot
    return Cutout(
        name=actor.sequence,
        rgba=np.ascontiguousarray(rgba[:, :, ::-1]) if mirror else rgba,
        foot_px=foot_px,
        m_per_px=height_m / height_px,
    )


def _read(folder: Path, suffix: str, index: int, how: int) -> np.ndarray:
    path = folder / f"{index:05d}.{suffix}"
    image = cv2.imread(str(path), how)
    if image is None:
        raise FileNotFoundError(f"{path}: no readable image")
    return image[..., ::-1] if image.ndim == 3 else image


def _window(mask: Bool) -> tuple[tuple[slice, slice], F64]:
    """What of an image holds the mover and a border, and its first corner (x, y)."""
    rows, columns = np.nonzero(mask)
    top, left = max(0, rows.min() - _BORDER_PX), max(0, columns.min() - _BORDER_PX)
    window = slice(top, rows.max() + 1 + _BORDER_PX), slice(left, columns.max() + 1 + _BORDER_PX)
    return window, np.array([left, top], np.float64)


def largest(mask: Bool) -> Bool:
    """The mask without its small pieces."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 3:
        return mask
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def soften(rgb: U8, mask: Bool) -> F32:
    """Premultiplied [h, w, 4]: a soft edge, and inner colours under it, not the old background."""
    reach = np.ones((2 * _SHRINK_PX + 1,) * 2, np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), reach) > 0
    safe = cv2.erode(inner.astype(np.uint8), reach) > 0
    near = distance_transform_edt(~safe, return_distances=False, return_indices=True)
    filled = rgb[tuple(near)].astype(np.float32)
    alpha = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), _EDGE_PX)
    return np.dstack([filled * alpha[..., None], alpha])


def _stand(masks: Sequence[Bool]) -> tuple[F64, F64, float]:
    """Where it stands in every frame [N, 2], what brings it to one size [N], and that height."""
    places = [np.nonzero(mask) for mask in masks]
    foot_x = gaussian_filter1d([columns.mean() for _, columns in places], _PLACE_FRAMES)
    foot_y = gaussian_filter1d([rows.max() + 1.0 for rows, _ in places], _PLACE_FRAMES)
    size = gaussian_filter1d([float(np.sqrt(len(rows))) for rows, _ in places], _SIZE_FRAMES)
    zoom = np.median(size) / size
    heights = [np.ptp(rows) + 1.0 for rows, _ in places]
    return np.stack([foot_x, foot_y], axis=1), zoom, float(np.median(heights * zoom))


def _canvas(
    drawn: Sequence[tuple[F32, F64, float]],
) -> tuple[tuple[int, int], tuple[float, float]]:
    """A size (w, h) that holds every image once it is brought to one foot, and that foot."""
    low, high = [], []
    for rgba, foot, zoom in drawn:
        rows, columns = np.nonzero(rgba[..., 3] > 0)
        low.append(zoom * ((columns.min(), rows.min()) - foot))
        high.append(zoom * ((columns.max() + 1, rows.max() + 1) - foot))
    first = np.floor(np.min(low, axis=0)) - _BORDER_PX
    width, height = (np.ceil(np.max(high, axis=0)) + _BORDER_PX - first).astype(int)
    return (int(width), int(height)), (float(-first[0]), float(-first[1]))


def _place(
    rgba: F32, foot: F64, zoom: float, size: tuple[int, int], target: tuple[float, float]
) -> F32:
    # corner coordinates x -> zoom (x - foot) + target; OpenCV counts from pixel centres
    shift = np.array(target) - zoom * foot + 0.5 * (zoom - 1)
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    return cv2.warpAffine(rgba, matrix, size, flags=cv2.INTER_LINEAR)
