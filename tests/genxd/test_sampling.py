"""From known images to all frames: conditions, seeds, batches, guidance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from torch import Tensor  # noqa: E402

from camvid.errors import ConfigError  # noqa: E402
from camvid.genxd.camera_paths import named_path  # noqa: E402
from camvid.genxd.codec import PatchCodec  # noqa: E402
from camvid.genxd.diffusion import SamplerOptions  # noqa: E402
from camvid.genxd.model import GenXDUNet  # noqa: E402
from camvid.genxd.rays import plucker_rays  # noqa: E402
from camvid.genxd.sampling import (  # noqa: E402
    Scene,
    conditions_of,
    initial_noise,
    sample_images,
)
from tests.genxd.checkpoints import small_codec  # noqa: E402
from tests.genxd.tiny import make_unet  # noqa: E402

QUICK = SamplerOptions(num_steps=2)


@pytest.fixture(scope="module")
def codec() -> PatchCodec:
    return small_codec()


@pytest.fixture(scope="module")
def unet(weights: dict[str, Tensor]) -> GenXDUNet:
    return make_unet(weights, torch.float32)


def make_scene(
    *, at: tuple[int, ...] = (0,), num_frames: int = 4, camera: str = "orbit", **others: Any
) -> Scene:
    rng = np.random.default_rng(len(at))
    path = named_path(camera, num_frames)
    smooth = rng.uniform(-1, 1, (len(at), 3, 8, 8)).repeat(8, axis=2).repeat(8, axis=3)
    return Scene(
        images=smooth.astype(np.float32),
        at=at,
        cam_from_world=path.cam_from_world,
        K=path.K_of((64, 64)),
        **others,
    )


def make(unet: GenXDUNet, codec: PatchCodec, scenes: list[Scene], seeds: list[int]) -> Tensor:
    return sample_images(unet, codec, conditions_of(scenes, codec), seeds=seeds, options=QUICK)


def test_conditions_hold_latents_rays_and_kind(codec: PatchCodec) -> None:
    scene = make_scene(at=(3, 1), motion_id=2.0)
    conditions = conditions_of([scene, replace(scene, kind="video")], codec)
    encoded = codec.encode(torch.from_numpy(scene.images)[None])[0]
    assert conditions.is_given.tolist() == [[False, True, False, True]] * 2
    assert torch.equal(conditions.given_latents[0, 3], encoded[0])
    assert torch.equal(conditions.given_latents[0, 1], encoded[1])
    assert not conditions.given_latents[0, [0, 2]].any()
    rays = plucker_rays(
        scene.cam_from_world, scene.K, image_hw=(64, 64), latent_hw=(8, 8), reference_frame=1
    )
    assert np.array_equal(conditions.rays[0].numpy(), rays)
    assert not conditions.rays[1].any()
    assert conditions.indicator.tolist() == [2, 1]
    assert conditions.motion_ids.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("kind", ["3d", "4d", "video"])
@pytest.mark.parametrize(("at", "num_frames"), [((0,), 3), ((0, 4, 2), 5)])
def test_given_frames_come_back_as_the_codec_has_them(
    unet: GenXDUNet, codec: PatchCodec, kind: Any, at: tuple[int, ...], num_frames: int
) -> None:
    scene = make_scene(at=at, num_frames=num_frames, kind=kind)
    made = make(unet, codec, [scene], [0])
    assert made.shape == (1, num_frames, 3, 64, 64)
    assert made.abs().max() <= 1
    assert made.isfinite().all()
    rgb = torch.from_numpy(scene.images)[None]
    torch.testing.assert_close(made[0, list(at)], codec.decode(codec.encode(rgb))[0])


def test_the_seed_decides_and_the_batch_does_not(unet: GenXDUNet, codec: PatchCodec) -> None:
    scene, other = make_scene(), make_scene(camera="forward", kind="3d")
    alone = make(unet, codec, [scene], [7])
    assert torch.equal(alone, make(unet, codec, [scene], [7]))
    assert (alone - make(unet, codec, [scene], [8])).abs()[:, 1:].mean() > 0.01
    both = make(unet, codec, [other, scene], [3, 7])
    # A batch sums in another order, and the sampler enlarges that; by how much, the CPU decides.
    assert (both[1:] - alone).abs().mean() < 1e-3
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=2e-2)
    assert torch.equal(initial_noise([3, 7], (2, 4, 8, 8))[1:], initial_noise([7], (2, 4, 8, 8)))


def test_camera_and_motion_matter_where_they_should(unet: GenXDUNet, codec: PatchCodec) -> None:
    """Random weights answer to all inputs; what must not be heard changes nothing at all."""

    def change(kind: Any, **new: Any) -> float:
        scene = make_scene(kind=kind, motion_id=1.0)
        pair = [make(unet, codec, [s], [0]) for s in (scene, replace(scene, **new))]
        return float((pair[0] - pair[1]).abs().max())

    path = {"cam_from_world": named_path("forward", 4).cam_from_world}
    assert change("4d", motion_id=9.0) > 1e-3
    assert change("3d", motion_id=9.0) == 0
    assert change("4d", **path) > 1e-3
    assert change("video", **path) == 0


def test_the_model_comes_back_in_its_mode_and_steps_are_told(
    unet: GenXDUNet, codec: PatchCodec
) -> None:
    steps: list[int] = []
    unet.train()
    conditions = conditions_of([make_scene()], codec)
    options = SamplerOptions(num_steps=3, guidance=0.5)
    sample_images(unet, codec, conditions, seeds=[0], options=options, on_step=steps.append)
    assert unet.training
    unet.eval()
    assert steps == [1, 2, 3]


def test_what_does_not_fit_is_refused(unet: GenXDUNet, codec: PatchCodec) -> None:
    with pytest.raises(ConfigError, match=r"one frame for each image .* got 0 for 0 images"):
        make_scene(at=())
    for at in ((0, 0), (4,), (-1,), (0, 1, 2, 3)):
        with pytest.raises(ConfigError, match="different frames from 0 to 3 and leave one"):
            make_scene(at=at)
    with pytest.raises(ConfigError, match="must agree in frames and size"):
        conditions_of([make_scene(), make_scene(num_frames=5)], codec)
    conditions = conditions_of([make_scene()], codec)
    with pytest.raises(ConfigError, match="seeds must be one per sample, 1, got 2"):
        sample_images(unet, codec, conditions, seeds=[0, 1], options=QUICK)
    wide = PatchCodec.fit([make_scene().images], num_channels=6)
    with pytest.raises(ConfigError, match="model's 4 latent channels, got 6"):
        sample_images(unet, wide, conditions, seeds=[0], options=QUICK)
