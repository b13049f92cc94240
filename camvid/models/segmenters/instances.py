"""One thing in one frame, as a network saw it."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import Bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """A mask [h, w] in a box of its frame whose top-left pixel is (x_px, y_px), and a word."""

    mask: Bool
    x_px: int
    y_px: int
    label: str
    score: float
    begins: bool = True  # False: may only continue an object that others began

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box in its frame."""
        height, width = self.mask.shape
        return slice(self.y_px, self.y_px + height), slice(self.x_px, self.x_px + width)


def cut_out(mask: Bool, label: str, score: float, *, begins: bool = True) -> Instance | None:
    """The instance of a mask [H, W], of which only the box is kept; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    top, left = int(rows[0]), int(columns[0])
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1].copy()
    return Instance(mask=box, x_px=left, y_px=top, label=label, score=score, begins=begins)


def shrunk(instance: Instance, size_px: tuple[int, int], small_px: tuple[int, int]) -> Bool:
    """[h, w] the mask's values at the pixel centres of its image, made smaller.

    Both sizes are (width, height): of the image, and of the small one.
    """
    x = ((np.arange(small_px[0]) + 0.5) * size_px[0] / small_px[0]).astype(int) - instance.x_px
    y = ((np.arange(small_px[1]) + 0.5) * size_px[1] / small_px[1]).astype(int) - instance.y_px
    rows = np.flatnonzero((y >= 0) & (y < instance.mask.shape[0]))
    columns = np.flatnonzero((x >= 0) & (x < instance.mask.shape[1]))
    small = np.zeros(small_px[::-1], np.bool_)
    small[np.ix_(rows, columns)] = instance.mask[np.ix_(y[rows], x[columns])]
    return small
