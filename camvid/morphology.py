"""Masks grown, and taken apart into their connected components."""

import cv2
import numpy as np

from camvid.artifacts import I32, U8, Bool


def disc(radius_px: int) -> U8:
    """A disc as OpenCV's morphology takes it."""
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), np.uint8)


def grown(mask: Bool, radius_px: int) -> Bool:
    """The mask [h, w] with all that is so near to it."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc(radius_px)) > 0, np.bool_)


def components(mask: Bool, *, connectivity: int = 8) -> I32:
    """Number [h, w] of the connected component that each pixel of the mask is in; 0 off it."""
    _, found = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    return np.asarray(found, np.int32)
