"""SIFT features, matched by mutual nearest neighbours: the embedded FeatureMatcher."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import U8, Bool
from camvid.models.features.options import SiftMatcherOptions
from camvid.models.protocols import ImageFeatures
from camvid.weights import Weight


class Sift:
    """A feature matcher without weights."""

    weights: tuple[Weight, ...] = ()

    def __init__(self, options: SiftMatcherOptions | None = None) -> None:
        self._options = options or SiftMatcherOptions()

    def detect(self, rgb: U8, allowed: Bool) -> ImageFeatures:
        """The strongest keypoints of one image [H, W, 3], none where `allowed` is False."""
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        # Without precise upscaling OpenCV puts every keypoint a quarter of a pixel too far down
        # and to the right.
        sift = cv2.SIFT.create(self._options.max_features, enable_precise_upscale=True)
        found: Any = sift.detectAndCompute(gray, allowed.astype(np.uint8))
        keypoints, descriptors = found  # (no keypoints, None) where there is nothing
        xy_px = np.array([k.pt for k in keypoints], np.float32).reshape(-1, 2) + np.float32(0.5)
        column, row = np.floor(xy_px).astype(int).T
        kept = allowed[row, column]  # OpenCV rounds its own way
        described = np.zeros((0, 128), np.float32) if descriptors is None else descriptors
        return ImageFeatures(
            xy_px=xy_px[kept],
            descriptors=np.asarray(described, np.float32)[kept],
            score=np.array([k.response for k in keypoints], np.float32)[kept],
            width_px=rgb.shape[1],
            height_px=rgb.shape[0],
        )

    def match(self, first: ImageFeatures, second: ImageFeatures) -> NDArray[np.intp]:
        """Rows [M, 2] of keypoints that are each other's best match, and clearly so."""
        if min(len(first.xy_px), len(second.xy_px)) < 2:
            return np.zeros((0, 2), np.intp)
        # SIFT descriptors are whole numbers, so these sums are exact however they are ordered.
        squared = [np.square(f.descriptors).sum(axis=1) for f in (first, second)]
        distance = squared[0][:, None] + squared[1] - 2 * first.descriptors @ second.descriptors.T
        best, best_back = distance.argmin(axis=1), distance.argmin(axis=0)
        two = np.partition(distance, 1, axis=1)[:, :2]
        distinct = two[:, 0] < self._options.max_match_ratio**2 * two[:, 1]
        rows = np.flatnonzero(distinct & (best_back[best] == np.arange(len(best))))
        return np.stack([rows, best[rows]], axis=1)
