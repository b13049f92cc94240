"""The UNet has the released tensors and computes the released function."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.models.embeddings import Timesteps  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from camvid.errors import ConfigError  # noqa: E402
from camvid.genxd.model import GenXDUNet  # noqa: E402
from tests.genxd.tiny import CONFIG, make_inputs, make_unet, manifest, recorded  # noqa: E402

KINDS = ["3d", "4d", "mixed"]
INPUTS = ("sample", "timestep", "added_time_ids", "indicator", "motion_ids")


def shapes_of(unet: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}


def test_defaults_have_the_released_tensors() -> None:
    with torch.device("meta"):
        unet = GenXDUNet()
    assert shapes_of(unet) == manifest("full")
    assert len(manifest("full")) == 1770
    assert sum(p.numel() for p in unet.parameters()) == 1_932_125_520


def test_a_released_configuration_makes_its_tensors() -> None:
    with torch.device("meta"):
        assert shapes_of(GenXDUNet(**CONFIG)) == manifest("tiny")


# Random networks amplify rounding, each case by another factor: 2 to 4 times what is seen.
FLOAT32_TOLERANCE = {"3d": 2.5e-5, "4d": 1.2e-4, "mixed": 1.8e-4}


def with_recorded_sinusoids(unet: GenXDUNet) -> GenXDUNet:
    """They are float32 by definition, so a CPU with another `exp` would move float64 as well."""
    cases = [recorded("unet", kind) for kind in ("mixed", "4d", "3d")]
    values = [c["timestep"] for c in cases] + [c["motion_ids"] for c in cases[:2]]
    inputs = {32: torch.cat([*values, torch.arange(4)]), 64: torch.arange(4), 256: torch.arange(2)}
    outputs = recorded("unet", "sinusoids")

    def look_up(computed: Callable[[Tensor], Tensor], width: int, x: Tensor) -> Tensor:
        found = x[:, None].float() == inputs[width].float()
        known = found.any(dim=1)[:, None]  # but for a few of the time ids
        return torch.where(known, outputs[str(width)][found.int().argmax(dim=1)], computed(x))

    for module in unet.modules():
        if isinstance(module, Timesteps):
            module.forward = partial(look_up, module.forward, module.num_channels)
    return unet


def errors(unet: GenXDUNet, kind: str) -> tuple[float, float]:
    """Against the recorded outputs: with motion strengths and without."""
    case = recorded("unet", kind)
    inputs = {name: case[name] for name in INPUTS}
    with torch.no_grad():
        output, without = unet(**inputs), unet(**{**inputs, "motion_ids": None})
    assert output.dtype == unet.dtype
    return (
        float((output - case["output"]).abs().max()),
        float((without - case["output_without_motion_ids"]).abs().max()),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_output_equals_the_recorded(
    weights: dict[str, Tensor], kind: str, dtype: torch.dtype
) -> None:
    unet = with_recorded_sinusoids(make_unet(weights, dtype))
    tolerance = 1e-9 if dtype == torch.float64 else FLOAT32_TOLERANCE[kind]
    assert max(errors(unet, kind)) < tolerance


@pytest.mark.parametrize("wrong", [(1e-5, 1e-6), (1e-6, 1e-5)])
def test_a_wrong_epsilon_is_seen_in_every_case(
    weights: dict[str, Tensor], wrong: tuple[float, float]
) -> None:
    """In float32 as well: what the tolerances are good for."""
    unet = with_recorded_sinusoids(make_unet(weights, torch.float32))
    for module in unet.modules():
        if isinstance(module, nn.GroupNorm) and module.eps == wrong[0]:
            module.eps = wrong[1]
    for kind, tolerance in FLOAT32_TOLERANCE.items():
        assert max(errors(unet, kind)) > tolerance, kind


def test_inner_activations_equal_the_recorded(weights: dict[str, Tensor]) -> None:
    unet, case = make_unet(weights, torch.float32), recorded("unet", "mixed")
    inner = recorded("unet", "inner")
    seen: dict[str, Tensor] = {}
    for name in inner:

        def keep(_: nn.Module, __: object, output: Tensor, name: str = name) -> None:
            seen[name] = output[-1] if isinstance(output, tuple) else output

        unet.get_submodule(name).register_forward_hook(keep)
    with torch.no_grad():
        unet(**{name: case[name] for name in INPUTS})
    for name, values in inner.items():
        got = seen[name]
        if name.endswith("time_pos_embed"):  # recorded once per sample
            got = got.repeat(3, 1)
        if name == "add_embedding":
            got = got.flatten(0, 1)
        if name == "down_blocks.0.attentions.0.multiview_transformer_blocks.0":
            got = got.reshape(12, 128, 32)
        # Every 101st element is on record.
        error = (got.flatten()[::101] - values).abs().max()
        assert error < 1e-3 * values.abs().max(), name


def test_ids_and_timestep_may_be_given_once(weights: dict[str, Tensor]) -> None:
    unet, inputs = make_unet(weights), make_inputs([2, 1])
    inputs["timestep"] = torch.full((2,), 0.3)
    with torch.no_grad():
        spelled_out = unet(**inputs)
        short = unet(**{**inputs, "timestep": 0.3, "added_time_ids": torch.tensor([[0, 1]] * 2)})
    torch.testing.assert_close(short, spelled_out, rtol=0, atol=1e-10)


def test_a_batch_equals_its_samples(weights: dict[str, Tensor]) -> None:
    unet, inputs = make_unet(weights), make_inputs([0, 1, 2])
    with torch.no_grad():
        together = unet(**inputs)
        alone = [unet(**{k: v[i : i + 1] for k, v in inputs.items()}) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-10)


def test_view_order_and_motion_matter_where_they_should(weights: dict[str, Tensor]) -> None:
    unet, inputs = make_unet(weights), make_inputs([0, 1, 2])
    more_motion = {**inputs, "motion_ids": inputs["motion_ids"] + 5}
    backwards = {**inputs, "sample": inputs["sample"].flip(1)}
    with torch.no_grad():
        before, moved, flipped = unet(**inputs), unet(**more_motion), unet(**backwards).flip(1)
    change = (before - moved).abs().amax(dim=(1, 2, 3, 4))
    assert change[0] == 0
    assert (change[1:] > 1e-3).all()
    assert ((before - flipped).abs().amax(dim=(1, 2, 3, 4)) > 1e-3).all()


def test_saved_folder_loads_again(weights: dict[str, Tensor], tmp_path: Path) -> None:
    unet = make_unet(weights, torch.float32)
    unet.save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]
    again = GenXDUNet.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, weights[k]) for k, tensor in again.state_dict().items())
    saved = json.loads((tmp_path / "config.json").read_text())
    assert {k: saved[k] for k in CONFIG if not k.startswith("_")} == {
        k: v for k, v in CONFIG.items() if not k.startswith("_")
    }


def test_folder_of_the_released_layout_loads(weights: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights, tmp_path / "diffusion_pytorch_model.safetensors")
    unet = GenXDUNet.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert unet.conv_in.weight.dtype == torch.bfloat16
    for name, tensor in unet.state_dict().items():
        assert torch.equal(tensor, weights[name].bfloat16()), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cross_attention_dim": 1024}, "cross_attention_dim must be None"),
        ({"camera_embedding_dim": 14}, "camera_embedding_dim must be -1"),
        ({"num_attention_heads": [2, 2]}, "num_attention_heads must have 4 entries"),
        ({"up_block_types": ["UpBlock2D"] * 4}, "up_block_types must be of"),
    ],
)
def test_other_models_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GenXDUNet(**{**CONFIG, **change})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sample", torch.zeros(2, 4, 15, 12, 8), "multiples of 8 latent pixels"),
        ("sample", torch.zeros(8, 15, 8, 8), r"must be \[B, F, C, H, W\]"),
        ("indicator", torch.tensor([2]), r"indicator must be \[2\]"),
        ("motion_ids", torch.zeros(2, 4), "one strength per sample"),
        ("added_time_ids", torch.zeros(2, 3, 2), r"added_time_ids must be"),
    ],
)
def test_wrong_inputs_are_named(
    weights: dict[str, Tensor], name: str, value: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_unet(weights)(**{**make_inputs([0, 2]), name: value})
