"""Small patches of an image, found again where they are turned, stretched, brighter or darker.

Inverse compositional Lucas-Kanade (Baker and Matthews, IJCV 2004), many patches at once: how each
parameter changes a patch is worked out when it is cut out; a few small steps then find it in any
image. Positions are in OpenCV's pixels: the centre of the first is at 0.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32

_RADIUS_PX = 7  # a trade-off: larger patches hold two depths, smaller ones too little texture
_NUM_STEPS = 5  # a prediction is about a pixel off; the last step shows whether they were enough
_NUM_PARAMETERS = 8  # six of an affine map, then gain and offset of the grey levels
_WEAK = 1e-3  # keeps flat patches solvable; of any texture it is no part

# Places about a patch's centre.
_STEPS_PX = np.arange(-_RADIUS_PX, _RADIUS_PX + 1, dtype=np.float32)
_OFFSET_PX = np.stack(np.meshgrid(_STEPS_PX, _STEPS_PX)).reshape(2, -1)  # [2, P]
_HOMOGENEOUS_PX = np.concatenate([_OFFSET_PX, np.ones_like(_OFFSET_PX[:1])])  # [3, P]
_AXES = np.eye(2, dtype=np.float32)  # a pixel along x and along y


class Patches(NamedTuple):
    """N square patches of P pixels."""

    gray: F32  # [N, P]
    jacobian: F32  # [N, 8, P] of the grey levels with each parameter
    inverse_hessian: F32  # [N, 8, 8]

    def take(self, index: NDArray[np.intp]) -> "Patches":
        """Some of them, in the order of `index`."""
        return Patches(self.gray[index], self.jacobian[index], self.inverse_hessian[index])

    def followed_by(self, more: "Patches") -> "Patches":
        """These, then the others."""
        return Patches(*(np.concatenate(both) for both in zip(self, more, strict=True)))


class Found(NamedTuple):
    """Where patches were found in an image, and how far to believe it."""

    xy: F32  # [N, 2] of their centres
    warp: F32  # [N, 2, 2] linear part of the affine map from the patch
    ncc: F32  # [N] normalised cross-correlation of the grey levels with the patch
    last_step_px: F32  # [N] small where the search came to rest


def cut_patches(image: F32, xy: F32) -> Patches:
    """Patches of a grey image [H, W] around xy [N, 2]."""
    still = np.broadcast_to(np.eye(2, dtype=np.float32), (len(xy), 2, 2))
    gray = _sample(image, xy, still)
    slopes = [_sample(image, xy + s, still) - _sample(image, xy - s, still) for s in _AXES]
    moved = [slope / 2 * step for slope in slopes for step in _HOMOGENEOUS_PX]
    contrast = gray - gray.mean(axis=1, keepdims=True)
    jacobian = np.stack([*moved, contrast, np.ones_like(gray)], axis=1).astype(np.float32)
    hessian = jacobian @ jacobian.transpose(0, 2, 1)
    hessian += _WEAK * np.eye(_NUM_PARAMETERS, dtype=np.float32)
    inverse = np.linalg.inv(hessian.astype(np.float64)).astype(np.float32)
    return Patches(gray, jacobian, inverse)


def find_patches(image: F32, patches: Patches, xy: F32, warp: F32) -> Found:
    """Looks for patches in a grey image [H, W], beginning at xy [N, 2] and warp [N, 2, 2]."""
    step_px = np.zeros_like(xy)
    for _ in range(_NUM_STEPS):
        difference = _sample(image, xy, warp) - patches.gray
        found = (patches.inverse_hessian @ (patches.jacobian @ difference[:, :, None]))[:, :, 0]
        affine = found[:, :6] / np.clip(1 + found[:, 6:7], 0.5, 2.0)  # at the patch's own contrast
        affine = affine.reshape(-1, 2, 3).astype(np.float32)
        warp = np.asarray(warp @ _inverse_warp(affine[:, :, :2]), np.float32)
        step_px = (warp @ affine[:, :, 2:])[:, :, 0]
        xy = np.asarray(xy - step_px, np.float32)
    ncc = _correlation(_sample(image, xy, warp), patches.gray)
    return Found(xy, warp, ncc, np.linalg.norm(step_px, axis=1))


def _sample(image: F32, xy: F32, warp: F32) -> F32:
    """Grey levels [N, P] of patches at xy [N, 2] under warp [N, 2, 2]."""
    x, y = (np.column_stack([warp[:, k], xy[:, k]]) @ _HOMOGENEOUS_PX for k in (0, 1))
    if not len(x):
        return x
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _inverse_warp(affine: F32) -> F32:
    """[N, 2, 2] that undoes 1 + affine; huge, so found nowhere, where nothing can undo it."""
    (a, b), (c, d) = affine.transpose(1, 2, 0)
    a, d = a + 1, d + 1
    determinant = a * d - b * c
    determinant = np.where(np.abs(determinant) < 1e-3, np.float32(1e-3), determinant)
    return np.asarray((np.array([[d, -b], [-c, a]]) / determinant).transpose(2, 0, 1), np.float32)


def _correlation(first: F32, second: F32) -> F32:
    """[N] of grey levels [N, P], whatever their gain and offset."""
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.asarray((first * second).sum(axis=1) / np.maximum(spread, 1e-6), np.float32)
