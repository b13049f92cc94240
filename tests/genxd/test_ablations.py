"""The paper's ablations: one fusing for every kind, cameras by cross attention."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from camvid.errors import ConfigError  # noqa: E402
from camvid.genxd.model import GenXDUNet  # noqa: E402
from camvid.genxd.svd_init import init_from_svd  # noqa: E402
from camvid.genxd.training.start import make_unet  # noqa: E402
from tests.genxd.tiny import CONFIG, make_inputs  # noqa: E402
from workflows.configs import load_training_config  # noqa: E402

RAYS = slice(8, 14)


def network(**changes: Any) -> GenXDUNet:
    torch.manual_seed(0)
    return GenXDUNet(**(CONFIG | changes)).double().eval()


@torch.no_grad()
def answer(unet: GenXDUNet, inputs: dict[str, Tensor]) -> Tensor:
    return unet(**inputs)


def test_kinds_that_are_not_disentangled_are_fused_alike() -> None:
    usual, alike = network(), network(disentangled=False)
    kinds = [make_inputs([kind]) | {"timestep": torch.tensor([0.5])} for kind in range(3)]
    found = [answer(usual, inputs) for inputs in kinds]
    assert not torch.allclose(found[0], found[2])
    same = [answer(alike, inputs) for inputs in kinds]
    assert torch.equal(same[0], same[2])
    assert torch.equal(same[1], same[2])
    torch.testing.assert_close(same[2], found[2])


def test_cameras_by_cross_attention_are_seen_and_their_channels_are_not() -> None:
    unet = network(camera_condition="cross_attention")
    inputs = make_inputs([2])
    moved = inputs["sample"].clone()
    moved[:, :, RAYS] += 1.0
    assert not torch.allclose(answer(unet, inputs), answer(unet, inputs | {"sample": moved}))
    with torch.no_grad():
        unet.camera_embedding.weight.zero_()
    torch.testing.assert_close(answer(unet, inputs), answer(unet, inputs | {"sample": moved}))
    with pytest.raises(ConfigError, match="camera_condition must be of rays, cross_attention"):
        network(camera_condition="poses")


def test_a_trained_ablation_is_saved_and_starts_from_svd(tmp_path: Path) -> None:
    changed = ["model.camera=cross_attention", "model.disentangled=false"]
    unet = make_unet(load_training_config("tiny", changed).model, 4, seed=0)
    unet.save_pretrained(str(tmp_path))
    again: Any = GenXDUNet.from_pretrained(str(tmp_path))
    assert (again.config.camera_condition, again.config.disentangled) == ("cross_attention", False)
    names = {name for name, _ in unet.named_parameters()}
    usual = make_unet(load_training_config("tiny", []).model, 4, seed=0)
    svd = {
        name: torch.ones_like(tensor)
        for name, tensor in usual.state_dict().items()
        if not name.startswith("motion_embedding.") and "time_mixer" not in name
    }
    kept = init_from_svd(unet, svd).kept
    assert {name for name in names if ".attn2." in name} <= set(kept)
    assert unet.conv_out.weight.eq(1).all()
