"""LightGlue: attention within and between two sets of keypoints that says which are the same.

The network of Lindenberger et al., "LightGlue: Local Feature Matching at Light Speed" (ICCV 2023),
for inference alone: all layers, every point, no early exit. Sizes are read off the weights, so that
the matcher of ALIKED and the small one of XFeat are the same class.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class LightGlue(nn.Module):
    """Matches descriptors [N, D] at positions [N, 2] of two images."""

    def __init__(self, input_dim: int, dim: int, num_layers: int, num_heads: int) -> None:
        super().__init__()
        self.input_dim = input_dim
        same = input_dim == dim
        self.input_proj = nn.Identity() if same else nn.Linear(input_dim, dim)
        self.posenc = _PositionEncoding(dim // num_heads)
        self.transformers = nn.ModuleList(_Layer(dim, num_heads) for _ in range(num_layers))
        self.assignment = _Assignment(dim)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "LightGlue":
        """The network that these published weights belong to.

        Raises:
            KeyError: they are of another network.
            RuntimeError: some are missing.
        """
        dim = weights["posenc.Wr.weight"].shape[0] * 2
        width = weights["transformers.0.self_attn.out_proj.weight"].shape[0]
        projection = weights.get("input_proj.weight")
        input_dim = width if projection is None else projection.shape[1]
        num_layers = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("transformers."))
        network = cls(input_dim, width, num_layers, width // dim)
        # The heads of the earlier layers serve the early exit alone.
        last = f"log_assignment.{num_layers - 1}."
        wanted = {k.replace(last, "assignment."): v for k, v in weights.items()}
        unused = ("log_assignment.", "token_confidence.", "confidence_thresholds")
        network.load_state_dict({k: v for k, v in wanted.items() if not k.startswith(unused)})
        return network

    def forward(
        self, xy: tuple[Tensor, Tensor], descriptors: tuple[Tensor, Tensor], sizes: list[Tensor]
    ) -> Tensor:
        """Log of the share [N, M] of certainty that keypoint n of one is m of the other.

        Args:
            xy: [N, 2] and [M, 2], the first pixel's centre at 0.
            sizes: [2] and [2] of the images (width, height).
        """
        places = [self.posenc(_normalised(p, size)) for p, size in zip(xy, sizes, strict=True)]
        first, second = (self.input_proj(d) for d in descriptors)
        for layer in self.transformers:
            first, second = layer(first, second, *places)
        return self.assignment(first, second)


def mutual_matches(log_share: Tensor, min_score: float) -> Tensor:
    """Rows [K, 2] of pairs that are each other's best and at least this sure, of [N, M]."""
    if 0 in log_share.shape:
        return torch.zeros((0, 2), dtype=torch.long, device=log_share.device)
    best, choice = log_share.max(dim=1)
    back = log_share.argmax(dim=0)
    rows = torch.arange(len(choice), device=choice.device)
    kept = (back[choice] == rows) & (best.exp() > min_score)
    return torch.stack([rows[kept], choice[kept]], dim=1)


def _normalised(xy: Tensor, size: Tensor) -> Tensor:
    """The longer side spans -1 to 1."""
    return (xy - size / 2) / (size.max() / 2)


class _PositionEncoding(nn.Module):
    """Rotary angles from a learned linear map of the position."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.Wr = nn.Linear(2, head_dim // 2, bias=False)

    def forward(self, place: Tensor) -> Tensor:
        """Cosines and sines [2, N, head_dim] of positions [N, 2]."""
        angle = (place[:, None] * self.Wr.weight).sum(dim=-1)  # products stay fp32 in autocast
        return torch.stack([angle.cos(), angle.sin()]).repeat_interleave(2, dim=-1)


class _Layer(nn.Module):
    """Each set looks at itself, then at the other."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.self_attn = _SelfAttention(dim, num_heads)
        self.cross_attn = _CrossAttention(dim, num_heads)

    def forward(
        self, first: Tensor, second: Tensor, first_place: Tensor, second_place: Tensor
    ) -> tuple[Tensor, Tensor]:
        first = self.self_attn(first, first_place)
        second = self.self_attn(second, second_place)
        return self.cross_attn(first, second)


class _SelfAttention(nn.Module):
    """Attention within one set, keys and queries turned by position."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self._num_heads = num_heads
        self.Wqkv = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)
        self.ffn = _update_network(dim)

    def forward(self, points: Tensor, place: Tensor) -> Tensor:
        # The published weights interleave query, key and value innermost.
        qkv = self.Wqkv(points).unflatten(-1, (self._num_heads, -1, 3)).transpose(0, 1)
        query, key = _turned(qkv[..., 0], place), _turned(qkv[..., 1], place)
        value = qkv[..., 2].contiguous()
        attended = functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
        message = self.out_proj(attended.transpose(0, 1).flatten(-2))
        return points + self.ffn(torch.cat([points, message], dim=-1))


class _CrossAttention(nn.Module):
    """Attention between the sets, with one projection for queries and keys."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self._num_heads = num_heads
        self.to_qk = nn.Linear(dim, dim)
        self.to_v = nn.Linear(dim, dim)
        self.to_out = nn.Linear(dim, dim)
        self.ffn = _update_network(dim)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        keys = [self._heads(self.to_qk(x)) for x in (first, second)]
        values = [self._heads(self.to_v(x)) for x in (first, second)]
        attend = functional.scaled_dot_product_attention
        to_first = attend(keys[0], keys[1], values[1])
        to_second = attend(keys[1], keys[0], values[0])
        return self._updated(first, to_first), self._updated(second, to_second)

    def _heads(self, points: Tensor) -> Tensor:
        """[1, heads, N, head_dim] of [N, dim]."""
        return points.unflatten(-1, (self._num_heads, -1)).transpose(0, 1)[None].contiguous()

    def _updated(self, points: Tensor, attended: Tensor) -> Tensor:
        message = self.to_out(attended[0].transpose(0, 1).flatten(-2))
        return points + self.ffn(torch.cat([points, message], dim=-1))


class _Assignment(nn.Module):
    """Similarity of every pair, weighed by whether either point has a partner at all."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.matchability = nn.Linear(dim, 1)
        self.final_proj = nn.Linear(dim, dim)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        with torch.autocast(first.device.type, enabled=False):  # half precision would make ties
            both = (first.float(), second.float())
            scale = first.shape[-1] ** -0.25
            pair = [self.final_proj(x) * scale for x in both]
            similarity = pair[0] @ pair[1].T
            certain = [functional.logsigmoid(self.matchability(x)) for x in both]
            both_ways = similarity.log_softmax(dim=1) + similarity.log_softmax(dim=0)
            return both_ways + certain[0] + certain[1].T


def _update_network(dim: int) -> nn.Sequential:
    """What a point makes of itself and the message it received."""
    return nn.Sequential(
        nn.Linear(2 * dim, 2 * dim), nn.LayerNorm(2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)
    )


def _turned(points: Tensor, place: Tensor) -> Tensor:
    """Neighbouring pairs of channels [heads, N, head_dim] rotated by the position's angles."""
    even, odd = points.unflatten(-1, (-1, 2)).unbind(dim=-1)
    quarter = torch.stack([-odd, even], dim=-1).flatten(-2)
    return (points * place[0] + quarter * place[1]).to(points.dtype)
