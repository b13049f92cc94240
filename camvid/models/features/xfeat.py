"""XFeat: a small, fast network for keypoints, and a small LightGlue to match them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from camvid.artifacts import F32, U8, Bool
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import locate
from camvid.models.features.glue import Glue
from camvid.models.features.options import XFeatOptions
from camvid.models.features.xfeat_network import XFeatMaps, XFeatNetwork, sample
from camvid.models.protocols import ImageFeatures
from camvid.models.torch_runtime import device, in_batches, read_state
from camvid.weights import Weight

_MULTIPLE_PX = 32
_NEIGHBOURHOOD_PX = 5  # one keypoint at most in so wide a square
_DESCRIPTOR_DIM = 64
# Where a pixel's keypoint lies: its centre, and what the network points too far up and left, as
# labels rounded down would teach it. Measured as the shift of matches between an image and
# itself 1.5 and 2 times as large: 0.35 and 0.41 px, standard error 0.04.
_CENTRE = np.float32(0.5 + 0.38)


class XFeat:
    """The FeatureMatcher of the production profile."""

    weights: tuple[Weight, ...]

    def __init__(self, options: XFeatOptions | None = None) -> None:
        self._options = options or XFeatOptions()
        self._where = device(self._options.device)
        located = locate(self._options.checkpoint, licence=self._options.licence)
        try:
            network = XFeatNetwork.from_weights(read_state(located.path))
        except RuntimeError as error:
            raise BackendUnavailable(
                f"{located.path} must hold XFeat's weights: {error}"
            ) from error
        self._network = network.eval().to(self._where)
        self._glue = Glue(self._options.matcher, self._where, _DESCRIPTOR_DIM)
        self.weights = (located.weight, self._glue.weight)

    def detect(self, rgb: U8, allowed: Bool) -> ImageFeatures:
        """The surest keypoints of one image [H, W, 3], none where `allowed` is False."""
        return in_batches(lambda part: [self._detect(*part[0])], [(rgb, allowed)], size=1)[0]

    def match(self, first: ImageFeatures, second: ImageFeatures) -> NDArray[np.intp]:
        """Rows [M, 2] of keypoints that are the same point of the scene."""
        return self._glue.match(first, second)

    @torch.inference_mode()
    def _detect(self, rgb: U8, allowed: Bool) -> ImageFeatures:
        where = self._where
        gray = _gray(torch.tensor(rgb).to(where))  # a copy: rgb may be read-only
        maps = self._network(gray)  # fp32 on a GPU too: equal scores would be several peaks
        size = (gray.shape[3], gray.shape[2])
        xy = _peaks(maps.keypoint[0, 0], self._options.min_keypoint_score)
        to_full = np.array([rgb.shape[1] / size[0], rgb.shape[0] / size[1]], np.float32)
        peak = xy.float() + _between_pixels(maps.keypoint[0, 0], xy)
        xy_px = (peak.cpu().numpy() + _CENTRE) * to_full
        column, row = np.floor(xy_px).astype(int).T
        kept = np.flatnonzero(allowed[row, column])
        xy, xy_px = xy[torch.from_numpy(kept).to(where)], xy_px[kept]
        score, descriptors = _described(maps, xy, size)
        best = np.argsort(-score, kind="stable")[: self._options.max_features]
        return ImageFeatures(
            xy_px=xy_px[best],
            descriptors=descriptors[best],
            score=score[best],
            width_px=rgb.shape[1],
            height_px=rgb.shape[0],
        )


def _gray(rgb: Tensor) -> Tensor:
    """[1, 1, h, w] of [H, W, 3], resampled to sides that the network's strides divide."""
    gray = rgb.permute(2, 0, 1)[None].float().mean(dim=1, keepdim=True) / 255
    size = [max(_MULTIPLE_PX, n // _MULTIPLE_PX * _MULTIPLE_PX) for n in gray.shape[2:]]
    return functional.interpolate(gray, size, mode="bilinear", align_corners=False)


def _peaks(keypoint: Tensor, min_score: float) -> Tensor:
    """Pixels [N, 2] as (x, y) that no neighbour of [H, W] exceeds."""
    around = functional.max_pool2d(
        keypoint[None, None], _NEIGHBOURHOOD_PX, stride=1, padding=_NEIGHBOURHOOD_PX // 2
    )
    return torch.nonzero((keypoint == around[0, 0]) & (keypoint > min_score)).flip(1)


def _between_pixels(keypoint: Tensor, xy: Tensor) -> Tensor:
    """Offset [N, 2] of each peak: the centroid of the 3x3 pixels around it.

    The network was trained on whole pixels; measured on posed images, this takes a quarter of
    the median epipolar error away (0.33 to 0.26 px).
    """
    column, row = xy.T + 1
    padded = functional.pad(keypoint, (1, 1, 1, 1))
    near = range(-1, 2)
    weight = torch.stack([padded[row + dy, column + dx] for dy in near for dx in near])
    step = torch.tensor([(dx, dy) for dy in near for dx in near], device=xy.device)
    return weight.T @ step.to(weight.dtype) / weight.sum(dim=0)[:, None]


def _described(maps: XFeatMaps, xy: Tensor, size: tuple[int, int]) -> tuple[F32, F32]:
    """Scores [N] and unit descriptors [N, 64] at pixels [N, 2]."""
    column, row = xy.T
    place = xy.float()
    reliability = sample(maps.reliability, place, size, "bilinear")[:, 0]
    unit = functional.normalize(maps.descriptors.float(), dim=1)
    descriptors = functional.normalize(sample(unit, place, size, "bicubic"), dim=1)
    score = maps.keypoint[0, 0, row, column] * reliability
    return score.cpu().numpy(), descriptors.cpu().numpy()
