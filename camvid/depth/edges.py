"""Depth edges put where the picture's are.

Flow compares patches, and so a near thing carries its surroundings along: its depth ends some
pixels too late. At steps in depth, each pixel goes to that side of the step which looks like it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, U8, Bool
from camvid.depth.static_scene import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeOptions:
    """What a step is, and who has a say about a pixel near one; pixels of the working size."""

    min_step: float = 1.1  # nearest over farthest inverse depth around a pixel
    min_bend: float = 0.06  # relative: on a slanted plane the two lie about the pixel evenly
    reach_px: int = 6  # from so far away others have a say
    stride_px: int = 3
    colour_sigma: float = 20.0  # difference in CIE Lab at which likeness is down to 0.6
    step_sigma: float = 0.05  # relative error to expect near a step, beside what there was


def snap(layer: Layer, rgb: U8, hidden: Bool, options: EdgeOptions) -> Layer:
    """The layer [h, w] with its steps at the edges of the picture [h, w, 3].

    Every pixel near a step takes the mean of the likelier side, weighted by likeness of colour.
    Where objects hide the layer (`hidden`, [h, w]), the colour is theirs: it is left as it is.
    """
    inv_depth = layer.inv_depth
    y, x, middle = _near_steps(inv_depth, hidden, options)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    colour = cv2.GaussianBlur(lab, (0, 0), 0.7).astype(np.float32)
    weight = np.zeros((2, len(x)), np.float32)  # of the far side and of the near side
    total = np.zeros((2, len(x)), np.float32)
    offsets = range(-options.reach_px, options.reach_px + 1, options.stride_px)
    falloff = np.float32(-0.5 / options.colour_sigma**2)
    for dy in offsets:
        row = np.clip(y + dy, 0, inv_depth.shape[0] - 1)
        for dx in offsets:
            column = np.clip(x + dx, 0, inv_depth.shape[1] - 1)
            value = inv_depth[row, column]
            unlike = ((colour[row, column] - colour[y, x]) ** 2).sum(axis=1)
            likeness = np.exp(falloff * unlike) * ~hidden[row, column]
            for side, belongs in enumerate((value <= middle, value > middle)):
                own = likeness * belongs
                weight[side] += own
                total[side] += own * value
    near = weight[1] > weight[0]
    mean = np.where(near, total[1], total[0]) / np.maximum(weight.max(axis=0), np.float32(1e-20))
    snapped, sigma = inv_depth.copy(), layer.sigma.copy()
    snapped[y, x] = np.where(weight.max(axis=0) > 0, mean, inv_depth[y, x])
    sigma[y, x] += np.float32(options.step_sigma)
    return Layer(snapped, sigma)


def _near_steps(
    inv_depth: F32, hidden: Bool, options: EdgeOptions
) -> tuple[np.ndarray, np.ndarray, F32]:
    """(y [n], x [n], [n] the inverse depth between both sides) of the pixels near steps."""
    window = np.ones((2 * options.reach_px + 1, 2 * options.reach_px + 1), np.uint8)
    near, far = cv2.dilate(inv_depth, window), cv2.erode(inv_depth, window)
    steps = near > far * np.float32(options.min_step)
    steps &= np.abs(near + far - 2 * inv_depth) > np.float32(options.min_bend) * inv_depth
    y, x = np.nonzero(steps & ~hidden)
    middle = (near + far) / np.float32(2)
    return y, x, np.asarray(middle[y, x], np.float32)
