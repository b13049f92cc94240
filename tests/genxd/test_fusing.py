"""The blend of the three branches, by hand."""

from math import exp

import pytest

torch = pytest.importorskip("torch")

from camvid.genxd.fusing import AlphaFuse, with_zero_gradients  # noqa: E402

A = 1 / (1 + exp(-0.5))  # initial weight of the spatial branch against the multiview one
G = 1 / (1 + exp(-5.0))  # initial weight of the views against time in 4D


def test_weights_follow_the_indicator() -> None:
    fuse = AlphaFuse()
    spatial, multiview, temporal = (torch.full((3, 2, 2), x) for x in (1.0, 10.0, 100.0))
    fused = fuse(spatial, multiview, temporal, torch.tensor([0, 1, 2]))
    views = A * 1 + (1 - A) * 10
    assert torch.allclose(fused[0], torch.tensor(views))
    assert torch.allclose(fused[1], torch.tensor(100.0))
    assert torch.allclose(fused[2], torch.tensor(G * views + (1 - G) * 100))


def test_small_weight_survives_bfloat16() -> None:
    """1 - sigmoid(5) is 0.0067; from the sigmoid in bfloat16 it would be 0.0078."""
    fuse = AlphaFuse().bfloat16()
    zeros, ones = (torch.full((1, 1), x, dtype=torch.bfloat16) for x in (0.0, 1.0))
    fused = fuse(zeros, zeros, ones, torch.tensor([2]))
    assert fused.dtype == torch.bfloat16
    assert fused.item() == pytest.approx(1 - G, rel=0.01)


def test_zero_gradients_let_no_nan_through() -> None:
    parameter = torch.nn.Parameter(torch.tensor([float("nan")]))
    x = torch.ones(2, requires_grad=True)
    y = with_zero_gradients(x, [parameter])
    assert torch.equal(y, x)
    y.sum().backward()
    assert parameter.grad is not None
    assert parameter.grad.item() == 0
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1]
