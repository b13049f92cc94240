"""ALIKED keypoints and descriptors, matched by LightGlue."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from camvid.artifacts import U8, Bool
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import locate
from camvid.models.features.aliked_network import DESCRIPTOR_DIM, AlikedNetwork
from camvid.models.features.glue import Glue
from camvid.models.features.options import AlikedLightGlueOptions
from camvid.models.protocols import ImageFeatures
from camvid.models.torch_runtime import device, in_batches, read_state
from camvid.weights import Weight

_RADIUS_PX = 2  # one keypoint at most within so far, and none so near to the image's rim
_SHARPNESS = 10.0  # of the soft peak between pixels, as trained


class AlikedLightGlue:
    """A FeatureMatcher: surer than XFeat, and several times slower."""

    weights: tuple[Weight, ...]

    def __init__(self, options: AlikedLightGlueOptions | None = None) -> None:
        self._options = options or AlikedLightGlueOptions()
        self._where = device(self._options.device)
        located = locate(self._options.checkpoint, licence=self._options.licence)
        try:
            network = AlikedNetwork.from_weights(read_state(located.path))
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            raise BackendUnavailable(
                f"{located.path} must hold ALIKED's n16 weights: {why}"
            ) from error
        self._network = network.eval().to(self._where)
        self._glue = Glue(self._options.matcher, self._where, DESCRIPTOR_DIM)
        self.weights = (located.weight, self._glue.weight)

    def detect(self, rgb: U8, allowed: Bool) -> ImageFeatures:
        """The surest keypoints of one image [H, W, 3], none where `allowed` is False."""
        return in_batches(lambda part: [self._detect(*part[0])], [(rgb, allowed)], size=1)[0]

    def match(self, first: ImageFeatures, second: ImageFeatures) -> NDArray[np.intp]:
        """Rows [M, 2] of keypoints that are the same point of the scene."""
        return self._glue.match(first, second)

    @torch.inference_mode()
    def _detect(self, rgb: U8, allowed: Bool) -> ImageFeatures:
        where, options = self._where, self._options
        image = torch.tensor(rgb).to(where).permute(2, 0, 1)[None] / 255  # a copy: read-only
        free = torch.tensor(allowed).to(where)
        features, scores = self._network(image)  # fp32: equal scores would be several peaks
        peak = _peaks(scores[0, 0]) * free
        row, column = torch.nonzero(peak > options.min_keypoint_score).T
        best = peak[row, column].argsort(descending=True, stable=True)[: options.max_features]
        xy = _between_pixels(scores[0, 0], row[best], column[best])
        descriptors = self._network.describe(features, xy)
        xy_px = xy.cpu().numpy() + np.float32(0.5)
        kept = allowed[tuple(np.floor(xy_px).astype(int).T[::-1])]
        return ImageFeatures(
            xy_px=xy_px[kept],
            descriptors=descriptors.cpu().numpy()[kept],
            score=peak[row[best], column[best]].cpu().numpy()[kept],
            width_px=rgb.shape[1],
            height_px=rgb.shape[0],
        )


def _peaks(scores: Tensor) -> Tensor:
    """Scores [H, W] where they are the highest around, else 0."""
    highest = scores == _highest(scores)
    for _ in range(2):  # what a peak suppressed may let a lower one stand
        hidden = _highest(highest.to(scores.dtype)) > 0
        left = torch.where(hidden, 0, scores)
        highest = highest | ((left == _highest(left)) & ~hidden)
    inner = torch.zeros_like(highest)
    inner[_RADIUS_PX:-_RADIUS_PX, _RADIUS_PX:-_RADIUS_PX] = True
    return torch.where(highest & inner, scores, 0)


def _highest(scores: Tensor) -> Tensor:
    """The highest value around each of [H, W]."""
    size = 2 * _RADIUS_PX + 1
    return functional.max_pool2d(scores[None, None], size, stride=1, padding=_RADIUS_PX)[0, 0]


def _between_pixels(scores: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Places [N, 2] of peaks of [H, W]: the softmax-weighted mean of the pixels around."""
    near = range(-_RADIUS_PX, _RADIUS_PX + 1)
    around = torch.stack([scores[row + dy, column + dx] for dy in near for dx in near], dim=1)
    weight = ((around - around.max(dim=1, keepdim=True).values) * _SHARPNESS).exp()
    step = [(float(dx), float(dy)) for dy in near for dx in near]
    offset = weight @ torch.tensor(step, device=scores.device) / weight.sum(dim=1, keepdim=True)
    return torch.stack([column, row], dim=1) + offset
