"""What a folder must hold to be sampled from."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from torch import Tensor  # noqa: E402

from camvid.errors import BackendUnavailable, ConfigError  # noqa: E402
from camvid.genxd.checkpoint import load_checkpoint  # noqa: E402
from camvid.genxd.codec import PatchCodec, TemporalVae  # noqa: E402
from camvid.genxd.data.options import DataOptions  # noqa: E402
from tests.genxd.checkpoints import small_codec, write_checkpoint  # noqa: E402
from tests.genxd.tiny import make_unet  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, Tensor]) -> Path:
    """A run's folder with one checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    config = '[data]\nnum_frames = 5\nheight_px = 64\nmotion_rule = "sigmoid"\n[run]\nseed = 3\n'
    write_checkpoint(folder / "checkpoints" / "step-00000020", weights, config)
    (folder / "checkpoints" / "step-00000030.partial").mkdir()
    return folder


def test_model_codec_and_units_of_a_training_run(run: Path, weights: dict[str, Tensor]) -> None:
    for folder in (run, run / "checkpoints" / "step-00000020"):
        loaded = load_checkpoint(folder)
        assert isinstance(loaded.codec, PatchCodec)
        assert not loaded.model.training
        assert loaded.trained_on == DataOptions(num_frames=5, height_px=64, motion_rule="sigmoid")
    state = loaded.model.state_dict()
    assert all(torch.equal(state[name], weights[name]) for name in weights)
    half = load_checkpoint(run, dtype=torch.bfloat16)
    assert half.model.dtype == torch.bfloat16


def test_a_released_layout_with_its_vae(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    from diffusers import AutoencoderKLTemporalDecoder

    make_unet(weights, torch.float32).save_pretrained(tmp_path / "unet")
    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(32,) * 4,
        layers_per_block=1,
        sample_size=64,
    )
    vae.save_pretrained(tmp_path / "vae")
    for folder in (tmp_path, tmp_path / "unet"):
        loaded = load_checkpoint(folder)
        assert isinstance(loaded.codec, TemporalVae)
        assert loaded.trained_on == DataOptions()
    small_codec().save(tmp_path / "other.safetensors")
    named = load_checkpoint(tmp_path, codec=tmp_path / "other.safetensors")
    assert isinstance(named.codec, PatchCodec)


def test_what_is_missing_is_named(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    with pytest.raises(BackendUnavailable, match=r"must hold a codec .*name one with --codec"):
        load_checkpoint(tmp_path)
    small_codec().save(tmp_path / "codec.safetensors")
    with pytest.raises(BackendUnavailable, match="must hold a GenXD UNet"):
        load_checkpoint(tmp_path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text('{"block_out_channels": [32]}')
    with pytest.raises(ConfigError, match=r"unet must hold a GenXD UNet: .*safetensors"):
        load_checkpoint(tmp_path)
