"""The residual block: convolutions within a frame, across views, across time, then fused."""

from diffusers.models.resnet import ResnetBlock2D, TemporalResnetBlock
from torch import Tensor, nn

from camvid.genxd.context import Context
from camvid.genxd.fusing import AlphaFuse, with_zero_gradients


class CascadeResBlock(nn.Module):
    """A cascade: the views' convolution sees the spatial result, the temporal one the views'.

    Both run along the frame axis with three taps, so the order of the views matters. The motion
    strength enters the temporal block in place of the diffusion time, and nowhere else.
    """

    def __init__(self, in_channels: int, out_channels: int, emb_channels: int, eps: float) -> None:
        super().__init__()
        self.spatial_res_block = ResnetBlock2D(
            in_channels=in_channels, out_channels=out_channels, temb_channels=emb_channels, eps=eps
        )
        self.mv_res_block = TemporalResnetBlock(out_channels, None, emb_channels, eps)
        self.temporal_res_block = TemporalResnetBlock(out_channels, None, emb_channels, eps)
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
