"""The random choices of a training sample: frames, crop, condition views."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F64, U8, Bool
from camvid.errors import ClipError
from camvid.genxd.data.options import DataOptions
from camvid.geometry import Floats, crop_K, rescale_K
from camvid.outcome import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The rectangle of an image that is brought to the sample's size; black where it sticks out.

    Cut first and resized then: fewer pixels to resize, and K follows exactly.
    """

    x_px: int
    y_px: int
    width_px: int
    height_px: int

    def of_K(self, K: Floats, size_hw: tuple[int, int]) -> F64:
        """K [..., 3, 3] of the framed images of size `size_hw`, from that of whole images."""
        cut = crop_K(K, self.x_px, self.y_px)
        return rescale_K(cut, size_hw[1] / self.width_px, size_hw[0] / self.height_px)

    def content(self, image_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the framed image that show the image, not the black around it."""
        rows = _overlap(self.y_px, self.height_px, image_hw[0])[0]
        columns = _overlap(self.x_px, self.width_px, image_hw[1])[0]
        return (
            _inside(rows, size_hw[0] / self.height_px),
            _inside(columns, size_hw[1] / self.width_px),
        )

    def of_image(self, image: U8, size_hw: tuple[int, int]) -> U8:
        """The framed image [H, W, 3], of size `size_hw`."""
        to_y, from_y = _overlap(self.y_px, self.height_px, image.shape[0])
        to_x, from_x = _overlap(self.x_px, self.width_px, image.shape[1])
        cut = image[from_y, from_x]
        if cut.shape[:2] != (self.height_px, self.width_px):
            padded = np.zeros((self.height_px, self.width_px, 3), np.uint8)
            padded[to_y, to_x] = cut
            cut = padded
        # Area averages do not alias where images shrink; Lanczos is as the released code.
        how = cv2.INTER_AREA if size_hw[0] < self.height_px else cv2.INTER_LANCZOS4
        return np.asarray(cv2.resize(cut, size_hw[::-1], interpolation=how), np.uint8)


def choose_framing(
    image_hw: tuple[int, int], options: DataOptions, rng: np.random.Generator
) -> Framing:
    """One framing for all frames of a sample: the largest crop of its shape, or the least frame."""
    size = np.array([options.height_px, options.width_px])
    ratios = np.array(image_hw) / size
    pixels_per_pixel = ratios.max() if options.fit == "pad" else ratios.min()
    height, width = np.maximum(np.rint(size * pixels_per_pixel).astype(int), 1)
    spare = np.array([image_hw[0] - height, image_hw[1] - width])  # below 0 where it is padded
    y, x = spare // 2
    if options.fit == "random_crop":
        y, x = np.floor(rng.random(2) * (spare + 1)).astype(int)
    return Framing(x_px=int(x), y_px=int(y), width_px=int(width), height_px=int(height))


def choose_frames(
    times_s: F64, options: DataOptions, rng: np.random.Generator, kind: Kind = "4d"
) -> list[int]:
    """Indices of `num_frames` of the frames with these rising times, about equally far apart.

    The gap is drawn; clips too short for it give a smaller one, down to neighbouring frames.
    ClipError where there are too few frames at all.
    """
    wanted = options.num_frames
    if len(times_s) < wanted:
        raise ClipError(f"num_frames must be at most the clip's usable frames, {len(times_s)}")
    gap_s = rng.uniform(options.min_gap_s, options.largest_gap_s(kind))
    span_s = min(gap_s * (wanted - 1), times_s[-1] - times_s[0])
    start_s = rng.uniform(times_s[0], times_s[-1] - span_s)
    ideal_s = np.linspace(start_s, start_s + span_s, wanted)
    after = np.searchsorted(times_s, ideal_s).clip(1, len(times_s) - 1)
    nearest = after - (ideal_s - times_s[after - 1] <= times_s[after] - ideal_s)
    steps = np.arange(wanted)  # each frame once: push doubles apart, then back from the end
    apart = np.maximum.accumulate(nearest - steps)
    return (np.minimum(apart, len(times_s) - wanted) + steps).tolist()


def choose_given(options: DataOptions, rng: np.random.Generator) -> Bool:
    """Which frames are condition views, [F]."""
    count = 1
    single = rng.random() < options.single_view_probability
    if not single and options.max_given_views > 1:
        count = int(rng.integers(2, options.max_given_views, endpoint=True))
    is_given = np.zeros(options.num_frames, np.bool_)
    if options.given_rule == "any":
        is_given[rng.choice(options.num_frames, count, replace=False)] = True
        return is_given
    first, last = 0, options.num_frames - 1
    # As the released evaluation orders frames: the first half of the targets, then the middle view.
    middle = (options.num_frames - 3) // 2 + 1 if count == 3 else options.num_frames // 2
    places = {1: [int(rng.choice([first, middle, last]))], 2: [first, last]}
    is_given[places.get(count, [first, middle, last])] = True
    return is_given


def _inside(pixels: slice, scale: float) -> slice:
    """Whole pixels of a resized line that only these of the line went into."""
    return slice(math.ceil(pixels.start * scale), math.floor(pixels.stop * scale))


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """Where `length` pixels from `start` meet a line of `size`: counted in them, and in it."""
    first, end = max(start, 0), min(start + length, size)
    return slice(first - start, end - start), slice(first, end)
