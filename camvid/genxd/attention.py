"""The transformer: attention within a frame, over all views, over time, then fused."""

from collections.abc import Iterator
from itertools import chain

import torch
from diffusers.models.attention import BasicTransformerBlock, TemporalBasicTransformerBlock
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn

from camvid.genxd.context import Context
from camvid.genxd.fusing import AlphaFuse, with_zero_gradients


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
            BasicTransformerBlock(
                channels, num_heads, dim_head, cross_attention_dim=camera_channels
            )
            for _ in layers
        )
        self.multiview_transformer_blocks = nn.ModuleList(
            TemporalBasicTransformerBlock(*shape) for _ in layers
        )
        self.temporal_transformer_blocks = nn.ModuleList(
            TemporalBasicTransformerBlock(*shape) for _ in layers
        )
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
            x_NLC = spatial(x_NLC, encoder_hidden_states=context.camera)
            views_NLC = _jointly(multiview, x_NLC, context.num_frames)
            instants_NLC = None
            if index_emb_FC is not None:
                instants_NLC = _over_time(temporal, views_NLC, index_emb_FC)
            x_NLC = self.time_mixer(x_NLC, views_NLC, instants_NLC, context.indicator)
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


def _jointly(block: nn.Module, x_NLC: Tensor, num_frames: int) -> Tensor:
    """Runs a temporal block over all tokens of all frames of a sample."""
    # The block attends over the frames at each token; here every token is a frame of its own.
    num_tokens = num_frames * x_NLC.shape[1]
    joint = block(x_NLC.flatten(0, 1).unsqueeze(1), num_tokens)
    return joint.reshape(x_NLC.shape)


def _over_time(block: nn.Module, x_NLC: Tensor, index_emb_FC: Tensor) -> Tensor:
    """Runs a temporal block at each place of the image, over its frames."""
    num_frames = len(index_emb_FC)
    x_BFLC = x_NLC.unflatten(0, (-1, num_frames)) + index_emb_FC[:, None]
    return block(x_BFLC.flatten(0, 1), num_frames)
