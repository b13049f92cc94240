"""The transformer: attention within a frame, over all views, over time, then fused."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock, TemporalBasicTransformerBlock
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn
from torch.nn import functional

from camvid.genxd.context import Context
from camvid.genxd.fusing import AlphaFuse, with_zero_gradients


class FrameBlock(BasicTransformerBlock):
    """Diffusers' block without the questions it asks of what GenXD never does."""

    norm2: Any
    norm3: Any
    attn2: Any

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x_NLC: Tensor, camera: Tensor | None
    ) -> Tensor:
        x_NLC = x_NLC + _attend(self.attn1, self.norm1(x_NLC))
        if camera is not None:
            x_NLC = x_NLC + self.attn2(self.norm2(x_NLC), camera)
        return x_NLC + self.ff(self.norm3(x_NLC))


class ClipBlock(TemporalBasicTransformerBlock):
    """Diffusers' temporal block on whole clips, which it would rearrange in memory."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x_BFLC: Tensor, *, at_each_place: bool = False
    ) -> Tensor:
        """Attends over all tokens of all frames, or over the frames at each place of the image."""
        x_BTC = x_BFLC.flatten(1, 2)
        x_BTC = x_BTC + self.ff_in(self.norm_in(x_BTC))
        num_places = x_BFLC.shape[2] if at_each_place else 1
        x_BTC = x_BTC + _attend(self.attn1, self.norm1(x_BTC), num_places)
        return (x_BTC + self.ff(self.norm3(x_BTC))).view_as(x_BFLC)


class CascadeTransformer(nn.Module):
    """Spatial, multiview and temporal attention in a cascade.

    There is no cross attention, but to tokens of the camera where `camera_channels` says so.

    Multiview attention joins all tokens of all frames and knows the views by their rays alone;
    only the temporal branch is given the frame's index.
    """

    def __init__(
        self, channels: int, num_heads: int, num_layers: int, camera_channels: int | None = None
    ) -> None:
        super().__init__()
        dim_head = channels // num_heads
        shape = (channels, channels, num_heads, dim_head)
        layers = range(num_layers)
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            FrameBlock(channels, num_heads, dim_head, cross_attention_dim=camera_channels)
            for _ in layers
        )
        self.multiview_transformer_blocks = nn.ModuleList(ClipBlock(*shape) for _ in layers)
        self.temporal_transformer_blocks = nn.ModuleList(ClipBlock(*shape) for _ in layers)
        self.time_proj = Timesteps(channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_pos_embed = TimestepEmbedding(channels, 4 * channels, out_dim=channels)
        self.time_mixer = AlphaFuse()
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x_NCHW: Tensor, context: Context) -> Tensor:
        x_NLC = self.proj_in(self.norm(x_NCHW).flatten(2).transpose(1, 2))
        index_emb_FC = None if context.all_3d else self._index_emb(context.num_frames, x_NLC)
        for spatial, multiview, temporal in zip(
            self.transformer_blocks,
            self.multiview_transformer_blocks,
            self.temporal_transformer_blocks,
            strict=True,
        ):
            x_NLC = spatial(x_NLC, context.camera)
            x_BFLC = x_NLC.unflatten(0, (-1, context.num_frames))
            views_BFLC = multiview(x_BFLC)
            instants_BFLC = None
            if index_emb_FC is not None:
                instants_BFLC = temporal(views_BFLC + index_emb_FC[:, None], at_each_place=True)
            x_BFLC = self.time_mixer(x_BFLC, views_BFLC, instants_BFLC, context.indicator)
            x_NLC = x_BFLC.flatten(0, 1)
        if context.all_3d:
            x_NLC = with_zero_gradients(x_NLC, self._temporal_parameters())
        return x_NCHW + self.proj_out(x_NLC).transpose(1, 2).unflatten(2, x_NCHW.shape[2:])

    def _index_emb(self, num_frames: int, like: Tensor) -> Tensor:
        index_F = torch.arange(num_frames, device=like.device)
        return self.time_pos_embed(self.time_proj(index_F).to(like.dtype))

    def _temporal_parameters(self) -> Iterator[nn.Parameter]:
        return chain(
            self.temporal_transformer_blocks.parameters(), self.time_pos_embed.parameters()
        )


def _attend(attention: Any, x_BTC: Tensor, num_places: int = 1) -> Tensor:
    """Self-attention of tokens; with more than one place, of every num_places-th alone."""
    # A place is one more head, whose tokens are further apart: a view, where batches of places
    # would be copies. CUDA's kernels take 65,535 heads, those of images of 896 x 896.
    shape = len(x_BTC), -1, num_places * attention.heads, x_BTC.shape[-1] // attention.heads
    q, k, v = (
        project(x_BTC).view(shape).transpose(1, 2)
        for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    attended = functional.scaled_dot_product_attention(q, k, v)
    return attention.to_out[0](attended.transpose(1, 2).reshape(x_BTC.shape))
