"""The UNet's levels: residual blocks and transformers of one resolution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from camvid.genxd.attention import CascadeTransformer
from camvid.genxd.context import Context
from camvid.genxd.resnet import CascadeResBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShape:
    """What the layers of a level have in common."""

    channels: int
    emb_channels: int
    num_heads: int | None  # None: residual blocks only
    num_transformer_layers: int
    eps: float  # of the residual blocks' norms
    camera_channels: int | None = None  # of tokens that are attended to; None: there are none

    def resnet(self, in_channels: int) -> CascadeResBlock:
        return CascadeResBlock(in_channels, self.channels, self.emb_channels, self.eps)

    def transformers(self, num_layers: int) -> nn.ModuleList:
        """As many transformers as layers, or none."""
        if self.num_heads is None:
            return nn.ModuleList()
        return nn.ModuleList(
            CascadeTransformer(
                self.channels, self.num_heads, self.num_transformer_layers, self.camera_channels
            )
            for _ in range(num_layers)
        )


class Level(nn.Module):
    """Layers of a residual block and, where the level attends, a transformer."""

    _gradient_checkpointing_func: Callable[..., Tensor]  # set by ModelMixin, as is the flag

    def __init__(self, resnets: Sequence[CascadeResBlock], transformers: nn.ModuleList) -> None:
        super().__init__()
        self.attentions = transformers
        self.resnets = nn.ModuleList(resnets)
        self.gradient_checkpointing = False

    def _run(self, layer: int, context: Context, *x_NCHW: Tensor) -> Tensor:
        """One layer on the channels of all inputs; recomputed in backward if so set."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return self._gradient_checkpointing_func(self._layer, layer, context, *x_NCHW)
        return self._layer(layer, context, *x_NCHW)

    def _layer(self, layer: int, context: Context, *x_NCHW: Tensor) -> Tensor:
        x = x_NCHW[0] if len(x_NCHW) == 1 else torch.cat(x_NCHW, dim=1)
        x = self.resnets[layer](x, context)
        return self.attentions[layer](x, context) if layer < len(self.attentions) else x


class DownLevel(Level):
    """Layers, each of which leaves a skip, then half the resolution unless it is the last."""

    def __init__(
        self, shape: LevelShape, in_channels: int, *, num_layers: int, downsample: bool
    ) -> None:
        widths = [in_channels, *[shape.channels] * (num_layers - 1)]
        super().__init__([shape.resnet(w) for w in widths], shape.transformers(num_layers))
        # `name` decides the state dict: "conv" would register the convolution twice.
        self.downsamplers = nn.ModuleList(
            Downsample2D(shape.channels, use_conv=True, name="op") for _ in range(downsample)
        )

    def forward(self, x_NCHW: Tensor, context: Context) -> tuple[Tensor, ...]:
        """The skips in their order; the last of them is the level's output."""
        skips: list[Tensor] = []
        for layer in range(len(self.resnets)):
            x_NCHW = self._run(layer, context, x_NCHW)
            skips.append(x_NCHW)
        skips.extend(downsample(x_NCHW) for downsample in self.downsamplers)
        return tuple(skips)


class MiddleLevel(Level):
    """Residual block, transformer, residual block."""

    def __init__(self, shape: LevelShape) -> None:
        super().__init__([shape.resnet(shape.channels) for _ in range(2)], shape.transformers(1))

    def forward(self, x_NCHW: Tensor, context: Context) -> Tensor:
        return self._run(1, context, self._run(0, context, x_NCHW))


class UpLevel(Level):
    """Layers that each take a skip back, then twice the resolution unless it is the last."""

    def __init__(
        self, shape: LevelShape, in_channels: int, skip_channels: Sequence[int], *, upsample: bool
    ) -> None:
        widths = [in_channels, *[shape.channels] * (len(skip_channels) - 1)]
        super().__init__(
            [shape.resnet(w + skip) for w, skip in zip(widths, skip_channels, strict=True)],
            shape.transformers(len(widths)),
        )
        self.upsamplers = nn.ModuleList(
            Upsample2D(shape.channels, use_conv=True) for _ in range(upsample)
        )

    def forward(self, x_NCHW: Tensor, skips: tuple[Tensor, ...], context: Context) -> Tensor:
        """`skips` holds one tensor per layer, in the order in which they were left."""
        for layer, skip in enumerate(reversed(skips)):
            x_NCHW = self._run(layer, context, x_NCHW, skip)
        for upsample in self.upsamplers:
            x_NCHW = upsample(x_NCHW)
        return x_NCHW
