"""The guided filter: smooth, but for the edges of another image."""

import cv2
import numpy as np

from camvid.artifacts import F32


def guided_filter(guide: F32, image: F32, *, radius_px: int, softness: float) -> F32:
    """`image` [h, w] smoothed but for the edges of `guide` [h, w] (He, Sun, Tang 2010).

    `softness` is the variance of the guide that counts as an edge.
    """
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    mean_g, mean_p = cv2.blur(guide, size), cv2.blur(image, size)
    variance = cv2.blur(guide * guide, size) - mean_g * mean_g
    covariance = cv2.blur(guide * image, size) - mean_g * mean_p
    slope = covariance / (variance + softness)
    offset = mean_p - slope * mean_g
    return np.asarray(cv2.blur(slope, size) * guide + cv2.blur(offset, size), np.float32)
