"""Preconditioning, loss and sampler: by hand, against diffusers and against recorded steps."""

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers import EDMEulerScheduler  # noqa: E402
from torch import Tensor  # noqa: E402

from camvid.errors import ConfigError  # noqa: E402
from camvid.genxd.conditioning import Conditions  # noqa: E402
from camvid.genxd.diffusion import (  # noqa: E402
    SamplerOptions,
    denoised,
    predict_velocity,
    sample_latents,
    velocity,
    velocity_loss,
)
from camvid.genxd.rays import plucker_rays  # noqa: E402
from camvid.geometry import invert_rigid  # noqa: E402
from tests.genxd.tiny import make_unet, recorded  # noqa: E402

SCALING_FACTOR = 0.18215
PIPELINES = ["3d_two_views", "4d_single_view", "video"]


def random_latents(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def make_conditions(indicator: list[int], *, num_frames: int = 4) -> Conditions:
    num_samples = len(indicator)
    is_given = torch.zeros(num_samples, num_frames, dtype=torch.bool)
    is_given[:, 1] = True
    return Conditions.from_samples(
        latents=random_latents(num_samples, num_frames, 4, 8, 8, seed=1),
        is_given=is_given,
        rays=random_latents(num_samples, num_frames, 6, 8, 8, seed=2),
        indicator=torch.tensor(indicator),
        motion_ids=torch.linspace(1, 2, num_samples),
    )


def recorded_conditions(case: dict[str, Tensor]) -> Conditions:
    """As a caller would make them: from cameras, a K in pixels, and latents of the given frames."""
    context = case["context_indices"]
    latents = torch.full_like(case["noise"], float("nan"))  # of target frames: must not be read
    latents[:, context] = case["context_latents_unscaled"] * SCALING_FACTOR
    is_given = torch.zeros(latents.shape[:2], dtype=torch.bool)
    is_given[:, context] = True
    rays = plucker_rays(
        invert_rigid(case["c2w"][0, :, :3].numpy()),
        np.diag([64.0, 64.0, 1.0]) @ case["intrinsics_normalised"][0].numpy(),
        image_hw=(64, 64),
        latent_hw=(8, 8),
        reference_frame=int(context[0]),
    )
    return Conditions.from_samples(
        latents=latents,
        is_given=is_given,
        rays=torch.from_numpy(rays)[None],
        indicator=case["indicator"][1:],
        motion_ids=case["motion_ids"][1:],
    )


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_sampler_takes_the_recorded_steps(pipeline: str) -> None:
    """What the UNet is asked, step by step, when it answers as recorded."""
    case = recorded("sampler", pipeline)
    asked: list[tuple[Tensor, ...]] = []

    def answer(*inputs: Tensor) -> Tensor:
        asked.append(inputs)
        return case[f"step{len(asked) - 1}.output"]

    latents = sample_latents(
        answer, recorded_conditions(case), case["noise"], SamplerOptions(num_steps=3)
    )
    assert len(asked) == 3
    for step, (sample, timestep, ids, indicator, motion) in enumerate(asked):
        torch.testing.assert_close(sample, case[f"step{step}.sample"], rtol=1e-5, atol=2e-5)
        torch.testing.assert_close(timestep, case[f"step{step}.timestep"].expand(2))
        assert torch.equal(ids, case["added_time_ids"])
        assert torch.equal(indicator, case["indicator"])
        assert torch.equal(motion, case["motion_ids"])
    torch.testing.assert_close(latents, case["final_latents"], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_unet_answers_as_recorded(weights: dict[str, Tensor], pipeline: str) -> None:
    case, unet = recorded("sampler", pipeline), make_unet(weights, torch.float32)
    for step in range(3):
        with torch.no_grad():
            output = unet(
                case[f"step{step}.sample"],
                case[f"step{step}.timestep"],
                case["added_time_ids"],
                case["indicator"],
                case["motion_ids"],
            )
        assert (output - case[f"step{step}.output"]).abs().max() < 1e-3


@pytest.mark.parametrize("num_steps", [3, 25])
def test_noise_levels_equal_the_recorded(num_steps: int) -> None:
    expected = recorded("sampler", f"schedule/{num_steps}")
    sigmas = SamplerOptions(num_steps=num_steps).sigmas()
    torch.testing.assert_close(sigmas, expected["sigmas"], rtol=1e-5, atol=0)
    torch.testing.assert_close(0.25 * sigmas[:-1].log(), expected["timesteps"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("sigma", [0.002, 0.9, 700.0])
def test_preconditioning_is_that_of_edm(sigma: float) -> None:
    scheduler = EDMEulerScheduler(sigma_data=1, prediction_type="v_prediction", sigma_max=700)
    x, v = random_latents(1, 2, 4, 8, 8), random_latents(1, 2, 4, 8, 8, seed=5)
    sigma_B = torch.tensor([sigma], dtype=torch.float64)
    expected = scheduler.precondition_outputs(x, v, sigma_B)
    torch.testing.assert_close(denoised(x, v, sigma_B), expected)
    asked: list[tuple[Tensor, ...]] = []

    def answer(*inputs: Tensor) -> Tensor:
        asked.append(inputs)
        return inputs[0][:, :, :4]

    conditions = make_conditions([0], num_frames=2)
    predict_velocity(answer, x, sigma_B, conditions)
    sample, timestep = asked[0][:2]
    torch.testing.assert_close(sample[:, 0, :4], scheduler.precondition_inputs(x, sigma_B)[:, 0])
    torch.testing.assert_close(timestep, scheduler.precondition_noise(sigma_B))


def test_true_velocity_denoises_exactly() -> None:
    x0, noise = random_latents(3, 2, 4, 8, 8), random_latents(3, 2, 4, 8, 8, seed=7)
    sigma_B = torch.tensor([0.01, 1.0, 300.0], dtype=torch.float64)
    x = x0 + sigma_B.view(-1, 1, 1, 1, 1) * noise
    torch.testing.assert_close(denoised(x, velocity(x0, noise, sigma_B), sigma_B), x0)


def knows(x0: Tensor) -> Callable[..., Tensor]:
    """The ideal UNet of a data set that consists of x0 alone."""

    def answer(sample: Tensor, timestep: Tensor, *_: Tensor) -> Tensor:
        sigma = (4 * timestep).exp().view(-1, 1, 1, 1, 1)
        x = sample[:, :, :4] * (sigma**2 + 1).sqrt()
        truth = x0.repeat(len(sample) // len(x0), 1, 1, 1, 1)
        return velocity(truth, (x - truth) / sigma, sigma.flatten())

    return answer


@pytest.mark.parametrize("guidance", [-0.5, 0.0, 0.4, 1.0, 3.0])
def test_sampler_finds_what_the_model_knows(guidance: float) -> None:
    conditions, x0 = make_conditions([0, 2]), random_latents(2, 4, 4, 8, 8, seed=3)
    noise = random_latents(2, 4, 4, 8, 8, seed=4)
    options = SamplerOptions(num_steps=8, guidance=guidance)
    latents = sample_latents(knows(x0), conditions, noise, options)
    targets = ~conditions.is_given
    torch.testing.assert_close(latents[targets], x0[targets], rtol=0, atol=1e-4)
    assert torch.equal(latents[:, 1], conditions.given_latents[:, 1])


@pytest.mark.parametrize(("guidance", "num_rows"), [(0.0, 2), (0.4, 4), (1.0, 2), (3.0, 4)])
def test_guidance_weighs_the_two_answers(guidance: float, num_rows: int) -> None:
    def answer(sample: Tensor, _: Tensor, ids: Tensor, *__: Tensor) -> Tensor:
        assert len(sample) == num_rows
        has_camera = ids[:, :, 1].double()[:, :, None, None, None]
        return torch.ones_like(sample[:, :, :4]) * (2 + 5 * has_camera)

    def answer_guided(sample: Tensor, *_: Tensor) -> Tensor:
        return torch.ones_like(sample[:, :, :4]) * (2 + guidance * 5)

    conditions, noise = make_conditions([0, 2]), random_latents(2, 4, 4, 8, 8)
    got = sample_latents(answer, conditions, noise, SamplerOptions(num_steps=4, guidance=guidance))
    expected = sample_latents(
        answer_guided, conditions, noise, SamplerOptions(num_steps=4, guidance=1.0)
    )
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("strength", "num_steps"), [(1.0, 10), (0.6, 6), (0.1, 1)])
def test_a_video_is_started_from_at_its_noise(strength: float, num_steps: int) -> None:
    start, noise, truth = (random_latents(2, 4, 4, 8, 8, seed=seed) for seed in range(3))
    conditions, model = make_conditions([2, 0]), knows(truth)
    asked: list[Tensor] = []

    def spy(*inputs: Tensor) -> Tensor:
        asked.append(inputs[0][:, :, :4])
        return model(*inputs)

    options = SamplerOptions(num_steps=10, guidance=1.0, strength=strength)
    made = sample_latents(spy, conditions, noise, options, start_BFCHW=start)
    assert len(asked) == num_steps
    sigma = float(options.sigmas()[10 - num_steps])
    noisy = (start + sigma * noise) / (sigma**2 + 1) ** 0.5
    torch.testing.assert_close(asked[0], conditions.put_given(noisy))
    torch.testing.assert_close(made, conditions.put_given(truth))


def test_a_batch_is_sampled_as_its_samples(weights: dict[str, Tensor]) -> None:
    unet, noise = make_unet(weights), random_latents(2, 4, 4, 8, 8)
    options = SamplerOptions(num_steps=2)
    both, second = make_conditions([0, 2]), make_conditions([0, 2])
    alone = Conditions(
        **{name: getattr(second, name)[1:] for name in Conditions.__dataclass_fields__}
    )
    latents = sample_latents(unet, both, noise, options)
    torch.testing.assert_close(
        latents[1:], sample_latents(unet, alone, noise[1:], options), rtol=0, atol=1e-8
    )


def test_loss_is_the_weighted_error_of_the_target_frames() -> None:
    conditions, x0 = make_conditions([0, 2]), random_latents(2, 4, 4, 8, 8, seed=3)
    noise, sigma_B = random_latents(2, 4, 4, 8, 8, seed=4), torch.tensor([0.3, 8.0]).double()
    prediction = random_latents(2, 4, 4, 8, 8, seed=5)
    loss_B = velocity_loss(lambda *_: prediction, x0, noise, sigma_B, conditions)
    for sample, sigma in enumerate(sigma_B):
        x = x0[sample] + sigma * noise[sample]
        clean = denoised(x[None], prediction[sample][None], sigma[None])[0]
        targets = [0, 2, 3]
        error = (clean - x0[sample])[targets].square().mean()
        torch.testing.assert_close(loss_B[sample], error * (1 + sigma**2) / sigma**2)


def test_loss_ignores_condition_frames_and_ends_at_zero() -> None:
    conditions, x0 = make_conditions([2]), random_latents(1, 4, 4, 8, 8, seed=3)
    noise, sigma_B = random_latents(1, 4, 4, 8, 8, seed=4), torch.tensor([0.7]).double()
    truth = velocity(x0, noise, sigma_B)
    truth[:, 1] = 1e6
    assert velocity_loss(lambda *_: truth, x0, noise, sigma_B, conditions).item() < 1e-20


def test_unusable_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_steps must be 2 or more, got 1"):
        SamplerOptions(num_steps=1)
    with pytest.raises(ConfigError, match="sigma_min must be above 0 and below sigma_max"):
        SamplerOptions(sigma_min=0.0)
