"""The residual block: convolutions within a frame, across views, across time, then fused."""

from typing import Any

from diffusers.models.resnet import ResnetBlock2D, TemporalResnetBlock
from torch import Tensor, nn
from torch.nn import functional

from camvid.genxd.context import Context
from camvid.genxd.fusing import AlphaFuse, with_zero_gradients


class ClipResBlock(TemporalResnetBlock):
    """Diffusers' block along the frames, of as many channels in as out.

    Its three taps go through the two-dimensional convolution of frames x places, which takes half
    the time of the three-dimensional one.
    """

    time_emb_proj: Any

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x_BCFHW: Tensor, emb_BFE: Tensor
    ) -> Tensor:
        shift_BFC = self.time_emb_proj(emb_BFE)
        h_BCFL = functional.silu(self.norm1(x_BCFHW.flatten(3)))
        h_BCFL = _along_frames(self.conv1, h_BCFL) + shift_BFC.transpose(1, 2)[..., None]
        h_BCFL = _along_frames(self.conv2, functional.silu(self.norm2(h_BCFL)))
        return x_BCFHW + h_BCFL.view_as(x_BCFHW)


def _along_frames(conv: nn.Conv3d, x_BCFL: Tensor) -> Tensor:
    return functional.conv2d(x_BCFL, conv.weight.flatten(3), conv.bias, padding=(1, 0))


class CascadeResBlock(nn.Module):
    """A cascade: the views' convolution sees the spatial result, the temporal one the views'.

    Both run along the frame axis with three taps, so the order of the views matters. The motion
    strength enters the temporal block in place of the diffusion time, and nowhere else.
    """

    def __init__(self, in_channels: int, out_channels: int, emb_channels: int, eps: float) -> None:
        super().__init__()
        self.spatial_res_block = ResnetBlock2D(
            in_channels=in_channels,
            out_channels=out_channels,
            temb_channels=emb_channels,
            eps=eps,
            skip_time_act=True,  # once for all blocks, in the context
        )
        self.mv_res_block = ClipResBlock(out_channels, None, emb_channels, eps)
        self.temporal_res_block = ClipResBlock(out_channels, None, emb_channels, eps)
        self.time_mixer = AlphaFuse()

    def forward(self, x_NCHW: Tensor, context: Context) -> Tensor:
        x_NCHW = self.spatial_res_block(x_NCHW, context.emb.flatten(0, 1))
        x_BCFHW = x_NCHW.unflatten(0, (-1, context.num_frames)).transpose(1, 2)
        multiview = self.mv_res_block(x_BCFHW, context.emb)
        if context.all_3d:
            fused = self.time_mixer(x_BCFHW, multiview, None, context.indicator)
            fused = with_zero_gradients(fused, self.temporal_res_block.parameters())
        else:
            temporal = self.temporal_res_block(multiview, context.temporal_emb)
            fused = self.time_mixer(x_BCFHW, multiview, temporal, context.indicator)
        return fused.transpose(1, 2).flatten(0, 1)
