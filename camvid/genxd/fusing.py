"""Alpha fusing: how much each sample weighs its views against its instants."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class AlphaFuse(nn.Module):
    """Blends the spatial, multiview and temporal branch; two learned scalars.

    With a = sigmoid(spatial_mv_factor) and g = 1 for 3D samples (indicator 0), 0 for videos
    without cameras (1), sigmoid(gamma) for 4D samples (2):
    `g * (a * spatial + (1 - a) * multiview) + (1 - g) * temporal`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spatial_mv_factor = nn.Parameter(torch.tensor([0.5]))
        self.gamma = nn.Parameter(torch.tensor([5.0]))

    def forward(
        self,
        x_spatial: Tensor,  # [B, ...], as the other two
        x_multiview: Tensor,
        x_temporal: Tensor | None,  # None: every sample is 3D, where its weight is 0
        indicator_B: Tensor,
    ) -> Tensor:
        # Two lerps: half the time of products and their sum, whose gradients go through copies.
        multiview = torch.sigmoid(-_at_least_float32(self.spatial_mv_factor))
        views = torch.lerp(x_spatial, x_multiview, multiview.to(x_spatial.dtype))
        if x_temporal is None:
            return with_zero_gradients(views, [self.gamma])
        temporal_B = self._temporal_share(indicator_B).to(views.dtype)
        return torch.lerp(views, x_temporal, temporal_B.view(-1, *[1] * (views.ndim - 1)))

    def _temporal_share(self, indicator_B: Tensor) -> Tensor:
        # In 4D it begins at 0.0067: as 1 less the gate it would lose its digits.
        share = torch.sigmoid(-_at_least_float32(self.gamma))
        is_video = (indicator_B == 1).to(share.dtype)
        return torch.where(indicator_B == 2, share, is_video)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _WithZeroGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(*parameters)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return gradients[0], *(torch.zeros_like(p) for p in ctx.saved_tensors)


def with_zero_gradients(x: Tensor, parameters: Iterable[nn.Parameter]) -> Tensor:
    """x itself; in the backward pass the parameters get a gradient of 0 rather than none.

    For branches that were not computed because their weight is 0: what they would have got. So
    the gradients exist on every rank of a distributed run, whatever is in its batch.
    """
    wanted = [p for p in parameters if p.requires_grad]
    if not (wanted and torch.is_grad_enabled()):
        return x
    return _WithZeroGradients.apply(x, *wanted)
