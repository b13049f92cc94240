"""The XFeat network (Potje et al., "XFeat: Accelerated Features", CVPR 2024), for inference."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CELL_PX = 8
"""Descriptors come one per cell of so many pixels; keypoints, one per pixel of a cell."""


class XFeatMaps(NamedTuple):
    """What the network says of images [B, 1, H, W]."""

    descriptors: Tensor  # [B, 64, H/8, W/8]
    keypoint: Tensor  # [B, 1, H, W], probability that the pixel is its cell's keypoint
    reliability: Tensor  # [B, 1, H/8, W/8]


class XFeatNetwork(nn.Module):
    """Gray images whose sides are multiples of 32 -> descriptors, keypoints, reliability."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(1)
        self.skip1 = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(_Layer(1, 4), _Layer(4, 8, 2), _Layer(8, 8), _Layer(8, 24, 2))
        self.block2 = nn.Sequential(_Layer(24, 24), _Layer(24, 24))
        self.block3 = nn.Sequential(_Layer(24, 64, 2), _Layer(64, 64), _Layer(64, 64, kernel=1))
        self.block4 = nn.Sequential(_Layer(64, 64, 2), _Layer(64, 64), _Layer(64, 64))
        wide = [_Layer(64, 128, 2), _Layer(128, 128), _Layer(128, 128)]
        self.block5 = nn.Sequential(*wide, _Layer(128, 64, kernel=1))
        self.block_fusion = nn.Sequential(_Layer(64, 64), _Layer(64, 64), nn.Conv2d(64, 64, 1))
        points = [_Layer(64, 64, kernel=1) for _ in range(5)]
        self.heatmap_head = nn.Sequential(*points[:2], nn.Conv2d(64, 1, 1), nn.Sigmoid())
        self.keypoint_head = nn.Sequential(*points[2:], nn.Conv2d(64, CELL_PX**2 + 1, 1))

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "XFeatNetwork":
        """The network with the published weights; those of the dense matcher are left aside.

        Raises:
            RuntimeError: they are of another network.
        """
        network = cls()
        network.load_state_dict(
            {k: v for k, v in weights.items() if not k.startswith("fine_matcher.")}
        )
        return network

    def forward(self, gray: Tensor) -> XFeatMaps:
        gray = self.norm(gray)
        eighth = self.block3(self.block2(self.block1(gray) + self.skip1(gray)))
        sixteenth = self.block4(eighth)
        coarse = [_resized(x, eighth) for x in (sixteenth, self.block5(sixteenth))]
        descriptors = self.block_fusion(eighth + coarse[0] + coarse[1])
        cells = functional.pixel_unshuffle(gray, CELL_PX)
        # The last channel says that the cell has no keypoint.
        share = self.keypoint_head(cells).float().softmax(dim=1)[:, :-1]
        keypoint = functional.pixel_shuffle(share, CELL_PX)
        return XFeatMaps(descriptors, keypoint, self.heatmap_head(descriptors))


class _Layer(nn.Module):
    """Convolution, normalisation without learned scale, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, kernel: int = 3) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=False),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear")


def sample(maps: Tensor, xy: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Values [N, C] of a map [1, C, h, w] at pixels [N, 2] of the image of (width, height).

    The scaling is the one the network was trained with: pixel 0 and the last lie on the rims.
    """
    rim = torch.tensor(size, device=xy.device, dtype=xy.dtype) - 1
    grid = (2 * xy / rim - 1)[None, None]
    return functional.grid_sample(maps.float(), grid, mode=mode, align_corners=False)[0, :, 0].T
