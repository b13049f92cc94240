"""Latents without a trained VAE, and with one in diffusers' layout."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from camvid.errors import BackendUnavailable, ConfigError  # noqa: E402
from camvid.genxd.codec import PATCH_CODEC, PatchCodec, TemporalVae, load_codec  # noqa: E402


def images(seed: int, num_samples: int = 2, num_frames: int = 3) -> Tensor:
    """Smooth noise [B, F, 3, 64, 48] in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(num_samples * num_frames, 3, 14, 10, generator=generator) * 2 - 1
    smooth = torch.nn.functional.interpolate(rough, (64, 48), mode="bicubic").clamp(-1, 1)
    return smooth.unflatten(0, (num_samples, num_frames))


def psnr_db(ours: Tensor, theirs: Tensor) -> float:
    return float(10 * torch.log10(4 / (ours - theirs).square().mean()))


def fitted(num_channels: int) -> PatchCodec:
    return PatchCodec.fit((images(seed) for seed in range(8)), num_channels=num_channels)


def test_patch_latents_have_their_shape_and_unit_variance() -> None:
    codec, rgb = fitted(4), images(0)
    latents = codec.encode(rgb)
    assert latents.shape == (2, 3, 4, 8, 6)
    assert codec.decode(latents).shape == rgb.shape
    every = torch.cat([codec.encode(images(seed)).movedim(2, 0).flatten(1) for seed in range(8)], 1)
    torch.testing.assert_close(every.mean(dim=1), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cov(every), torch.eye(4), atol=5e-3, rtol=0)


def test_more_channels_keep_more_and_all_keep_everything() -> None:
    rgb = images(99)
    quality = [psnr_db(fitted(n).decode(fitted(n).encode(rgb)), rgb) for n in (1, 4, 16, 48, 192)]
    assert quality == sorted(quality)
    assert quality[1] > quality[0] + 1.5
    assert quality[-1] > 80


def test_it_is_the_best_linear_code_of_its_size() -> None:
    """Against numpy's singular vectors of the same patches."""
    rgb = torch.cat([images(seed) for seed in range(8)])
    patches = rgb.numpy().reshape(-1, 3, 8, 8, 6, 8).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 192)
    mean = patches.mean(axis=0)
    _, singular, _ = np.linalg.svd(patches - mean, full_matrices=False)
    best = (singular[4:] ** 2).sum() / patches.size
    codec = fitted(4)
    error = float((codec.decode(codec.encode(rgb)) - rgb).square().mean())
    assert error <= best * 1.001  # clamping may only help


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    codec = PatchCodec.fit([images(0).numpy()], num_channels=6, fitted_on="8 clips of a run")
    codec.save(path)
    again = load_codec(path)
    assert isinstance(again, PatchCodec)
    assert (again.num_channels, again.fitted_on) == (6, "8 clips of a run")
    assert torch.equal(again.encode(images(3)), codec.encode(images(3)))
    assert PATCH_CODEC.encode() in path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["codec.safetensors"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"a codec must be at .*none.safetensors"):
        load_codec(tmp_path / "none.safetensors")
    save_file({"mean": torch.zeros(192)}, tmp_path / "other.safetensors")
    with pytest.raises(
        ConfigError, match=r"must hold a camvid linear patch codec .* labelled \{\}"
    ):
        load_codec(tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(ConfigError, match="must be a safetensors file"):
        load_codec(tmp_path / "text.safetensors")
    with pytest.raises(BackendUnavailable, match="must hold a VAE"):
        load_codec(tmp_path)
    with pytest.raises(ConfigError, match="num_channels must be from 1 to 48 for 48 patches"):
        PatchCodec.fit([images(0)[0, 0]], num_channels=49)


@pytest.fixture(scope="module")
def vae_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny VAE with random weights, as a pipeline's folder has it."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        sample_size=64,
    )
    folder = tmp_path_factory.mktemp("pipeline")
    vae.save_pretrained(folder / "vae")
    return folder


def test_a_vae_gives_the_scaled_mode(vae_folder: Path) -> None:
    codec, rgb = load_codec(vae_folder), images(0)
    assert isinstance(codec, TemporalVae)
    latents = codec.encode(rgb)
    assert latents.shape == (2, 3, 4, 8, 6)
    assert codec.num_channels == 4
    for sample in range(2):
        mode = codec.vae.encode(rgb[sample]).latent_dist.mode() * 0.18215
        torch.testing.assert_close(latents[sample], mode, rtol=1e-4, atol=1e-5)
    assert not latents.requires_grad
    assert not any(p.requires_grad for p in codec.parameters())


def test_a_vae_decodes_each_sample_by_itself(vae_folder: Path) -> None:
    codec = TemporalVae(vae_folder / "vae")
    latents = torch.randn(2, 3, 4, 8, 6, generator=torch.Generator().manual_seed(1))
    rgb = codec.decode(latents)
    assert rgb.shape == (2, 3, 3, 64, 48)
    expected = codec.vae.decode(latents[1] / 0.18215, num_frames=3).sample.clamp(-1, 1)
    torch.testing.assert_close(rgb[1], expected, rtol=1e-4, atol=1e-5)
    few = TemporalVae(vae_folder, max_frames=2)
    torch.testing.assert_close(few.encode(rgb), codec.encode(rgb), rtol=1e-4, atol=1e-5)
    assert few.decode(latents).shape == rgb.shape
