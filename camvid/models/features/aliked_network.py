"""The ALIKED network (Zhao et al., "ALIKED: A Lighter Keypoint and Descriptor Extraction Network",
IEEE TIM 2023), for inference. Deformable convolution is written with torch's own sampling, so that
torchvision is not needed.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

DESCRIPTOR_DIM = 128
_WIDTHS = (16, 32, 64, 128)  # of the four levels of the published "n16"
_NUM_SAMPLES = 16  # places that a descriptor is gathered from
_MULTIPLE_PX = 32
_PATCH = [(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


class AlikedNetwork(nn.Module):
    """Images -> dense features and scores; features at keypoints -> descriptors."""

    def __init__(self) -> None:
        super().__init__()
        level = DESCRIPTOR_DIM // 4
        self.block1 = _ConvBlock(3, _WIDTHS[0])
        self.block2 = _ResidualBlock(_WIDTHS[0], _WIDTHS[1])
        self.block3 = _ResidualBlock(_WIDTHS[1], _WIDTHS[2], deformable=True)
        self.block4 = _ResidualBlock(_WIDTHS[2], _WIDTHS[3], deformable=True)
        self.conv1 = nn.Conv2d(_WIDTHS[0], level, 1, bias=False)
        self.conv2 = nn.Conv2d(_WIDTHS[1], level, 1, bias=False)
        self.conv3 = nn.Conv2d(_WIDTHS[2], level, 1, bias=False)
        self.conv4 = nn.Conv2d(_WIDTHS[3], level, 1, bias=False)
        self.score_head = nn.Sequential(
            nn.Conv2d(DESCRIPTOR_DIM, 8, 1, bias=False),
            nn.SELU(),
            nn.Conv2d(8, 4, 3, padding=1, bias=False),
            nn.SELU(),
            nn.Conv2d(4, 4, 3, padding=1, bias=False),
            nn.SELU(),
            nn.Conv2d(4, 1, 3, padding=1, bias=False),
        )
        self.desc_head = _DescriptorHead()

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "AlikedNetwork":
        """The network with the published weights of aliked-n16 or aliked-n16rot.

        Raises:
            RuntimeError: they are of another network.
        """
        network = cls()
        network.load_state_dict(weights)
        return network

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """(unit features [1, 128, H, W], scores [1, 1, H, W]) of rgb [1, 3, H, W] in 0 to 1."""
        height, width = rgb.shape[2:]
        down, right = -height % _MULTIPLE_PX, -width % _MULTIPLE_PX
        top, left = down // 2, right // 2
        padded = functional.pad(rgb, (left, right - left, top, down - top), mode="replicate")
        first = self.block1(padded)
        second = self.block2(functional.avg_pool2d(first, 2))
        third = self.block3(functional.avg_pool2d(second, 4))
        fourth = self.block4(functional.avg_pool2d(third, 4))
        levels = [self.conv1(first), self.conv2(second), self.conv3(third), self.conv4(fourth)]
        joined = torch.cat([_enlarged(functional.selu(x), first) for x in levels], dim=1)
        inner = (..., slice(top, top + height), slice(left, left + width))
        scores = self.score_head(joined).float().sigmoid()
        return functional.normalize(joined.float(), dim=1)[inner], scores[inner]

    def describe(self, features: Tensor, xy: Tensor) -> Tensor:
        """Unit descriptors [N, 128] at places [N, 2], the first pixel's centre at 0."""
        if len(xy) == 0:  # convolutions refuse to
            return torch.zeros((0, DESCRIPTOR_DIM), device=xy.device)
        return self.desc_head(features, xy)


class _ConvBlock(nn.Module):
    """Two convolutions, each normalised."""

    def __init__(self, inputs: int, outputs: int, *, deformable: bool = False) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, deformable)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _convolution(outputs, outputs, deformable)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.selu(self._before_gate(x))

    def _before_gate(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(functional.selu(self.bn1(self.conv1(x)))))


class _ResidualBlock(_ConvBlock):
    """The same, added to what came in."""

    def __init__(self, inputs: int, outputs: int, *, deformable: bool = False) -> None:
        super().__init__(inputs, outputs, deformable=deformable)
        self.downsample = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.selu(self._before_gate(x) + self.downsample(x))


class _DeformableConv(nn.Module):
    """A 3x3 convolution whose nine taps are moved by what the image says."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.offset_conv = nn.Conv2d(inputs, 2 * len(_PATCH), 3, padding=1)
        self.regular_conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        reach = max(height, width) / 4
        offset = self.offset_conv(x).float().clamp(-reach, reach)[0].unflatten(0, (-1, 2))
        row = torch.arange(height, device=x.device)[:, None]
        column = torch.arange(width, device=x.device)
        taps: list[Tensor] = []
        for (dx, dy), (down, right) in zip(_PATCH, offset, strict=True):
            place = torch.stack([column + dx + right, row + dy + down], dim=-1)
            taps.append(_sample(x, place))
        weight = self.regular_conv.weight.flatten(2)
        return torch.einsum("kchw,ock->ohw", torch.stack(taps).to(weight.dtype), weight)[None]


class _DescriptorHead(nn.Module):
    """Gathers each descriptor from places around its keypoint that the features choose."""

    def __init__(self) -> None:
        super().__init__()
        dim, num = DESCRIPTOR_DIM, _NUM_SAMPLES
        self.offset_conv = nn.Sequential(
            nn.Conv2d(dim, 2 * num, 3), nn.SELU(), nn.Conv2d(2 * num, 2 * num, 1)
        )
        self.sf_conv = nn.Conv2d(dim, dim, 1, bias=False)
        self.agg_weights = nn.Parameter(torch.zeros(num, dim, dim))

    def forward(self, features: Tensor, xy: Tensor) -> Tensor:
        height, width = features.shape[2:]
        reach = max(height, width) / 4
        column, row = xy.long().T
        around = functional.pad(features[0], (1, 1, 1, 1))
        patch = torch.stack([around[:, row + 1 + dy, column + 1 + dx] for dx, dy in _PATCH])
        patches = patch.permute(2, 1, 0).unflatten(2, (3, 3))
        offset = self.offset_conv(patches).float().clamp(-reach, reach)[:, :, 0, 0]
        places = xy[:, None] + offset.unflatten(1, (2, -1)).transpose(1, 2)
        gathered = _sample(features, places)[None]  # [1, D, N, samples]
        chosen = functional.selu(self.sf_conv(gathered))[0]
        descriptors = torch.einsum("dnp,pde->ne", chosen, self.agg_weights.to(chosen.dtype))
        return functional.normalize(descriptors.float(), dim=1)


def _convolution(inputs: int, outputs: int, deformable: bool) -> nn.Module:
    if deformable:
        return _DeformableConv(inputs, outputs)
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _sample(x: Tensor, place: Tensor) -> Tensor:
    """Values [C, h, w] of x [1, C, H, W] at (x, y) places [h, w, 2]; 0 outside."""
    size = torch.tensor([x.shape[3], x.shape[2]], device=x.device)
    grid = (2 * place + 1) / size - 1
    return functional.grid_sample(x.float(), grid[None], mode="bilinear", align_corners=False)[0]


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return functional.interpolate(x, size, mode="bilinear", align_corners=True)
