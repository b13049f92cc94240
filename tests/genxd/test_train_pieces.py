"""The loop's pieces by themselves: options, noise, weights, FLOPs, memory."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from accelerate import Accelerator  # noqa: E402
from diffusers import UNetSpatioTemporalConditionModel  # noqa: E402
from torch import nn  # noqa: E402
from torch._dynamo.utils import counters  # noqa: E402

from camvid.errors import BackendUnavailable, ConfigError  # noqa: E402
from camvid.genxd.model import GenXDUNet  # noqa: E402
from camvid.genxd.training.flops import peak_tflops, step_flops  # noqa: E402
from camvid.genxd.training.noise import draw_noise  # noqa: E402
from camvid.genxd.training.options import (  # noqa: E402
    NoiseOptions,
    OptimizerOptions,
    RunOptions,
    TrainConfig,
)
from camvid.genxd.training.processes import enough_memory, layers, spread  # noqa: E402
from camvid.genxd.training.start import make_unet  # noqa: E402
from camvid.genxd.training.weights import MovingAverage, choose_trained  # noqa: E402
from tests.genxd.tiny import make_inputs  # noqa: E402
from tests.genxd.training_runs import small  # noqa: E402
from workflows.configs import config_names, load_training_config  # noqa: E402


def test_noise_follows_from_seed_and_number_alone() -> None:
    shape, options = (3, 4, 8, 8), NoiseOptions()
    noise, sigma = draw_noise([5, 900, 7], shape, options, seed=1)
    again, sigma_again = draw_noise([7, 5], shape, options, seed=1)
    assert torch.equal(again, noise[[2, 0]])
    assert torch.equal(sigma_again, sigma[[2, 0]])
    assert not torch.equal(draw_noise([5], shape, options, seed=2)[0], noise[:1])
    many, sigmas = draw_noise(range(400), shape, NoiseOptions(log_sigma_mean=0.7), seed=0)
    assert abs(float(many.mean())) < 0.005
    assert abs(float(many.std()) - 1) < 0.005
    assert abs(float(sigmas.log().mean()) - 0.7) < 0.25
    assert abs(float(sigmas.log().std()) - 1.6) < 0.2


def test_noise_and_data_draw_from_different_streams() -> None:
    import numpy as np

    _, sigma = draw_noise([3], (1,), NoiseOptions(log_sigma_mean=0, log_sigma_std=1), seed=0)
    for stream in ([0, 3], [0, 3, 1]):
        assert float(sigma.log()) != pytest.approx(np.random.default_rng(stream).standard_normal())


def test_learning_rate_warms_up_and_decays() -> None:
    constant = OptimizerOptions(learning_rate=2.0, warmup_steps=4)
    assert [constant.learning_rate_at(s) for s in (0, 1, 3, 999)] == [0.5, 1.0, 2.0, 2.0]
    falling = OptimizerOptions(learning_rate=2.0, warmup_steps=0, decay_steps=10)
    assert [falling.learning_rate_at(s) for s in (0, 5, 10, 11)] == pytest.approx([2, 1, 0, 0])


def test_a_batch_is_shared_by_processes_and_micro_batches() -> None:
    options = RunOptions(batch_size=128, micro_batch_size=2)
    assert [options.micro_batches(n) for n in (1, 8, 64)] == [64, 8, 1]
    with pytest.raises(ConfigError, match=r"multiple of .* got 128 for 2 x 3"):
        options.micro_batches(3)


def test_the_average_is_one_and_leaves_the_weights_alone() -> None:
    model = nn.Linear(3, 2)
    average = MovingAverage(model, 0.9)
    expected = model.weight.detach().clone()
    for step in range(30):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.values["weight"], expected)
    weight = model.weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(model.weight.detach(), expected)
        assert torch.equal(average.values["weight"], weight)
    assert torch.equal(model.weight, weight)


@pytest.mark.parametrize(
    ("part", "share"),
    [("all", 1.0), ("temporal", 0.3145), ("multiview", 0.262), ("temporal+multiview", 0.576)],
)
def test_parts_have_their_share_of_the_released_model(part: Any, share: float) -> None:
    with torch.device("meta"):
        unet = GenXDUNet()
    total = sum(p.numel() for p in unet.parameters())
    assert choose_trained(unet, part) / total == pytest.approx(share, abs=0.001)


def test_flops_of_a_step() -> None:
    """Without memory and for the shapes at hand; 3D batches and frozen parts cost less."""
    unet = make_unet(small().model, 4, seed=0)
    counted: Any = {"num_frames": 2, "latent_hw": (8, 8)}
    whole = step_flops(unet.config, "all", **counted, all_3d=False)
    first_layer = 2 * 2 * 64 * 9 * 15 * 32  # a multiplication and an addition are two
    assert whole > 3 * first_layer
    assert step_flops(unet.config, "all", **counted, all_3d=True) < 0.9 * whole
    assert 0.4 * whole < step_flops(unet.config, "temporal", **counted, all_3d=False) < whole
    assert math.isnan(peak_tflops(torch.device("cpu")))


def test_memory_that_is_not_there_is_explained() -> None:
    options = RunOptions(micro_batch_size=7)
    with (
        pytest.raises(BackendUnavailable, match="micro_batch_size = 7 samples, but it ran out"),
        enough_memory(options),
    ):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="size of tensor"), enough_memory(options):
        torch.zeros(2) + torch.zeros(3)


def test_compiled_layers_compute_the_same() -> None:
    """Traced as for inductor, but not translated to C++, which takes minutes."""
    one_level = replace(small().model, block_out_channels=(32,), num_attention_heads=(1,))
    unet = make_unet(one_level, 4, seed=0)
    inputs = {name: x.float() if x.is_floating_point() else x for name, x in
              make_inputs([2], num_frames=2).items()}  # fmt: skip
    names = set(unet.state_dict())
    expected = unet(**inputs)
    counters.clear()
    torch._dynamo.reset()
    model = spread(unet, Accelerator(cpu=True), RunOptions(compile_backend="eager"))
    assert set(unet.state_dict()) == names
    torch.testing.assert_close(model(**inputs), expected, rtol=1e-4, atol=1e-4)
    assert len(layers(unet)) == 6
    assert counters["stats"]["unique_graphs"] == 3  # layers that are alike share theirs


def test_a_run_starts_from_stable_video_diffusion(tmp_path: Path) -> None:
    svd = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 32),
        num_attention_heads=(1, 1),
        layers_per_block=1,
        cross_attention_dim=8,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    )
    svd.save_pretrained(tmp_path / "unet")
    unet = make_unet(replace(small().model, init=str(tmp_path)), 4, seed=0)
    assert torch.equal(unet.conv_out.weight, svd.conv_out.weight)
    name = "down_blocks.0.resnets.0.temporal_res_block.conv1.weight"
    for ours in (name, name.replace("temporal_res_block", "mv_res_block")):
        assert torch.equal(unet.state_dict()[ours], svd.state_dict()[name])


def test_a_run_starts_from_a_genxd_of_any_shape(tmp_path: Path) -> None:
    wide = replace(small().model, block_out_channels=(64, 32), num_attention_heads=(2, 1))
    first = make_unet(wide, 4, seed=1)
    first.save_pretrained(tmp_path)
    again = make_unet(replace(small().model, init=str(tmp_path)), 4, seed=0)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in first.state_dict().items())
    with pytest.raises(ConfigError, match="must have the codec's 16 latent channels, got 4"):
        make_unet(replace(small().model, init=str(tmp_path)), 16, seed=0)


@pytest.mark.parametrize("name", ["tiny", "demo", "stage1", "stage2", "stage3", "h100", "lowmem"])
def test_packaged_configurations_load(name: str) -> None:
    assert name in config_names()
    config = load_training_config(name, ["run.num_steps=7"])
    assert config.run.num_steps == 7
    if name.startswith("stage"):
        assert config.run.batch_size == 128
        assert config.model == TrainConfig().model


def test_an_unknown_configuration_lists_the_known() -> None:
    with pytest.raises(
        ConfigError,
        match="or one of demo, h100, lowmem, stage1, stage2, stage3, tiny, got 'nosuch'",
    ):
        load_training_config("nosuch", [])
    with pytest.raises(ConfigError, match=r"unknown key `run.batchsize`; did you mean `batch_size"):
        load_training_config("tiny", ["run.batchsize=2"])
