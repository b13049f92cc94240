"""Half precision, gradient checkpointing, and 3D batches without their temporal branch."""

from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from torch import Tensor, nn  # noqa: E402

from camvid.genxd.model import GenXDUNet  # noqa: E402
from tests.genxd.tiny import CONFIG, make_inputs, make_unet  # noqa: E402

TEMPORAL = ("temporal_", "time_pos_embed", ".gamma", "motion_embedding")


def is_temporal(name: str) -> bool:
    return any(part in name for part in TEMPORAL)


def gradients(unet: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    unet.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in unet.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True], ids=["weights", "autocast"])
def test_half_precision_is_near_full(dtype: torch.dtype, autocast: bool) -> None:
    torch.manual_seed(0)
    unet = GenXDUNet(**CONFIG).eval()  # the recipe's weights would amplify rounding
    inputs = make_inputs([0, 1, 2], side=16)
    with torch.no_grad():
        expected = unet(**inputs)
        with torch.autocast("cpu", dtype) if autocast else nullcontext():
            output = (unet if autocast else unet.to(dtype))(**inputs)
    assert output.dtype == dtype
    error = (output.float() - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert error < (0.05 if dtype == torch.bfloat16 else 0.006)


def test_half_precision_trains(weights: dict[str, Tensor]) -> None:
    unet = make_unet(weights, torch.bfloat16).train()
    got = gradients(unet, unet(**make_inputs([0, 2])).float().square().mean())
    assert set(got) == {name for name, _ in unet.named_parameters()}
    assert all(torch.isfinite(g).all() for g in got.values())


@pytest.mark.parametrize("indicator", [[0, 0], [1, 2]], ids=["3d", "video and 4d"])
def test_checkpointing_keeps_the_gradients(
    weights: dict[str, Tensor], indicator: list[int]
) -> None:
    unet, inputs = make_unet(weights).train(), make_inputs(indicator)
    plain = gradients(unet, unet(**inputs).square().mean())
    unet.enable_gradient_checkpointing()
    checkpointed = gradients(unet, unet(**inputs).square().mean())
    assert set(plain) == set(checkpointed)
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-9, atol=1e-12)


def test_checkpointing_recomputes_every_branch(weights: dict[str, Tensor]) -> None:
    unet = make_unet(weights).train()
    unet.enable_gradient_checkpointing()
    calls: dict[str, int] = {}
    watched = ("_res_block", "transformer_blocks.0")
    for name, module in unet.named_modules():
        if name.endswith(watched):
            calls[name] = 0

            def count(*_: object, name: str = name) -> None:
                calls[name] += 1

            module.register_forward_pre_hook(count)
    unet(**make_inputs([2])).square().mean().backward()
    assert len(calls) == 3 * 22 + 3 * 16
    assert set(calls.values()) == {2}


def test_checkpointing_stores_less(weights: dict[str, Tensor]) -> None:
    unet, inputs = make_unet(weights).train(), make_inputs([2])

    def stored_bytes() -> int:
        sizes: dict[int, int] = {}

        def pack(x: Tensor) -> Tensor:
            storage = x.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            unet(**inputs)
        own = {p.untyped_storage().data_ptr() for p in unet.parameters()}
        return sum(size for pointer, size in sizes.items() if pointer not in own)

    plain = stored_bytes()
    unet.enable_gradient_checkpointing()
    assert stored_bytes() < plain / 5


def test_3d_samples_do_not_need_the_temporal_branch(weights: dict[str, Tensor]) -> None:
    """A batch with a 4D sample computes it for all; one without leaves it out."""
    unet, inputs = make_unet(weights), make_inputs([0, 0, 2])
    views_only = {name: x[:2] for name, x in inputs.items()}
    with torch.no_grad():
        computed = unet(**inputs)[:2]
        left_out = unet(**views_only)
        torch.testing.assert_close(left_out, computed, rtol=0, atol=1e-10)
        for name, parameter in unet.named_parameters():
            if is_temporal(name):
                parameter.fill_(float("nan"))
        assert torch.equal(unet(**views_only), left_out)


def test_left_out_branch_has_zero_gradients(weights: dict[str, Tensor]) -> None:
    """As it has in a batch where it is computed: so all ranks of a run have the same ones."""
    unet, inputs = make_unet(weights).train(), make_inputs([0, 0, 2])
    computed = gradients(unet, unet(**inputs)[:2].square().sum())
    left_out = gradients(unet, unet(**{n: x[:2] for n, x in inputs.items()}).square().sum())
    assert set(left_out) == {name for name, _ in unet.named_parameters()}
    assert sum(is_temporal(name) for name in left_out) > 500
    for name, gradient in left_out.items():
        if is_temporal(name):
            assert not gradient.any(), name
        torch.testing.assert_close(gradient, computed[name], rtol=1e-9, atol=1e-9)


def test_frozen_temporal_branch_stays_without_gradients(weights: dict[str, Tensor]) -> None:
    unet = make_unet(weights).train()
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(not is_temporal(name))
    got = gradients(unet, unet(**make_inputs([0])).square().mean())
    assert not any(is_temporal(name) for name in got)
