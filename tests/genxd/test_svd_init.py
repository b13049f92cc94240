"""Initialisation from a (small, random) Stable Video Diffusion UNet."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers import UNetSpatioTemporalConditionModel  # noqa: E402

from camvid.errors import BackendUnavailable, ConfigError  # noqa: E402
from camvid.genxd.model import GenXDUNet  # noqa: E402
from camvid.genxd.svd_init import init_from_svd  # noqa: E402
from tests.genxd.tiny import CONFIG, make_inputs  # noqa: E402

SVD = UNetSpatioTemporalConditionModel


def make_svd(widths: tuple[int, ...] = (32, 32, 64, 64)) -> SVD:
    torch.manual_seed(1)
    return SVD(block_out_channels=widths, num_attention_heads=(2, 2, 4, 4), cross_attention_dim=16)


def make_genxd() -> GenXDUNet:
    torch.manual_seed(2)
    return GenXDUNet(**CONFIG).eval()


def test_every_tensor_is_accounted_for() -> None:
    svd, genxd = make_svd().state_dict(), make_genxd()
    before = {name: p.clone() for name, p in genxd.state_dict().items()}
    transfer = init_from_svd(genxd, svd)
    after = genxd.state_dict()
    assert len(after) == len(transfer.taken) + len(transfer.partly) + len(transfer.kept)
    assert set(after) == {*transfer.taken, *transfer.partly, *transfer.kept}
    for name, source in transfer.taken.items():
        assert torch.equal(after[name], svd[source]), name
    for name in transfer.kept:
        assert torch.equal(after[name], before[name]), name
    assert {n.split(".")[-1] for n in transfer.kept if "motion_embedding" not in n} == {
        "spatial_mv_factor",
        "gamma",
    }
    assert len(transfer.kept) == 2 * 38 + 4
    assert all("attn2" in n or "norm2" in n or "mix_factor" in n for n in transfer.unused)
    taken_svd = {*transfer.taken.values(), *transfer.partly.values()}
    assert taken_svd | set(transfer.unused) == set(svd)


def test_multiview_branch_is_a_copy_of_the_temporal_one() -> None:
    genxd = make_genxd()
    transfer = init_from_svd(genxd, make_svd().state_dict())
    assert transfer.taken["mid_block.resnets.0.mv_res_block.conv1.weight"] == (
        "mid_block.resnets.0.temporal_res_block.conv1.weight"
    )
    weights = genxd.state_dict()
    copied = 0
    for name, tensor in weights.items():
        if "mv_res_block" in name or "multiview_" in name:
            twin = name.replace("mv_res", "temporal_res").replace("multiview", "temporal")
            assert torch.equal(tensor, weights[twin])
            copied += 1
    assert copied == 10 * 22 + 19 * 16


def test_inputs_unknown_to_svd_start_without_effect() -> None:
    svd, genxd = make_svd().state_dict(), make_genxd()
    init_from_svd(genxd, svd)
    assert torch.equal(genxd.conv_in.weight[:, :8], svd["conv_in.weight"])
    ids = "add_embedding.linear_1.weight"
    assert torch.equal(genxd.state_dict()[ids], svd[ids][:, :512])
    inputs = make_inputs([2])
    with torch.no_grad():
        before = genxd(**inputs)
        inputs["sample"][:, :, 8:] += 3  # rays and mask
        assert torch.equal(genxd(**inputs), before)


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("shard_size", ["10GB", "8MB"])
def test_reads_a_diffusers_folder(tmp_path: Path, variant: str | None, shard_size: str) -> None:
    svd = make_svd().half()
    svd.save_pretrained(tmp_path / "unet", variant=variant, max_shard_size=shard_size)
    from_folder, from_tensors = make_genxd(), make_genxd()
    transfer = init_from_svd(from_folder, tmp_path / "unet")
    assert transfer == init_from_svd(from_tensors, svd.state_dict())
    read = from_folder.state_dict()
    assert all(torch.equal(read[n], tensor) for n, tensor in from_tensors.state_dict().items())
    assert init_from_svd(make_genxd(), tmp_path) == transfer  # a pipeline's folder does as well


def test_other_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use an SVD of the same widths"):
        init_from_svd(make_genxd(), make_svd((64, 64, 128, 128)).state_dict())
    with pytest.raises(ConfigError, match="not a Stable Video Diffusion UNet"):
        init_from_svd(make_genxd(), {"conv_in.weight": torch.zeros(32, 8, 3, 3)})
    with pytest.raises(BackendUnavailable, match=r"no diffusion_pytorch_model.safetensors"):
        init_from_svd(make_genxd(), tmp_path)
